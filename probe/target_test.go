package probe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		words string
		want  string // names, with the address of those that have one
	}{
		{"127.0.0.1", "127.0.0.1"},
		{"example.com ::1 a-b.example", "example.com ::1 a-b.example"},
		{"10.0.0.0/30", "10.0.0.1 10.0.0.2"},
		{"10.0.0.7/30", "10.0.0.5 10.0.0.6"},
		{"10.0.0.0/31", "10.0.0.0 10.0.0.1"},
		{"10.0.0.9/32", "10.0.0.9"},
		{"10.0.0.254-10.0.1.1", "10.0.0.254 10.0.0.255 10.0.1.0 10.0.1.1"},
		{"10.0.0.8-10", "10.0.0.8 10.0.0.9 10.0.0.10"},
		{"2001:db8::/126", "2001:db8:: 2001:db8::1 2001:db8::2 2001:db8::3"},
		{"2001:db8::fffe-2001:db8::1:0", "2001:db8::fffe 2001:db8::ffff 2001:db8::1:0"},
		{"10.0.0.1,10.0.0.2, 10.0.0.1", "10.0.0.1 10.0.0.2"},
		{"10.0.0.0/30 10.0.0.2-3", "10.0.0.1 10.0.0.2 10.0.0.3"},
		{"::ffff:10.0.0.1 10.0.0.1", "10.0.0.1"},
		{"fe80::1%eth0", "fe80::1%eth0"},
		{"255.255.255.255/32", "255.255.255.255"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	} {
		got, err := Parse(strings.Fields(c.words), 0)
		var names []string
		for _, g := range got {
			names = append(names, g.Name)
			if g.Addr.IsValid() && g.Addr.String() != g.Name {
				t.Errorf("%s: %s has the address %s", c.words, g.Name, g.Addr)
			}
		}
		if err != nil || strings.Join(names, " ") != c.want {
			t.Errorf("%s: %v, %v", c.words, names, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ word, want string }{
		{"0.0.0.0/0", "0.0.0.0/0 has 4294967296 addresses; at most 65536"},
		{"::/0", "::/0 has 340282366920938463463374607431768211456 addresses"},
		{"10.0.0.0/15", "has 131072 addresses"},
		{"0.0.0.0-255.255.255.255", "has 4294967296 addresses"},
		{"10.0.0.0/33", "no address block"},
		{"10.0.0/24", "no address block"},
		{"10.0.0.9-10.0.0.1", "no range"},
		{"10.0.0.1-300", "no range"},
		{"10.0.0.1-::1", "no range"},
		{"::1-5x", "no range"},
		{"a\x00b", "neither an address nor a name"},
		{strings.Repeat("a", 254), "longer than DNS allows"},
	} {
		if _, err := Parse([]string{c.word}, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.word, err, c.want)
		}
	}
	var many *TooManyError
	if _, err := Parse([]string{"10.0.0.0/24", "10.1.0.0/24"}, 300); !errors.As(err, &many) || many.Limit != 300 {
		t.Errorf("two blocks: %v", err)
	}
	if got, err := Parse([]string{"10.0.0.0/16"}, 0); err != nil || len(got) != 65534 {
		t.Errorf("%d, %v", len(got), err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"10.0.0.1-9", "10.0.0.0/24", "a-b.c,::1", "fe80::%1/120", "::-::5", "1.2.3.4-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Parse([]string{s}, 100)
		if err != nil && got != nil || len(got) > 100 {
			t.Fatalf("%d, %v", len(got), err)
		}
		for _, g := range got {
			if g.Name == "" {
				t.Fatal("a target without a name")
			}
		}
	})
}

func TestReadList(t *testing.T) {
	got, err := ReadList(strings.NewReader("10.0.0.1  10.0.0.2 # two\n\n# none\n\texample.com\r\n10.0.0.0/30"))
	if want := []string{"10.0.0.1", "10.0.0.2", "example.com", "10.0.0.0/30"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

// One that has no address never stops the others.
func TestResolve(t *testing.T) {
	targets, err := Parse([]string{"localhost", "no-such-host..invalid", "127.0.0.1", "::1", "224.0.0.1", "0.0.0.0"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := Resolve(context.Background(), targets, ResolveOptions{Only4: true})
	var lines []string
	for _, g := range got {
		s := g.Name + " " + g.Addr.String()
		if g.Err != nil {
			s = g.Name + ": " + g.Err.Error()
		}
		lines = append(lines, s)
	}
	for i, want := range []string{"localhost 127.0.0.1", "no-such-host..invalid: cannot resolve no-such-host..invalid: ", "::1: only IPv4", "224.0.0.1: many hosts", "0.0.0.0: no host"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("%q; want %q at %d", lines, want, i)
		}
	}
	if len(got) != 5 { // 127.0.0.1 is localhost again
		t.Errorf("%q", lines)
	}
}
