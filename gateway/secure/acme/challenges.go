package acme

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	rfc8555 "github.com/mholt/acmez/v3/acme"
)

// Protocol is what an authority offers by ALPN when it looks for proof of control in a handshake (RFC 8737).
const Protocol = acmez.ACMETLS1Protocol

// PathPrefix is where an authority looks for proof of control by HTTP (RFC 8555 §8.3).
const PathPrefix = "/.well-known/acme-challenge/"

// maxToken is how long a token can be that is looked for. RFC 8555 asks for 128 bits of entropy; authorities use 43 characters.
const maxToken = 256

// Challenges are those that this process, or another one with the same folder, has been given and not yet passed.
type Challenges struct {
	current atomic.Pointer[solutions]
	sources atomic.Pointer[[]challengeSource]
	mu      sync.Mutex // of who changes these
	lookups lookups
}

// solutions are the answers to challenges. They do not change.
type solutions struct {
	tokens       map[string]string           // to key authorizations
	certificates map[string]*tls.Certificate // by name
}

// challengeSource is a folder in which other processes leave theirs.
type challengeSource struct {
	storage *storage // of one client
	prefix  string   // of the authority
}

func newChallenges() *Challenges {
	c := new(Challenges)
	c.current.Store(&solutions{})
	c.sources.Store(new([]challengeSource))
	return c
}

// Token gives the key authorization of a token, if this process has been given it. Loops may call it.
func (c *Challenges) Token(token []byte) (string, bool) {
	k, ok := c.current.Load().tokens[string(token)]
	return k, ok
}

// Certificate gives the one that proves control of a name, nil if this process is not asked for that. Loops may call it.
func (c *Challenges) Certificate(name string) *tls.Certificate {
	return c.current.Load().certificates[name]
}

// ValidToken reports whether a token may be one: it stands in requests that anybody can send.
func ValidToken(token []byte) bool {
	for _, b := range token {
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_') {
			return false
		}
	}
	return len(token) > 0 && len(token) <= maxToken
}

// load reads the challenges for a name from all folders.
func (c *Challenges) load(name string) (all []rfc8555.Challenge) {
	for _, s := range *c.sources.Load() {
		data, err := s.storage.Load(context.Background(), challengeKey(s.prefix, name))
		var chal rfc8555.Challenge
		if err == nil && json.Unmarshal(data, &chal) == nil {
			all = append(all, chal)
		}
	}
	return all
}

func challengeKey(prefix, name string) string {
	return path.Join(prefix, "challenge_tokens", certmagic.StorageKeys.Safe(name)+".json")
}

// share has challenges looked for in another folder, until the function is called that it returns.
func (c *Challenges) share(s challengeSource) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	with := append(slices.Clone(*c.sources.Load()), s)
	c.sources.Store(&with)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		rest := slices.DeleteFunc(slices.Clone(*c.sources.Load()), func(o challengeSource) bool { return o.storage == s.storage })
		c.sources.Store(&rest)
	}
}

// change publishes solutions that differ from the current ones.
func (c *Challenges) change(f func(*solutions)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.current.Load()
	next := &solutions{tokens: maps.Clone(old.tokens), certificates: maps.Clone(old.certificates)}
	if next.tokens == nil {
		next.tokens, next.certificates = map[string]string{}, map[string]*tls.Certificate{}
	}
	f(next)
	c.current.Store(next)
}

// solver answers the challenges of one client, in memory for this process and in the folder for others.
type solver struct {
	challenges *Challenges
	storage    *storage
	prefix     string
}

// Present makes the answer ready before the authority looks for it.
func (s *solver) Present(ctx context.Context, chal rfc8555.Challenge) error {
	name := chal.Identifier.Value
	data, err := json.Marshal(chal)
	if err != nil {
		return err
	}
	if err := s.storage.Store(ctx, challengeKey(s.prefix, name), data); err != nil {
		return fmt.Errorf("keep the challenge: %w", err)
	}
	if chal.Type == rfc8555.ChallengeTypeHTTP01 {
		s.challenges.change(func(n *solutions) { n.tokens[chal.Token] = chal.KeyAuthorization })
		return nil
	}
	cert, err := acmez.TLSALPN01ChallengeCert(chal)
	if err == nil {
		s.challenges.change(func(n *solutions) { n.certificates[name] = cert })
	}
	return err
}

// CleanUp forgets a challenge that is over.
func (s *solver) CleanUp(ctx context.Context, chal rfc8555.Challenge) error {
	s.challenges.change(func(n *solutions) {
		delete(n.tokens, chal.Token)
		if chal.Type == rfc8555.ChallengeTypeTLSALPN01 {
			delete(n.certificates, chal.Identifier.Value)
		}
	})
	err := s.storage.Delete(ctx, challengeKey(s.prefix, chal.Identifier.Value))
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

var _ acmez.Solver = (*solver)(nil)
