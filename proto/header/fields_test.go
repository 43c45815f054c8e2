package header

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// fill makes Fields of "Name: value" lines, as a codec would.
func fill(f *Fields, src []byte) {
	f.Reset(src)
	for p := 0; p < len(src); {
		end := p + bytes.IndexByte(src[p:], '\n') + 1
		colon := p + bytes.IndexByte(src[p:end], ':')
		if f.Len()%2 == 0 {
			f.AppendLine(Lookup(src[p:colon]), p, colon, colon+2, end-2, end)
		} else {
			f.Append(Field{
				ID:    Lookup(src[p:colon]),
				Name:  Span{uint32(p), uint32(colon)},
				Value: Span{uint32(colon + 2), uint32(end - 2)},
				Line:  Span{uint32(p), uint32(end)},
			})
		}
		p = end
	}
}

// live lists the fields that are left, one "name=value" each.
func live(f *Fields) string {
	var list []string
	for name, value := range f.All() {
		list = append(list, fmt.Sprintf("%s=%s", name, value))
	}
	return strings.Join(list, " ")
}

const sample = "Host: a\r\nX-One: 1\r\nAccept: x\r\nx-one: 2\r\naccept: y\r\n"

func TestFields(t *testing.T) {
	tests := []struct {
		name string
		do   func(f *Fields)
		want string
	}{
		{"as it came", func(f *Fields) {}, "Host=a X-One=1 Accept=x x-one=2 accept=y"},
		{"set a known one", func(f *Fields) { f.Set("ACCEPT", []byte("z")) }, "Host=a X-One=1 ACCEPT=z x-one=2"},
		{"set by ID", func(f *Fields) { f.SetID(Accept, []byte("z")) }, "Host=a X-One=1 Accept=z x-one=2"},
		{"set another", func(f *Fields) { f.Set("X-ONE", []byte("3")) }, "Host=a X-ONE=3 Accept=x accept=y"},
		{"set a new one", func(f *Fields) { f.Set("X-Two", []byte("3")) }, "Host=a X-One=1 Accept=x x-one=2 accept=y X-Two=3"},
		{"set a new known one", func(f *Fields) { f.SetID(Via, nil) }, "Host=a X-One=1 Accept=x x-one=2 accept=y Via="},
		{"set twice", func(f *Fields) { f.SetID(Via, []byte("1")); f.SetID(Via, []byte("2")) }, "Host=a X-One=1 Accept=x x-one=2 accept=y Via=2"},
		{"add", func(f *Fields) { f.Add("x-ONE", []byte("3")); f.AddID(Host, []byte("b")) }, "Host=a X-One=1 Accept=x x-one=2 accept=y x-ONE=3 Host=b"},
		{"delete a known one", func(f *Fields) { f.Del("accept") }, "Host=a X-One=1 x-one=2"},
		{"delete by ID", func(f *Fields) { f.DelID(Accept); f.DelID(Via) }, "Host=a X-One=1 x-one=2"},
		{"delete another", func(f *Fields) { f.Del("x-one"); f.Del("x-none") }, "Host=a Accept=x accept=y"},
		{"delete and add", func(f *Fields) { f.DelID(Host); f.AddID(Host, []byte("c")) }, "X-One=1 Accept=x x-one=2 accept=y Host=c"},
		{"own value of its own", func(f *Fields) {
			f.Add("a", []byte("long enough to move the store"))
			v, _ := f.GetName("a")
			f.Add("b", v)
			f.Set("a", v)
			f.Del("accept")
			f.Del("x-one")
		}, "Host=a a=long enough to move the store b=long enough to move the store"},
		{"no line breaks", func(f *Fields) { f.Reset(nil); f.Add("a", []byte("1\r\nb: 2\x003")) }, "a=1  b: 2 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f Fields
			fill(&f, []byte(sample))
			tt.do(&f)
			if got := live(&f); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			checkIndex(t, &f)
		})
	}
}

// checkIndex holds Get, GetName and Count against a plain walk.
func checkIndex(t *testing.T, f *Fields) {
	t.Helper()
	for id := Other + 1; id < NumIDs; id++ {
		var values []string
		for name, value := range f.All() {
			if strings.EqualFold(string(name), id.String()) {
				values = append(values, string(value))
			}
		}
		got, ok := f.Get(id)
		byName, okName := f.GetName(strings.ToUpper(id.String()))
		if f.Count(id) != len(values) || ok != (len(values) > 0) || okName != ok {
			t.Errorf("%v: Count %d, Get %v, GetName %v, want %q", id, f.Count(id), ok, okName, values)
		}
		if ok && (string(got) != values[0] || string(byName) != values[0]) {
			t.Errorf("%v: Get %q, GetName %q, want %q", id, got, byName, values[0])
		}
	}
}

func TestFieldsLookups(t *testing.T) {
	var f Fields
	fill(&f, []byte(sample))
	if v, ok := f.GetName("X-ONE"); !ok || string(v) != "1" {
		t.Errorf("GetName(X-ONE) = %q, %v", v, ok)
	}
	if _, ok := f.GetName("x-none"); ok {
		t.Error("found what is not there")
	}
	if _, ok := f.Get(Other); ok {
		t.Error("Get(Other) found something")
	}
	if f.Count(Other) != 2 || f.Count(Accept) != 2 || f.Count(Via) != 0 {
		t.Error("wrong counts")
	}
	f.Field(0).Flags |= Removed
	if _, ok := f.Get(Host); ok {
		t.Error("found a field that its codec removed")
	}
	if _, _, ok := f.At(0); ok || f.Len() != 5 {
		t.Error("At returned a removed field")
	}
}

func TestSetMakesAFieldForwardable(t *testing.T) {
	var f Fields
	fill(&f, []byte("Connection: close\r\n"))
	f.Field(0).Flags |= HopByHop
	f.SetID(Connection, []byte("upgrade"))
	if got := f.Field(0).Flags; got != Own {
		t.Errorf("flags %b, want Own only", got)
	}
}

func TestRebase(t *testing.T) {
	src := []byte(sample)
	var f Fields
	fill(&f, src)
	f.AddID(Via, []byte("v"))
	moved := slices.Clone(src)
	clear(src)
	f.Rebase(moved)
	if got := live(&f); got != "Host=a X-One=1 Accept=x x-one=2 accept=y Via=v" {
		t.Error(got)
	}
}

func TestAllStops(t *testing.T) {
	var f Fields
	fill(&f, []byte(sample))
	n := 0
	for range f.All() {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("visited %d", n)
	}
}

func TestOtherIsNoName(t *testing.T) {
	for name, do := range map[string]func(f *Fields){
		"AddID": func(f *Fields) { f.AddID(Other, nil) },
		"SetID": func(f *Fields) { f.SetID(NumIDs, nil) },
		"DelID": func(f *Fields) { f.DelID(Other) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			do(new(Fields))
		})
	}
}

func TestNoAllocation(t *testing.T) {
	src, value, n := []byte(sample), []byte("value"), 0
	var f Fields
	run := func() {
		fill(&f, src)
		f.SetID(Host, value)
		f.Set("X-One", value)
		f.Add("X-New", value)
		f.Del("accept")
		f.GetName("X-New")
		for name := range f.All() {
			n += len(name)
		}
	}
	run()
	if got := testing.AllocsPerRun(100, run); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkGetAbsent(b *testing.B) {
	var f Fields
	fill(&f, []byte(sample))
	for b.Loop() {
		f.Get(Via)
	}
}
