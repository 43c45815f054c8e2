package config

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// shortLists has lists of two count as long for the time of a test.
func shortLists(t testing.TB) {
	before := longList
	longList = 2
	t.Cleanup(func() { longList = before })
}

// repeatSpec has lists whose elements others ask about, and some that may be written as a word.
type repeatSpec struct {
	Kind   string            `yaml:"kind"`
	Items  []repeatItem      `yaml:"items"`
	Others []repeatItem      `yaml:"others"`
	Words  []repeatWord      `yaml:"words"`
	Texts  map[string]string `yaml:"texts"`
	Lists  map[string]struct {
		Items []repeatItem `yaml:"items"`
	} `yaml:"lists"`
}

type repeatItem struct {
	Name   string       `yaml:"name"`
	Plain  string       `yaml:"plain"`
	Number int          `yaml:"number"`
	Words  []repeatWord `yaml:"words"`
	Inner  []repeatItem `yaml:"inner"`
}

// repeatWord may be written as a word.
type repeatWord struct {
	Address string `yaml:"address"`
}

func (w *repeatWord) FromScalar(s string) error {
	w.Address = s
	return nil
}

func (s *repeatItem) Validate(c *Check) {
	if s.Number < 0 {
		c.At("number").Errorf("a number is not negative")
	}
}

// Validate looks at what stands in the elements, and further down.
func (s *repeatSpec) Validate(c *Check) {
	items := c.At("items")
	for i := range s.Items {
		if s.Kind == "bare" && items.At(i).Has("plain") {
			items.At(i, "plain").Errorf("bare items are not plain")
		}
		if s.Kind == "deep" && len(s.Items[i].Inner) > 0 && items.At(i, "inner", 0).Has("plain") {
			items.At(i, "inner", 0, "plain").Errorf("inner items are not plain")
		}
		if s.Kind == s.Items[i].Name && s.Kind != "" {
			items.At(i, "name").Errorf("a name as the kind's")
		}
	}
}

const repeatText = `kind: any
items:
  - {name: a, number: 1}   # one line
  - name: b
    plain: |
      some text
      - {name: c}

      more
    words: [x, {address: y}]
  # about c
  - {name: c, plain: "in
quotes", number: 3}
  - name: d
    inner:
      - {name: e, number: 1}
      - {name: f, plain: g}
      - name: h
  - name: i
  - {name: j, number: 0x10}
others:
  - {name: a, number: 1}   # one line
  - name: k
words:
- same
- {address: l}
- m
lists:
  one:
    items:
      - {name: n, number: 1}
      - name: o
  two:
    items:
      - {name: n, number: 1}
      - {name: f, plain: g}
texts:
  short: text
`

// trapText ends in texts that look like elements.
const trapText = repeatText + `  long: |
    items:
      - {name: n, number: 1}
      - {name: f, plain: g}
  open: "
  - name: i
  - {name: j, number: 0x10}
"
`

// checkAfter holds that a text says after another one what it says by itself, and returns how many elements were repeated; false if
// the first one is not right.
func checkAfter(t *testing.T, first, second string) (repeated int, ok bool) {
	t.Helper()
	before, err := DecodeAfter(nil, "f", []byte(first), new(repeatSpec))
	if err != nil {
		return 0, false
	}
	var alone, after, third repeatSpec
	want := Decode("f", []byte(second), &alone)
	reading, got := DecodeAfter(before, "f", []byte(second), &after)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s\nafter\n%s\ngot %v\nwant %v", second, first, got, want)
	}
	if want != nil {
		return 0, true
	}
	if !reflect.DeepEqual(after, alone) || !Equal(&after, &alone) {
		t.Fatalf("%s\nafter\n%s\ngot %+v\nwant %+v", second, first, after, alone)
	}
	if _, err := DecodeAfter(reading, "f", []byte(first), &third); err != nil {
		t.Fatalf("back from\n%s\nto\n%s\ngot %v", second, first, err)
	}
	var again repeatSpec
	if _ = Decode("f", []byte(first), &again); !reflect.DeepEqual(third, again) {
		t.Fatalf("back from\n%s\nto\n%s\ngot %+v", second, first, third)
	}
	return repeatedBy(t, before, second), true
}

