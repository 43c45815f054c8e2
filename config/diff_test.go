package config

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/quick"
)

// diffed is a configuration with everything that can differ.
type diffed struct {
	Name    string              `yaml:"name"`
	Wait    Duration            `yaml:"wait"`
	On      bool                `yaml:"on"`
	Count   int                 `yaml:"count"`
	Pattern Regexp              `yaml:"pattern"`
	Token   Secret              `yaml:"token"`
	Inner   *diffedInner        `yaml:"inner"`
	Things  map[string]*diffedX `yaml:"things"`
	Fields  map[string]string   `yaml:"fields"`
	List    []string            `yaml:"list"`
	Keyed   []diffedX           `yaml:"keyed"`
}

type diffedInner struct {
	Max Size `yaml:"max"`
}

func (i *diffedInner) SetDefaults() { i.Max = 1 << 10 }

type diffedX struct {
	ID    string `yaml:"id"`
	Value int    `yaml:"value"`
}

func (d *diffed) SetDefaults()       { d.Wait = 1e9 }
func (x *diffedX) ConfigKey() string { return x.ID }

func decodeDiffed(t testing.TB, text string) *diffed {
	t.Helper()
	d := new(diffed)
	if err := Decode("c.yaml", []byte(text), d); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

func TestDiff(t *testing.T) {
	for _, test := range []struct {
		old, new string
		want     []string
	}{
		{"name: a", "name: a", nil},
		{"name: a", "{name: a, wait: 1s, on: false}", nil}, // a default written out is no difference
		{"name: a", "name: b", []string{"~ name: a -> b"}},
		{"name: a", "on: true", []string{"- name: a", "~ on: false -> true"}},
		{"wait: 2s", "wait: 1500ms", []string{"~ wait: 2s -> 1.5s"}},
		{"count: 1", "count: 2", []string{"~ count: 1 -> 2"}},
		{"pattern: a+", "pattern: a+", nil},
		{"pattern: a+", "pattern: b+", []string{"~ pattern: a+ -> b+"}},
		{"name: a", "{name: a, inner: {}}", []string{"+ inner: {}"}},
		{"inner: {}", "inner: {max: 2KiB}", []string{"~ inner.max: 1KiB -> 2KiB"}},
		{"inner: {}", "on: false", []string{"- inner: {}"}},
		{"things: {a: {}, b: {value: 1}}", "things: {b: {value: 2}, c.d: {id: x}}",
			[]string{"- things.a: {}", "~ things.b.value: 1 -> 2", `+ things["c.d"]: {id: x}`}},
		{"list: [a, b, c]", "list: [a, x, b, c]", []string{"+ list[1]: x"}},
		{"list: [a, b, c]", "list: [a, c]", []string{"- list[1]: b"}},
		{"list: [a, b, c]", "list: [a, y, c]", []string{"~ list[1]: b -> y"}},
		{"list: [a]", "list: [b, c]", []string{"~ list[0]: a -> b", "+ list[1]: c"}},
		{"keyed: [{id: a, value: 1}, {id: b}]", "keyed: [{id: new}, {id: a, value: 2}, {id: b}]",
			[]string{"~ keyed[a].value: 1 -> 2", "+ keyed[new]: {id: new}"}},
		{"keyed: [{id: a}, {id: b}, {id: c}]", "keyed: [{id: c}, {id: a}]", []string{"- keyed[b]: {id: b}", "~ keyed: order [a, c] -> [c, a]"}},
		{"keyed: [{id: a}, {value: 1}]", "keyed: [{id: a}, {value: 2}]", []string{"~ keyed[1].value: 1 -> 2"}}, // one has no key
		{"keyed: [{id: a}, {id: a}]", "keyed: [{id: a}]", []string{"- keyed[1]: {id: a}"}},                     // two have the same
		{"name: ''", `name: "a: b"`, []string{`+ name: "a: b"`}},
		{"token: s3cret", "token: other", []string{"~ token: (hidden) -> (hidden)"}},
		{"token: s3cret", "token: s3cret", nil},
		{"fields: {Authorization: Basic x, X-A: '1'}", "fields: {Authorization: Basic y, X-A: '2', Set-Cookie: z}",
			[]string{"~ fields.Authorization: (hidden) -> (hidden)", "+ fields.Set-Cookie: (hidden)", "~ fields.X-A: 1 -> 2"}},
		{"on: false", "fields: {x-api-key: k, a: b}", []string{"+ fields: {a: b, x-api-key: (hidden)}"}},
	} {
		old, new := decodeDiffed(t, test.old), decodeDiffed(t, test.new)
		var got []string
		for _, c := range Diff(old, new) {
			got = append(got, c.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s to %s:\n got %q\nwant %q", test.old, test.new, got, test.want)
		}
		if Equal(old, new) != (len(test.want) == 0) {
			t.Errorf("%s equals %s: %v", test.old, test.new, Equal(old, new))
		}
	}
}

func TestDiffJSON(t *testing.T) {
	changes := Diff(decodeDiffed(t, "{count: 1, token: abc}"), decodeDiffed(t, "{count: 2, keyed: [{id: a}]}"))
	text, err := json.Marshal(changes)
	want := `[{"path":"count","kind":"changed","old":1,"new":2},{"path":"token","kind":"removed","old":"(hidden)"},` +
		`{"path":"keyed","kind":"added","new":[{"id":"a"}]}]`
	if err != nil || string(text) != want {
		t.Errorf("%v\n got %s\nwant %s", err, text, want)
	}
}

// TestSecretHides: no way of writing a Secret tells it.
func TestSecretHides(t *testing.T) {
	d := decodeDiffed(t, "token: s3cret")
	text, err := json.Marshal(map[string]any{"shown": Shown(d), "raw": d})
	if err != nil {
		t.Fatal(err)
	}
	all := string(text) + fmt.Sprintf("%v %+v %#v %s", d.Token, *d, d.Token, d.Token)
	if strings.Contains(all, "s3cret") || string(d.Token) != "s3cret" {
		t.Error(all)
	}
}

// Generate makes a small configuration, so that two of them often agree in part.
func (diffed) Generate(r *rand.Rand, _ int) reflect.Value {
	word := func() string { return string(rune('a' + r.Intn(3))) }
	d := diffed{Name: word(), Count: r.Intn(2), On: r.Intn(2) == 0, Token: Secret(word()), Wait: Duration(r.Intn(2)), Things: map[string]*diffedX{}}
	for range r.Intn(4) {
		d.Things[word()] = &diffedX{Value: r.Intn(2)}
		d.List = append(d.List, word())
		d.Keyed = append(d.Keyed, diffedX{ID: word(), Value: r.Intn(2)})
	}
	if r.Intn(2) == 0 {
		d.Inner = &diffedInner{Max: Size(r.Intn(2))}
	}
	return reflect.ValueOf(d)
}

// TestDiffOfAnything: nothing differs from itself, and what differs one way differs the other way, at the same paths.
func TestDiffOfAnything(t *testing.T) {
	mirrored := map[Kind]Kind{Added: Removed, Removed: Added, Changed: Changed, Reordered: Reordered}
	same := func(a, b diffed) bool {
		there, back := Diff(&a, &b), Diff(&b, &a)
		if len(Diff(&a, &a)) != 0 || len(there) != len(back) || Equal(&a, &b) != (len(there) == 0) {
			return false
		}
		kinds := map[string]Kind{}
		for _, c := range back {
			kinds[c.Path] = c.Kind
		}
		return !slices.ContainsFunc(there, func(c Change) bool { return kinds[c.Path] != mirrored[c.Kind] })
	}
	if err := quick.Check(same, &quick.Config{MaxCount: 5000}); err != nil {
		t.Error(err)
	}
}
