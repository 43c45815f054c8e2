package route

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/ringway/ringway/config"
)

func pattern(s string) config.Regexp { return config.Regexp{Regexp: regexp.MustCompile(s)} }

// rules is in the order of a careless file: the most general first.
var rules = []Spec{
	{Name: "any"},
	{Name: "any-delete", Method: "DELETE"},
	{Name: "files", Path: "/files/*"},
	{Name: "files-deep", Path: "/files/deep/*"},
	{Name: "regex", PathRegex: pattern(`/files/[0-9]+(\.txt)?`)},
	{Name: "regex-2", PathRegex: pattern(`/files/1.*`)},
	{Name: "exact", Path: "/files/7"},
	{Name: "exact-again", Path: "/files/7"},
	{Name: "exact-post", Path: "/files/7", Method: "POST"},
	{Name: "wild", Host: "*.example.com"},
	{Name: "wild-deep", Host: "*.api.example.com"},
	{Name: "host", Host: "www.Example.com"},
	{Name: "host-path", Host: "www.example.com", Path: "/only", Method: "GET"},
	{Name: "v6", Host: "[::1]"},
	{Name: "methods-get", Host: "m.test", Path: "/x", Method: "GET"},
	{Name: "methods-put", Host: "m.test", Path: "/x", Method: "PUT"},
	{Name: "methods-head", Host: "h.test", Path: "/x", Method: "GET"},
	{Name: "methods-head2", Host: "h.test", Path: "/x", Method: "HEAD"},
	{Name: "star", Host: "m.test", Path: "*", Method: "OPTIONS"},
}

func TestMatch(t *testing.T) {
	table := Compile(rules)
	for _, test := range []struct{ method, authority, path, want string }{
		{"GET", "a", "/", "any"},
		{"DELETE", "a", "/", "any-delete"},
		{"GET", "a", "/files", "any"},
		{"GET", "a", "/files/", "files"},
		{"GET", "a", "/files/x/y", "files"},
		{"GET", "a", "/files/deep/y", "files-deep"},
		{"GET", "a", "/files/deeper", "files"},
		{"GET", "a", "/files/12", "regex"},
		{"GET", "a", "/files/12.txt", "regex"},
		{"GET", "a", "/files/12.txtx", "regex-2"},
		{"GET", "a", "/prefix/files/12", "any"},
		{"GET", "a", "/files/7", "exact"},
		{"POST", "a", "/files/7", "exact-post"},
		{"GET", "a", "/files/7/", "files"},

		{"GET", "www.example.com", "/", "host"},
		{"GET", "WWW.EXAMPLE.COM:8080", "/", "host"},
		{"GET", "www.example.com.", "/", "host"},
		{"GET", "www.example.com.:80", "/", "host"},
		{"GET", "www.example.com", "/only", "host-path"},
		{"POST", "www.example.com", "/only", "host"},
		{"GET", "x.example.com", "/", "wild"},
		{"GET", "x.y.example.com", "/", "wild"},
		{"GET", "x.api.example.com", "/", "wild-deep"},
		{"GET", "api.example.com", "/", "wild"},
		{"GET", "example.com", "/", "any"},
		{"GET", "notexample.com", "/", "any"},
		{"GET", "[::1]", "/", "v6"},
		{"GET", "[::1]:443", "/", "v6"},
		{"GET", "[::2]:443", "/", "any"},
		{"GET", "", "/", "any"},

		{"GET", "m.test", "/x", "methods-get"},
		{"HEAD", "m.test", "/x", "methods-get"},
		{"PUT", "m.test", "/x", "methods-put"},
		{"get", "m.test", "/x", "any"},
		{"HEAD", "h.test", "/x", "methods-head2"},
		{"OPTIONS", "m.test", "*", "star"},

		{"GET", "a", "/files/deep/../7", "exact"},
		{"GET", "a", "/files/./7", "exact"},
		{"GET", "a", "//files//7", "exact"},
		{"GET", "a", "/%66iles/%37", "exact"},
		{"GET", "a", "/x/%2e%2E/files/7", "exact"},
		{"GET", "a", "/files%2F7", "any"},
		{"GET", "a", "/files/7/.", "files"},
		{"GET", "a", "/files/7/..", "files"},
	} {
		var m Matcher
		r, how := m.Match(table, []byte(test.authority), []byte(test.path), []byte(test.method))
		if how != Found {
			t.Errorf("%s %s%s: result %d", test.method, test.authority, test.path, how)
		} else if got := rules[r.Index].Name; got != test.want {
			t.Errorf("%s %s%s goes to %s, not to %s", test.method, test.authority, test.path, got, test.want)
		}
	}
}

