package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/process"
)

// firstTickets is the number of the first record of ticket keys. Those of connections count from 1.
const firstTickets = 1 << 63

// giveTickets tells the worker that takes over which keys the listeners' session tickets have, so that it resumes the sessions that began
// here. It is done before the other accepts anything. A listener that the other has no place for has no sessions to resume there.
func (g *Gateway) giveTickets(ctx context.Context, to process.Giver) error {
	var all []process.Connection
	for name, s := range g.current().plan.secure {
		if !s.Spec.Tickets.Enabled {
			continue
		}
		t := s.Tickets()
		state := handover.TicketKeys{Age: time.Since(t.Since)}
		for _, k := range t.Keys {
			state.Keys = append(state.Keys, k[:])
		}
		all = append(all, process.Connection{ID: firstTickets + uint64(len(all)), Kind: handover.Tickets, Listener: name, State: handover.Encode(state)})
	}
	if len(all) == 0 {
		return nil
	}
	_, err := to.Offer(ctx, all)
	return err
}

var (
	errNoTickets  = errors.New("there is no such listener of TLS with tickets")
	errTicketKeys = errors.New("these are no ticket keys")
)

// takeTickets goes over to the keys of the worker before. That is not undone: if the hand-over fails this worker ends.
func (p *plan) takeTickets(c process.Connection) error {
	s := p.secured(c.Listener)
	if s == nil || !s.Spec.Tickets.Enabled {
		return errNoTickets
	}
	state, err := handover.Decode[handover.TicketKeys](c.State)
	if err != nil {
		return err
	}
	t := &secure.Tickets{Since: time.Now().Add(-max(0, state.Age))}
	for _, k := range state.Keys {
		if len(k) != len(secure.TicketKey{}) || len(c.Fds) > 0 {
			return errTicketKeys
		}
		t.Keys = append(t.Keys, secure.TicketKey(k))
	}
	return s.InheritTickets(t)
}
