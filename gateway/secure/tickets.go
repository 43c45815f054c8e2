package secure

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"time"
)

// TicketKey is a key that session tickets are encrypted with.
type TicketKey = [32]byte

// ticketKeys is how many keys are kept: the one in use, and two of which tickets are still taken.
const ticketKeys = 3

// Tickets are the keys of a listener. They never change; others take their place.
type Tickets struct {
	Keys  []TicketKey // the first is in use
	Since time.Time   // when it came into use
}

func newTicketKey() (k TicketKey) {
	_, _ = rand.Read(k[:]) // it does not fail
	return k
}

func newTickets() *Tickets { return &Tickets{[]TicketKey{newTicketKey()}, time.Now()} }

// Tickets are the keys in use, for whoever takes over.
func (s *Server) Tickets() *Tickets { return s.tickets.Load() }

// under are the keys as tickets are encrypted with them while clients are asked for certificates so; authorities is nil where they are
// not. A session is resumed only under what it began under, since in TLS 1.3 it cannot be refused in a way that makes the client
// come again without it: with other keys its ticket is one that nobody knows, and costs a full handshake.
func (t *Tickets) under(s *ClientAuthSpec, a *authorities) []TicketKey {
	if a == nil {
		return t.Keys
	}
	keys := make([]TicketKey, len(t.Keys))
	for i, k := range t.Keys {
		mac := hmac.New(sha256.New, k[:])
		mac.Write(a.sum[:])
		mac.Write([]byte(s.Mode))
		mac.Sum(keys[i][:0])
	}
	return keys
}

// errTickets refuses keys that cannot be anybody's.
var errTickets = errors.New("secure: not one to three ticket keys")

// InheritTickets has sessions resumed that another process began, and has its own resumed there: t are that one's keys. It may be
// called on any goroutine. Handshakes that come later use them.
func (s *Server) InheritTickets(t *Tickets) error {
	if len(t.Keys) == 0 || len(t.Keys) > ticketKeys {
		return errTickets
	}
	s.tickets.Store(t)
	return nil
}

// rotate puts a new key in use once the present one is old enough, and forgets the oldest.
func (s *Server) rotate(now time.Time) {
	old := s.tickets.Load()
	if now.Sub(old.Since) < s.Spec.Tickets.Rotate.Std() {
		return
	}
	keys := slices.Insert(slices.Clone(old.Keys), 0, newTicketKey())
	s.tickets.CompareAndSwap(old, &Tickets{keys[:min(len(keys), ticketKeys)], now}) // else some were inherited just now
}
