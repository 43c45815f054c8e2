package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/process"
)

const (
	// yieldLimit bounds how long a hand-over waits for connections that are in use. It is shorter than what a master allows.
	yieldLimit = 5 * time.Second
	// yieldPoll is how often it looks whether there are any left.
	yieldPoll = 5 * time.Millisecond
)

// mover is a handler whose connections can be handed over.
type mover interface {
	Yield(handover.Taker)
	Movable() int
	Stay()
	Resume()
}

// movers are those of a part. Listeners that are no more in the configuration keep what they have. It runs on the loop.
func (p *part) movers() (all []mover) {
	for _, h := range p.handlers {
		if m, ok := h.(mover); ok {
			all = append(all, m)
		}
	}
	return all
}

// export collects what the loops give.
type export struct {
	mu     sync.Mutex // for moments only: loops wait for it
	queue  []outgoing
	closed bool
	some   chan struct{} // has a token when there is something in queue
	last   uint64
}

// outgoing is a record, and the loop that it came from.
type outgoing struct {
	*handover.Record
	from *part
}

func (o outgoing) settle(f func()) { o.from.loop.Post(f) }

// taker collects what one loop gives; once the export is closed, that stays.
func (x *export) taker(p *part) handover.Taker {
	return func(r *handover.Record) {
		x.mu.Lock()
		closed := x.closed
		if !closed {
			x.queue = append(x.queue, outgoing{r, p})
		}
		x.mu.Unlock()
		if closed {
			r.Kept()
			return
		}
		select {
		case x.some <- struct{}{}:
		default:
		}
	}
}

func (x *export) take() []outgoing {
	x.mu.Lock()
	defer x.mu.Unlock()
	batch := x.queue
	x.queue = nil
	return batch
}

// close has what comes later, and what is in the queue, stay.
func (x *export) close() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	for _, o := range x.take() {
		o.settle(o.Kept)
	}
}

// Export stops accepting and gives every connection as soon as it is at rest. It returns when all that can be have been given, when
// those that are in use have taken too long, or when ctx ends; what stays goes on here.
func (g *Gateway) Export(ctx context.Context, to process.Giver) error {
	release, err := g.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	g.shut = true
	x := &export{some: make(chan struct{}, 1)}
	parts := g.current().parts
	for _, p := range parts {
		p.loop.On(func() {
			for _, m := range p.movers() {
				m.Yield(x.taker(p))
			}
			for _, c := range p.clusters {
				c.Yield(x.taker(p))
			}
		})
	}
	if !to.Alike() {
		err = to.Commit(ctx) // of nothing: now that nobody accepts here the other may make the sockets what its driver needs
	}
	given := 0
	if err == nil {
		given, err = x.run(ctx, parts, to)
	}
	x.close()
	for _, p := range parts {
		p.loop.On(func() {
			for _, m := range p.movers() {
				m.Stay()
			}
		})
	}
	g.log.Info("connections handed over", "given", given, "err", err)
	return err
}

// run carries what is given until nothing more is to come.
func (x *export) run(ctx context.Context, parts []*part, to process.Giver) (given int, err error) {
	ctx, cancel := context.WithTimeout(ctx, yieldLimit)
	defer cancel()
	tick := time.NewTicker(yieldPoll)
	defer tick.Stop()
	for {
		batch := x.take()
		n, err := x.offer(ctx, batch, to)
		if given += n; err != nil {
			return given, err
		}
		if len(batch) == 0 && movable(parts) == 0 {
			return given, nil
		}
		select {
		case <-x.some:
		case <-tick.C:
		case <-ctx.Done():
			return given, nil
		}
	}
}

// movable is how many connections may still be given.
func movable(parts []*part) (n int) {
	for _, p := range parts {
		p.loop.On(func() {
			for _, m := range p.movers() {
				n += m.Movable()
			}
		})
	}
	return n
}

// offer gives a batch, and tells the owners what has become of it.
func (x *export) offer(ctx context.Context, batch []outgoing, to process.Giver) (given int, err error) {
	if len(batch) == 0 {
		return 0, nil
	}
	all, keeps := make([]process.Connection, len(batch)), map[uint64]bool{}
	for i, o := range batch {
		x.last++
		all[i] = process.Connection{ID: x.last, Kind: o.Kind, Listener: o.Listener, State: o.State, Fds: o.Fds}
	}
	refused, err := to.Offer(ctx, all)
	if err == nil {
		err = to.Commit(ctx)
	}
	for _, id := range refused {
		keeps[id] = true
	}
	for i, o := range batch {
		if err != nil || keeps[all[i].ID] {
			o.settle(o.Kept)
			continue
		}
		given++
		o.settle(o.Gone)
	}
	return given, err
}

// Resume accepts, after an Export with what has stayed, or what a Held start left to others; it does nothing if that goes on. If it
// fails, for lack of descriptors, nothing is accepted, and it may be called again.
func (g *Gateway) Resume() error {
	release, err := g.take(context.Background())
	if err != nil {
		return err
	}
	defer release()
	g.weightsGiven = false
	if !g.shut {
		return nil
	}
	g.shut = false
	if g.heldAdmin != nil {
		g.heldAdmin.Open()
	}
	now := g.current()
	var all []*assembly
	for i, p := range now.parts {
		a := &assembly{part: p, doors: map[string][]uint64{}}
		all = append(all, a)
		for _, name := range now.plan.names {
			if err := g.rehang(a, p.named(name), name, false, i, len(now.parts), now.plan); err != nil {
				for _, a := range all {
					a.discard(g.machine)
				}
				g.shut = true
				return err
			}
		}
	}
	for _, a := range all {
		p := a.part
		p.loop.On(func() {
			for _, m := range p.movers() {
				m.Resume()
			}
			for _, c := range p.clusters {
				c.Resume()
			}
			a.hang()
		})
		p.doors = a.doors
	}
	return nil
}
