package acme

import (
	"context"
	"crypto/x509"
	"strings"
	"testing"

	rfc8555 "github.com/mholt/acmez/v3/acme"
)

func challenge(kind, name string) rfc8555.Challenge {
	return rfc8555.Challenge{Type: kind, Token: "tok-" + name, KeyAuthorization: "tok-" + name + ".thumb", Identifier: rfc8555.Identifier{Type: "dns", Value: name}}
}

// TestSolver: a challenge is answered from memory here, from the folder elsewhere, and not when it is over.
func TestSolver(t *testing.T) {
	s, err := openStorage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, here, there := context.Background(), newChallenges(), newChallenges()
	if there.Look("a.example") != nil {
		t.Error("there is no folder to look into")
	}
	end := there.share(challengeSource{s, "acme/ca"})
	answers := &solver{challenges: here, storage: s, prefix: "acme/ca"}
	byHTTP, byTLS := challenge(rfc8555.ChallengeTypeHTTP01, "a.example"), challenge(rfc8555.ChallengeTypeTLSALPN01, "b.example")
	for _, c := range []rfc8555.Challenge{byHTTP, byTLS} {
		if err := answers.Present(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if k, ok := here.Token([]byte(byHTTP.Token)); !ok || k != byHTTP.KeyAuthorization {
		t.Errorf("by HTTP: %q", k)
	}
	if k, ok := there.Look("a.example").Token(byHTTP.Token); !ok || k != byHTTP.KeyAuthorization {
		t.Errorf("by HTTP, elsewhere: %q", k)
	}
	if _, ok := there.Look("a.example").Token("another"); ok {
		t.Error("another token is answered")
	}
	if there.Look("a.example").Certificate() != nil {
		t.Error("a challenge by HTTP is answered by TLS")
	}
	if here.Certificate("b.example") == nil || here.Certificate("a.example") != nil {
		t.Error("by TLS: the wrong names")
	}
	if cert := there.Look("b.example").Certificate(); cert == nil {
		t.Error("by TLS, elsewhere: none")
	} else if x, err := x509.ParseCertificate(cert.Certificate[0]); err != nil || x.DNSNames[0] != "b.example" {
		t.Errorf("by TLS, elsewhere: %v, %v", x, err)
	}
	if there.Look("../../etc/passwd") != nil || there.Look(strings.Repeat("a", 300)) != nil {
		t.Error("looks for the wrong names")
	}
	for _, c := range []rfc8555.Challenge{byHTTP, byTLS} {
		if err := answers.CleanUp(ctx, c); err != nil {
			t.Error(err)
		}
	}
	_, here1 := here.Token([]byte(byHTTP.Token))
	_, there1 := there.Look("a.example").Token(byHTTP.Token)
	if here1 || there1 || here.Certificate("b.example") != nil || there.Look("b.example").Certificate() != nil {
		t.Error("a challenge that is over is answered")
	}
	end()
	there.lookups.absent = nil // else that would be the reason
	if there.Look("a.example") != nil {
		t.Error("a folder that is no longer shared is looked into")
	}
}

// TestTokenAllocatesNothing: loops look tokens up.
func TestTokenAllocatesNothing(t *testing.T) {
	c := newChallenges()
	c.change(func(s *solutions) { s.tokens["token"] = "answer" })
	known, unknown := []byte("token"), []byte("unknown")
	if n := testing.AllocsPerRun(100, func() {
		c.Token(known)
		c.Token(unknown)
		ValidToken(unknown)
		c.Look("a.example")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestValidToken: tokens are base64url.
func TestValidToken(t *testing.T) {
	for token, want := range map[string]bool{"": false, "a": true, "aZ09-_": true, "a/b": false, "a.b": false, "a b": false, "..": false, strings.Repeat("a", maxToken+1): false} {
		if ValidToken([]byte(token)) != want {
			t.Errorf("%q: %v", token, !want)
		}
	}
}