// repeatedBy is how many elements a text repeats; 0 if it has to be decoded as a whole.
func repeatedBy(t *testing.T, before *Reading, text string) int {
	t.Helper()
	again := before.repeated([]byte(text))
	if again == nil {
		return 0
	}
	d, err := Tolerance(nil).decode("f", again.text, again, reflect.New(reflect.TypeFor[repeatSpec]()).Elem())
	if err != nil || d.doubt || d.anchored || d.repeated != len(again.lines) {
		return 0
	}
	return d.repeated
}

// TestDecodeAfterAliases: elements that an alias repeats do not make up for lines that turned out to be something else.
func TestDecodeAfterAliases(t *testing.T) {
	shortLists(t)
	const items = "    - name: a\n    - name: b\n"
	for _, second := range []string{
		"items: &x\n" + items + "others: *x\ntexts:\n  page: |\n" + items,
		"items: &x\n" + items + "others: *x\n",
		"items:\n" + items + "texts:\n  page: |\n" + items,
	} {
		if n, ok := checkAfter(t, "items:\n"+items, second); n > 0 || !ok {
			t.Errorf("%d elements are taken over into\n%s", n, second)
		}
	}
}

// TestDecodeAfterDepth: what nests as deep as may be cannot be taken over to a deeper place.
func TestDecodeAfterDepth(t *testing.T) {
	shortLists(t)
	element := strings.Repeat(" ", 60) + "- " + strings.Repeat("{inner: [", 45) + "{name: x}" + strings.Repeat("]}", 45) + "\n"
	deeper := "items:\n- inner:\n"
	for i := 1; i < 12; i++ {
		deeper += strings.Repeat(" ", 2*i) + "- inner:\n"
	}
	if n, ok := checkAfter(t, "items:\n"+element+element, deeper+element+element); n > 0 || !ok {
		t.Errorf("%d elements are taken over", n)
	}
}

// outsideSpec has a list of what looks elsewhere.
type outsideSpec struct {
	Items []struct {
		Name string       `yaml:"name"`
		In   *outsideItem `yaml:"in"`
	} `yaml:"items"`
	More string `yaml:"more"`
}

type outsideItem struct {
	File string `yaml:"file"`
}

// broken is what outsideItem looks at.
var broken bool

func (s *outsideItem) Validate(c *Check) {
	if broken {
		c.At("file").Fault(errBroken)
	}
}

var errBroken = errors.New("is broken")

func (s *outsideItem) LooksOutside() {}

// TestDecodeAfterOutside: what does not depend on the text alone is looked at every time.
func TestDecodeAfterOutside(t *testing.T) {
	shortLists(t)
	defer func() { broken = false }()
	const text = "items:\n- {name: a, in: {file: x}}\n- {name: b}\n"
	before, err := DecodeAfter(nil, "f", []byte(text), new(outsideSpec))
	if err != nil {
		t.Fatal(err)
	}
	broken = true
	if _, err := DecodeAfter(before, "f", []byte(text+"more: c\n"), new(outsideSpec)); err == nil || !strings.Contains(err.Error(), "f:2:24: ") {
		t.Errorf("got %v", err)
	}
	for _, tolerant := range []bool{true, false} {
		var fault error
		_, err := Tolerance(func(err error) bool { fault = err; return tolerant }).DecodeAfter(before, "f", []byte(text+"more: c\n"), new(outsideSpec))
		if (err == nil) != tolerant || fault != errBroken {
			t.Errorf("tolerant: %v: %v, asked about %v", tolerant, err, fault)
		}
	}
}

// TestManyLists: a text of many long lists is read in time that grows with it.
func TestManyLists(t *testing.T) {
	shortLists(t)
	var b strings.Builder
	b.WriteString("lists:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  l%d:\n    items:\n    - {name: a%d}\n    - {name: b}\n", i, i)
	}
	before, err := DecodeAfter(nil, "f", []byte(b.String()), new(repeatSpec))
	if err != nil || len(before.lists) > maxLists {
		t.Fatalf("%v, %d lists are remembered", err, len(before.lists))
	}
	if n, ok := checkAfter(t, b.String(), b.String()+"kind: x\n"); n == 0 || !ok {
		t.Errorf("%d elements are taken over", n)
	}
}

