package http2

import (
	"bytes"
	"strings"
	"testing"
)

// TestPriority: the dictionary of RFC 9218 §4 within the grammar of RFC 9651; what is no dictionary says nothing.
func TestPriority(t *testing.T) {
	deep := Priority{3, false}
	for _, c := range []struct {
		in   string
		want Priority
		ok   bool
	}{
		{"", deep, true}, {"  ", deep, true},
		{"u=0", Priority{0, false}, true}, {"u=7", Priority{7, false}, true},
		{"i", Priority{3, true}, true}, {"i=?1", Priority{3, true}, true}, {"i=?0", deep, true},
		{"u=5, i", Priority{5, true}, true}, {"u=5 \t,\t i", Priority{5, true}, true}, {"i,u=1", Priority{1, true}, true},
		{"u=1, u=2", Priority{2, false}, true}, {"i, i=?0", deep, true},
		{"u=8", deep, true}, {"u=-1", deep, true}, {"u=1.0", deep, true}, {"u=?1", deep, true}, {"u", deep, true}, {"u=a", deep, true},
		{"i=1", deep, true}, {"i=\"?1\"", deep, true},
		{"u=1;a=b;c, i;d", Priority{1, true}, true}, {"u=(1 2);x", deep, true}, {"u=()", deep, true},
		{"x=\"u=0, \\\" i\", u=2", Priority{2, false}, true}, {"x=:dT0w:, u=2", Priority{2, false}, true},
		{"x=@1700000000, y=%\"f%c3%bc\", *z.-_*=tok/en:*, u=4", Priority{4, false}, true},
		{"x=(\"a\" b;c=1  ?0), i", Priority{3, true}, true},
		{"u=1,", deep, false}, {",u=1", deep, false}, {"u=1,,i", deep, false}, {"u=1 i", deep, false}, {"u=1;", deep, false},
		{"U=1", deep, false}, {"u= 1", deep, false}, {"u=", deep, false}, {"=1", deep, false}, {"u=1\x00", deep, false},
		{"u=1, x=\"", deep, false}, {"u=1, x=\"\x7f\"", deep, false}, {"u=1, x=\"\\a\"", deep, false}, {"u=1, x=:a", deep, false},
		{"u=1, x=:-:", deep, false}, {"u=1, x=?2", deep, false}, {"u=1, x=(1", deep, false}, {"u=1, x=(1\"a\")", deep, false},
		{"u=1, x=1234567890123456", deep, false}, {"u=1, x=1.2345", deep, false}, {"u=1, x=1.", deep, false},
		{"u=1, x=1234567890123.1", deep, false}, {"u=1, x=-", deep, false}, {"u=1, x=@1.5", deep, false}, {"u=1, x=%a", deep, false},
	} {
		p, ok := ParsePriority9218([]byte(c.in))
		if p != c.want || ok != c.ok {
			t.Errorf("%q: %+v, %v; want %+v, %v", c.in, p, ok, c.want, c.ok)
		}
	}
	for urgency := range uint8(Urgencies) {
		for _, i := range []bool{false, true} {
			p := Priority{urgency, i}
			if got, ok := ParsePriority9218(p.Append(nil)); got != p || !ok {
				t.Errorf("%+v is written %q and read %+v", p, p.Append(nil), got)
			}
		}
	}
}

// FuzzPriority: the reader ends, stays within its input (the race and bounds checks of Go see to that), and does not let what
// comes behind a whole dictionary change what stands before it.
func FuzzPriority(f *testing.F) {
	f.Add([]byte("u=5, i"))
	f.Add([]byte("x=(\"a\" b;c=1  ?0), i;q=%\"a\", u=@1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := ParsePriority9218(b)
		if !ok {
			if p != DefaultPriority {
				t.Fatalf("%q is no dictionary and says %+v", b, p)
			}
			return
		}
		if strings.TrimLeft(string(b), " ") == "" {
			return
		}
		more, ok := ParsePriority9218(append(bytes.Clone(b), ", zz"...))
		if !ok || more != p {
			t.Fatalf("%q: %+v; with one more member %+v, %v", b, p, more, ok)
		}
		if last, ok := ParsePriority9218(append(bytes.Clone(b), ", u=6, i"...)); !ok || last != (Priority{6, true}) {
			t.Fatalf("%q, u=6, i: %+v, %v", b, last, ok)
		}
	})
}
