package header

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestHash(t *testing.T) {
	if free(hashFirst, hashLast, hashLen) {
		return
	}
	for {
		a, b, c := rand.Uint64()|1, rand.Uint64()|1, rand.Uint64()|1
		if free(a, b, c) {
			t.Fatalf("two names share a slot; these constants fit: %#x %#x %#x", a, b, c)
		}
	}
}

// free tells whether the hash with these constants gives every name a slot of its own.
func free(a, b, c uint64) bool {
	var taken [256]bool
	for id := Other + 1; id < NumIDs; id++ {
		e := &entries[id]
		s := slot(e.first, e.last, uint64(e.n), a, b, c)
		if taken[s] {
			return false
		}
		taken[s] = true
	}
	return true
}

func TestLookupKnown(t *testing.T) {
	for id := Other + 1; id < NumIDs; id++ {
		name := id.String()
		if name == "" {
			t.Fatalf("ID %d has no name", id)
		}
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := Lookup([]byte(spelling)); got != id {
				t.Errorf("Lookup(%q) = %d, want %d", spelling, got, id)
			}
		}
	}
	if NumIDs > 64 {
		t.Fatalf("%d IDs do not fit the presence word", NumIDs)
	}
	if Other.String() != "" || ID(200).String() != "" {
		t.Error("a name for what has none")
	}
}

// TestLookupIsExact changes each byte of each name to each other value: only the case of letters may differ.
func TestLookupIsExact(t *testing.T) {
	for id := Other + 1; id < NumIDs; id++ {
		name := id.String()
		for i := range len(name) {
			b := []byte(name)
			for c := range 256 {
				b[i] = byte(c)
				want := Other
				if strings.EqualFold(string(b), name) && c < 0x80 {
					want = id
				}
				if got := Lookup(b); got != want && !isKnown(string(b)) {
					t.Fatalf("Lookup(%q) = %v, want %v", b, got, want)
				}
			}
		}
		for _, near := range []string{name + "s", name[1:], name[:len(name)-1], "x" + name} {
			if got := Lookup([]byte(near)); got != Other && !isKnown(near) {
				t.Errorf("Lookup(%q) = %v", near, got)
			}
		}
	}
	for _, s := range []string{"", "a", strings.Repeat("a", 31), strings.Repeat("a", 32), strings.Repeat("a", 33)} {
		if got := Lookup([]byte(s)); got != Other {
			t.Errorf("Lookup(%q) = %v", s, got)
		}
	}
}

func isKnown(s string) bool {
	for _, name := range names[1:] {
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}

func TestValid(t *testing.T) {
	for _, s := range []string{"a", "Content-Type", "x_y", "!#$%&'*+-.^_`|~09azAZ"} {
		if !ValidName([]byte(s)) {
			t.Errorf("ValidName(%q) = false", s)
		}
	}
	for _, s := range []string{"", " ", "a b", "a:", "a\t", "a\r", "\x00", "a\x7f", "é", "a(", "a,", "a/", "a\"", "a@", "[a]", "{"} {
		if ValidName([]byte(s)) {
			t.Errorf("ValidName(%q) = true", s)
		}
	}
	for _, s := range []string{"", "a", "a b", "a\tb", "\"q\"", "caf\xe9", "\x80\xff", "a,b;c=d"} {
		if !ValidValue([]byte(s)) {
			t.Errorf("ValidValue(%q) = false", s)
		}
	}
	for _, s := range []string{" ", " a", "a ", "\ta", "a\t", "a\r\nb", "a\nb", "a\rb", "a\x00b", "a\x7fb", "\x1b[m"} {
		if ValidValue([]byte(s)) {
			t.Errorf("ValidValue(%q) = true", s)
		}
	}
	if EqualFold([]byte("\u212aeep"), "keep") || !EqualFold([]byte("KeeP"), "keep") || EqualFold([]byte("a@"), "a`") {
		t.Error("EqualFold folds what are not ASCII letters, or not these")
	}
}

func BenchmarkLookup(b *testing.B) {
	list := [][]byte{[]byte("Host"), []byte("User-Agent"), []byte("accept-encoding"), []byte("Sec-Fetch-Mode"), []byte("Access-Control-Allow-Origin")}
	for _, name := range list {
		b.Run(string(name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Lookup(name)
			}
		})
	}
}
