package acme

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	rfc8555 "github.com/mholt/acmez/v3/acme"
)

// TestLookupsAreBounded: so many at a time, and no more until one has ended, however it ends.
func TestLookupsAreBounded(t *testing.T) {
	s, err := openStorage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := newChallenges()
	defer c.share(challengeSource{s, "acme/ca"})()
	under := []*Lookup{}
	for i := range maxLookups {
		l := c.Look(fmt.Sprintf("n%d.example", i))
		if l == nil {
			t.Fatalf("the look-up after %d is refused", i)
		}
		under = append(under, l)
	}
	for _, end := range []func(l *Lookup){func(l *Lookup) { l.Drop() }, func(l *Lookup) { l.Token("t") }, func(l *Lookup) { l.Certificate() }} {
		if c.Look("more.example") != nil {
			t.Fatal("one more than the bound may begin")
		}
		end(under[0])
		under = under[1:]
		l := c.Look("more.example")
		if l == nil {
			t.Fatal("one has ended, and none may begin")
		}
		under = append(under, l)
	}
}

// TestAbsentNames: a name without a challenge is looked up once a second; one that has any is, whatever was asked for.
func TestAbsentNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := openStorage(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c := newChallenges()
		defer c.share(challengeSource{s, "acme/ca"})()
		answers := &solver{challenges: newChallenges(), storage: s, prefix: "acme/ca"}
		given := challenge(rfc8555.ChallengeTypeHTTP01, "a.example")
		c.Look("a.example").Token(given.Token)
		if err := answers.Present(context.Background(), given); err != nil {
			t.Fatal(err)
		}
		if c.Look("a.example") != nil {
			t.Error("it is looked up again at once")
		}
		time.Sleep(absentFor)
		for range 3 {
			if _, ok := c.Look("a.example").Token("wrong"); ok {
				t.Error("a wrong token is answered")
			}
		}
		if k, ok := c.Look("a.example").Token(given.Token); !ok || k != given.KeyAuthorization {
			t.Errorf("%q, %v", k, ok)
		}
		for i := range 3 * maxAbsent {
			c.Look(fmt.Sprintf("n%d.example", i)).Token("t")
		}
		if n := len(c.lookups.absent); n == 0 || n > maxAbsent {
			t.Errorf("%d names are remembered", n)
		}
	})
}
