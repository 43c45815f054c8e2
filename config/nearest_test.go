package config

import (
	"slices"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	keys := []string{"address", "cluster", "clusters", "filters", "host", "path", "protocol", "tls", "rate_limit", "api", "db"}
	for _, c := range []struct{ got, want string }{
		{"clutser", "cluster"}, // a swap is one difference
		{"clusterss", "clusters"},
		{"adress", "address"},
		{"Host", "host"},
		{"rate-limit", "rate_limit"},
		{"ratelimit", "rate_limit"},
		{"pth", "path"},
		{"ap", "api"},
		{"apj", "api"},
		{"tcp", ""},
		{"port", ""}, // two differences from host are too many for four letters
		{"x", ""},
		{"da", ""},
		{"", ""},
		{"address", ""}, // a word is no suggestion for itself
		{"completely_different", ""},
		{strings.Repeat("a", maxNearestLength+1), ""},
	} {
		for _, known := range [][]string{keys, reversed(keys)} {
			if got, ok := Nearest(c.got, known); got != c.want || ok != (c.want != "") {
				t.Errorf("Nearest(%q) = %q, %v, want %q", c.got, got, ok, c.want)
			}
		}
	}
	if got, _ := Nearest("cat", []string{"rat", "bat"}); got != "bat" {
		t.Errorf("of two equally near words the first in the alphabet wins, got %q", got)
	}
}

func reversed(s []string) []string {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1},
		{"kitten", "sitting", 3}, {"ab", "ba", 1}, {"ca", "abc", 3}, {"größe", "grösse", 2},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
