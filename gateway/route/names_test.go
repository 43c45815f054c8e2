package route

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	n := CompileNames([]Spec{{SNI: "a.example.com"}, {SNI: "*.example.com"}, {SNI: "*.b.Example.com."}, {}, {SNI: "B.example.com"}})
	for name, want := range map[string]int{
		"a.example.com": 0, "c.example.com": 1, "x.y.example.com": 1, "x.b.example.com": 2, "x.y.b.example.com": 2, "b.example.com": 4,
		"example.com": 3, "": 3, "com": 3, "xexample.com": 3, "a.example.com.evil": 3,
	} {
		if i, ok := n.Match([]byte(name)); !ok || i != want {
			t.Errorf("%q: route %d, %v; want %d", name, i, ok, want)
		}
	}
	if n.Any() {
		t.Error("server names do not matter")
	}
	strict := CompileNames([]Spec{{SNI: "a.example.com"}})
	for _, name := range []string{"", "b.example.com", "example.com"} {
		if i, ok := strict.Match([]byte(name)); ok {
			t.Errorf("%q: route %d", name, i)
		}
	}
	if all := CompileNames([]Spec{{}}); !all.Any() {
		t.Error("a single route needs a ClientHello")
	}
	name := []byte("x.y.example.com")
	if k := testing.AllocsPerRun(100, func() { n.Match(name) }); k != 0 {
		t.Errorf("%v allocations a match", k)
	}
}

func TestNameFaults(t *testing.T) {
	for name, ok := range map[string]bool{
		"example.com": true, "*.example.com": true, "Example.COM.": true, "xn--bcher-kva.example": true, "_a.b-c": true, "localhost": true,
		"": false, "*": false, "*.": false, "a.*.com": false, "**.com": false, "*a.com": false, "a..b": false, ".a": false,
		"bücher.example": false, "example.com:443": false, "https://example.com": false, "a b": false, strings.Repeat("a.", 130): false,
	} {
		if fault := nameFault(name); (fault == "") != ok {
			t.Errorf("%q: %q", name, fault)
		}
	}
}