func TestDecodeAfter(t *testing.T) {
	shortLists(t)
	for _, c := range []struct {
		name, first, second string
		repeated            int
	}{
		{"nothing changed", repeatText, repeatText, 14},
		{"one changed", repeatText, strings.Replace(repeatText, "name: i", "name: z", 1), 13},
		{"nothing changed, but a text looks like elements", trapText, trapText, 0},
		{"other order", "items:\n- name: a\n- name: b\n- name: c\n", "items:\n- name: c\n- name: a\n- name: b\n", 3},
		{"twice the same", "items:\n- name: a\n- name: b\n", "items:\n- name: a\n- name: a\n- name: a\n", 3},
		{"in another list", "items:\n- name: a\n- name: b\nothers:\n- name: c\n- name: d\n", "items:\n- name: c\n- name: d\nothers:\n- name: a\n- name: b\n", 4},
		{"in a list of others", "items:\n- name: a\n- name: b\nwords:\n- {address: c}\n- d\n", "items:\n- name: a\n- name: b\nwords:\n- name: a\n- d\n", 0},
		{"something further in it", "items:\n- name: a\n- name: b\n", "items:\n- name: a\n  number: 1\n- name: b\n", 1},
		{"one line less deep", "items:\n  - name: a\n  - name: b\n", "items:\n  - name: a\n - name: b\n", 0},
		{"other columns", "items:\n  - name: a\n  - name: b\n", "items:\n - name: a\n - name: b\n", 0},
		{"what is no longer long", "items:\n- name: a\n- name: b\n", "items:\n- name: a\n", 0},
		{"an end without newline", "items:\n- name: a\n- name: b", "items:\n- name: b\n- name: a", 0},
		{"an end with a comment", "items:\n- name: a\n- name: b\n# end", "items:\n- name: b\n# end", 0},
		{"a fault beside", "items:\n- name: a\n- name: b\n", "items:\n- name: a\n- nam: b\n- name: b\n", 0},
		{"a fault of one that stays", "kind: x\nitems:\n- name: a\n- name: b\n", "kind: b\nitems:\n- name: a\n- name: b\n", 0},
		{"keys that are asked for", "items:\n- name: a\n- {name: b, plain: c}\n", "kind: bare\nitems:\n- name: a\n- {name: b, plain: c}\n", 0},
		{"keys that are asked for and not there", "items:\n- name: a\n- name: b\n", "kind: bare\nitems:\n- name: a\n- name: b\n", 2},
		{"keys further down", "items:\n- name: a\n- {name: b, inner: [{plain: c}]}\n", "kind: deep\nitems:\n- name: a\n- {name: b, inner: [{plain: c}]}\n", 0},
		{"the word itself", "words:\n- same\n- a\n", "words:\n- a\n- same\n- b\n- same\n", 3},
		{"the word itself, new", "words:\n- a\n- b\n", "words:\n- a\n- same\n- b\n- b\n", 3},
		{"a quote that was closed", "items:\n- name: a\n- name: \"b\nb\"\n- name: c\n", "items:\n- name: a\n- name: \"b\n- name: c\nb\"\n", 0},
		{"the last one, with a quote over lines", "items:\n- name: a\n- name: \"b\nb\"\nkind: c\n", "items:\n- name: a\n- name: \"b\nx\"\nkind: c\n", 1},
		{"anchors before", "items:\n- &a {name: a}\n- *a\n- name: b\n", "items:\n- name: b\n- name: b\n", 0},
		{"anchors now", "items:\n- name: a\n- name: b\n", "others: &a\n- name: a\n- name: b\nitems: *a\n", 0},
		{"a merge", "items:\n- name: a\n- {<<: {plain: b}, name: b}\n", "kind: bare\nitems:\n- name: a\n- {<<: {plain: b}, name: b}\n", 0},
		{"other newlines before", "items:\r\n- name: a\r\n- name: b\r\n", "items:\r\n- name: a\r\n- name: b\r\n", 0},
		{"other newlines now", "items:\n- name: a\n- name: b\n", "items:\n- name: a\n- name: b\n# \u2028\n", 0},
		{"directives", "items:\n- name: !!str 1\n- name: b\n", "%TAG !! tag:x,2000:\n---\nitems:\n- name: !!str 1\n- name: b\n", 0},
		{"two documents", "items:\n- name: a\n- name: b\n", "items:\n- name: a\n- name: b\n---\nitems:\n- name: a\n- name: b\n", 0},
		{"in brackets", "items:\n- name: a\n- name: b\n", "items: [\n- name: a\n- name: b\n]\n", 0},
		{"a tab", "items:\n- name: a\n- name: b\n", "items:\n- name: a\n\t\n- name: b\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n, ok := checkAfter(t, c.first, c.second); n != c.repeated || !ok {
				t.Errorf("%d elements are repeated, want %d; the first one right: %v", n, c.repeated, ok)
			}
		})
	}
}

