package acme

import (
	"crypto/tls"
	"sync"
	"time"

	"github.com/mholt/acmez/v3"
	rfc8555 "github.com/mholt/acmez/v3/acme"
)

const (
	// maxLookups is how many look-ups of challenges of other processes are under way at a time: anybody can ask for them, and they share
	// the threads with the signatures of handshakes.
	maxLookups = 8
	// absentFor is how long a name for which there was no challenge is not looked up again. An authority that asks in vain asks again.
	absentFor = time.Second
	// maxAbsent bounds how many such names are known; when there are more, knowing them begins anew.
	maxAbsent = 1024
)

// lookups bounds what clients can have looked up. Loops hold the lock for moments.
type lookups struct {
	mu     sync.Mutex
	busy   int
	absent map[string]time.Time // since when
}

// begin reports whether a name may be looked up; then end is called, once.
func (l *lookups) begin(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since, ok := l.absent[name]; ok {
		if now.Sub(since) < absentFor {
			return false
		}
		delete(l.absent, name)
	}
	if l.busy >= maxLookups {
		return false
	}
	l.busy++
	return true
}

func (l *lookups) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
}

// missed notes that there was no challenge for a name.
func (l *lookups) missed(name string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.absent == nil || len(l.absent) >= maxAbsent {
		l.absent = map[string]time.Time{}
	}
	l.absent[name] = now
}

// Lookup is a look into the folders of other processes that may begin. One of its methods has to be called, once.
type Lookup struct {
	of   *Challenges
	name string
}

// Look gives what it takes to look for challenges that another process has for the name: the next worker in an upgrade may have names
// that this one has not. It is nil where that is not worth it: there are no folders, the name cannot be one, a moment ago there were none,
// or too many are looked for just now. Loops may call it.
func (c *Challenges) Look(name string) *Lookup {
	if len(*c.sources.Load()) == 0 || !plausible(name) || !c.lookups.begin(name, time.Now()) {
		return nil
	}
	return &Lookup{c, name}
}

// Drop is for a look-up that is not done after all. Loops may call it.
func (l *Lookup) Drop() { l.of.lookups.end() }

// Token looks for a token that another process was given. It reads files: not for loops.
func (l *Lookup) Token(token string) (string, bool) {
	defer l.of.lookups.end()
	for _, chal := range l.load() {
		if chal.Token == token && chal.KeyAuthorization != "" {
			return chal.KeyAuthorization, true
		}
	}
	return "", false
}

// Certificate makes the proof that another process is asked for; nil if none is. It reads files: not for loops.
func (l *Lookup) Certificate() *tls.Certificate {
	defer l.of.lookups.end()
	for _, chal := range l.load() {
		if chal.Type != rfc8555.ChallengeTypeTLSALPN01 {
			continue
		}
		if cert, err := acmez.TLSALPN01ChallengeCert(chal); err == nil {
			return cert
		}
	}
	return nil
}

// load reads the challenges for the name. That there are some, but not the one asked for, is not remembered: who asks for a wrong one must not
// be able to have the authority refused.
func (l *Lookup) load() []rfc8555.Challenge {
	all := l.of.load(l.name)
	if len(all) == 0 {
		l.of.lookups.missed(l.name, time.Now())
	}
	return all
}