func TestNoMatch(t *testing.T) {
	table := Compile([]Spec{
		{Host: "a", Path: "/x", Method: "GET"}, {Host: "a", Path: "/x", Method: "PUT"}, {Path: "/x", Method: "GET"},
		{Host: "*.b", Path: "/y/*", Method: "HEAD"},
	})
	for _, test := range []struct {
		method, authority, path string
		want                    Result
		allowed                 string
	}{
		{"POST", "a", "/x", WrongMethod, "GET, HEAD, PUT"},
		{"POST", "c", "/x", WrongMethod, "GET, HEAD"},
		{"POST", "c.b", "/y/z", WrongMethod, "HEAD"},
		{"POST", "a", "/z", NotFound, ""},
		{"GET", "a", "/x/", NotFound, ""},
		{"GET", "a", "*", NotFound, ""},
		{"GET", "a", "/..", BadPath, ""},
		{"GET", "a", "/../x", BadPath, ""},
		{"GET", "a", "/x/../../x", BadPath, ""},
		{"GET", "a", "/%2E%2e/x", BadPath, ""},
		{"GET", "a", "/./..//x", BadPath, ""},
	} {
		var m Matcher
		_, how := m.Match(table, []byte(test.authority), []byte(test.path), []byte(test.method))
		if how != test.want || how == WrongMethod && string(m.Allowed()) != test.allowed {
			t.Errorf("%s %s%s: result %d, allowed %q", test.method, test.authority, test.path, how, m.Allowed())
		}
	}
}

func TestOneRuleForEverything(t *testing.T) {
	var m Matcher
	if r, how := m.Match(Compile([]Spec{{}}), nil, []byte("/a/../b"), []byte("GET")); how != Found || r.Index != 0 {
		t.Errorf("result %d", how)
	}
	if _, how := m.Match(Compile([]Spec{{Method: "GET"}}), nil, []byte("/"), []byte("PUT")); how != WrongMethod {
		t.Errorf("result %d", how)
	}
}

// normalSlow is normal as RFC 3986 §5.2.4 spells it out, one segment after the other.
func normalSlow(path string) (string, bool) {
	var decoded strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if c, ok := unreserved(path[i+1], path[i+2]); ok {
				decoded.WriteByte(c)
				i += 2
				continue
			}
		}
		decoded.WriteByte(path[i])
	}
	var out []string
	segments := strings.Split(decoded.String(), "/")[1:]
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "..":
			if len(out) == 0 {
				return "", false
			}
			out = out[:len(out)-1]
		case s == "." || s == "" && !last:
		case s != "":
			out = append(out, s)
		}
		if last && (s == "" || s == "." || s == "..") {
			return "/" + strings.Join(append(out, ""), "/"), true
		}
	}
	return "/" + strings.Join(out, "/"), true
}

func FuzzNormal(f *testing.F) {
	for _, s := range []string{"a", "a/../b", "./a", "..", "a/%2e%2e/b", "//a//", ".a/..b/...", "%", "%2", "a/..", "a/.", "../..", "%2e/", "x/..//../y"} {
		f.Add(s)
	}
	var m Matcher
	f.Fuzz(func(t *testing.T, rest string) {
		path := "/" + rest
		got, ok := m.normal([]byte(path))
		if want, valid := normalSlow(path); ok != valid || ok && string(got) != want {
			t.Fatalf("normal(%q) = %q, %v; want %q, %v", path, got, ok, want, valid)
		}
		if !ok {
			return
		}
		once := string(got)
		if twice, ok := m.normal([]byte(once)); !strings.Contains(once, "%") && (!ok || string(twice) != once) {
			t.Fatalf("normal(%q) = %q, and once more %q, %v", path, once, twice, ok)
		}
	})
}

func manyRules(n int) []Spec {
	specs := make([]Spec, n)
	for i := range specs {
		specs[i] = Spec{Host: fmt.Sprintf("h%d.example.com", i/10), Path: fmt.Sprintf("/service-%d/*", i%10)}
	}
	return append(specs, Spec{Host: "*.example.com", Method: "POST"}, Spec{})
}

func TestMatchAllocatesNothing(t *testing.T) {
	table := Compile(manyRules(1000))
	var m Matcher
	for _, path := range []string{"/service-3/a/b/c", "/other", "/service-3/x/../%41"} {
		authority, method, p := []byte("H42.example.com:8080"), []byte("GET"), []byte(path)
		m.Match(table, authority, p, method)
		if n := testing.AllocsPerRun(100, func() { m.Match(table, authority, p, method) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := Compile(manyRules(n))
			var m Matcher
			authority, path, method := []byte(fmt.Sprintf("h%d.example.com", n/20)), []byte("/service-7/users/42"), []byte("GET")
			b.ReportAllocs()
			for b.Loop() {
				if r, _ := m.Match(table, authority, path, method); r.prefix == "" {
					b.Fatal("the wrong rule")
				}
			}
		})
	}
}