// TestDecodeAfterSharesLists: a list in which nothing changed is the very same, which comparisons see at once.
func TestDecodeAfterSharesLists(t *testing.T) {
	shortLists(t)
	text := "items:\n- name: a\n- name: b\nothers:\n- name: c\n- name: d\n"
	var one, two repeatSpec
	before, err := DecodeAfter(nil, "f", []byte(text), &one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeAfter(before, "f", []byte("kind: x\n"+strings.Replace(text, "name: d", "name: e", 1)), &two); err != nil {
		t.Fatal(err)
	}
	if &one.Items[0] != &two.Items[0] || &one.Others[0] == &two.Others[0] {
		t.Error("items are to be shared, and others not")
	}
	if got, want := fmt.Sprint(Diff(&one, &two)), "[+ kind: x ~ others[1].name: d -> e]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if one.Others[1].Name != "d" {
		t.Error("what was decoded before has changed")
	}
}

// TestDecodeAfterEdits edits a text in ways that people and programs do, and in worse ones.
func TestDecodeAfterEdits(t *testing.T) {
	shortLists(t)
	random := rand.New(rand.NewPCG(1, 2))
	lines := strings.SplitAfter(repeatText, "\n")
	pieces := append(strings.SplitAfter("- \n\"\n'\n[\n]\n{\n}\n#\n|\n: x\n  - same\n\t\n---\n...\n&a \n*a\n  \n? \n", "\n"), lines...)
	trap := strings.SplitAfter(trapText, "\n")
	total, right := 0, 0
	for i := range 400 {
		if i == 320 {
			lines = trap
		}
		first := edited(random, lines, pieces, random.IntN(3))
		second := edited(random, first, pieces, 1+random.IntN(4))
		n, ok := checkAfter(t, strings.Join(first, ""), strings.Join(second, ""))
		if total += n; ok {
			right++
		}
	}
	if t.Logf("%d elements were repeated by %d texts", total, right); total < 100 || right < 100 {
		t.Errorf("only %d elements were repeated by %d texts", total, right)
	}
}

// edited is lines with n changes.
func edited(random *rand.Rand, lines, pieces []string, n int) []string {
	out := slices.Clone(lines)
	for range n {
		i, j := random.IntN(len(out)), random.IntN(len(out))
		piece := pieces[random.IntN(len(pieces))]
		switch random.IntN(7) {
		case 0:
			out = slices.Delete(out, i, i+1)
		case 1:
			out = slices.Insert(out, i, piece)
		case 2:
			out[i] = piece
		case 3:
			out[i], out[j] = out[j], out[i]
		case 4: // within a line
			at := random.IntN(len(out[i]) + 1)
			out[i] = out[i][:at] + strings.TrimSpace(piece) + out[i][at:]
		case 5: // less deep, or deeper
			if out[i] = strings.TrimPrefix(out[i], "  "); random.IntN(2) == 0 {
				out[i] = "    " + out[i]
			}
		case 6:
			out[i] = strings.Replace(out[i], "name: ", "name: x", 1)
		}
		if len(out) < 2 {
			return slices.Clone(lines)
		}
	}
	return out
}

// FuzzDecodeAfter holds the same for any two texts.
func FuzzDecodeAfter(f *testing.F) {
	shortLists(f)
	lines := strings.SplitAfter(repeatText, "\n")
	for i := range lines {
		f.Add(repeatText, strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""))
		f.Add(repeatText, strings.Join(slices.Insert(slices.Clone(lines), i, "  - {name: i}\n"), ""))
	}
	f.Fuzz(func(t *testing.T, first, second string) { checkAfter(t, first, second) })
}
