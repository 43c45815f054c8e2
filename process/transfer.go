package process

import (
	"context"
	"log/slog"
	"os"
	"sync"

	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
)

// What one Records message carries at most: a batch of descriptors, and of state what a socket takes in a few writes.
const (
	offerDescriptors = message.Batch
	offerBytes       = 1 << 20
)

// giver offers connections over a link.
type giver struct {
	link  *link.Link
	alike bool
}

// Alike compares the two.
func (g giver) Alike() bool { return g.alike }

// alike reports whether two workers need listening sockets to be the same; if one of them does not say, they may.
func alike(a, b message.Features) bool {
	const both = message.FeatureBlocking | message.FeatureNonBlocking
	return a&both == b&both || a&both == 0 || b&both == 0
}

// Offer sends connections in as many messages as they need.
func (g giver) Offer(ctx context.Context, all []Connection) (refused []uint64, err error) {
	for len(all) > 0 {
		n := fill(all)
		m, fds := &message.Records{}, []int(nil)
		for _, c := range all[:n] {
			m.Connections = append(m.Connections, message.Record{ID: c.ID, Kind: c.Kind, Listener: c.Listener, State: c.State, Descriptors: len(c.Fds)})
			fds = append(fds, c.Fds...)
		}
		taken, _, err := link.Ask[*message.Taken](ctx, g.link, m, fds...)
		if err != nil {
			return refused, err
		}
		refused = append(refused, taken.Refused...)
		all = all[n:]
	}
	return refused, nil
}

// fill is how many of all go into one message: at least one.
func fill(all []Connection) int {
	fds, bytes := 0, 0
	for i := range all {
		fds, bytes = fds+len(all[i].Fds), bytes+len(all[i].State)
		if i > 0 && (fds > offerDescriptors || bytes > offerBytes) {
			return i
		}
	}
	return len(all)
}

// Commit waits for the Ack as long as the peer lives: only its end may mean that it is not coming, or two processes would
// own the same connections.
func (g giver) Commit(context.Context) error {
	return g.link.Tell(context.Background(), &message.Commit{})
}

// give hands what s has over to the worker at the other end of f.
func give(ctx context.Context, f *os.File, s Mover, hello *message.Hello, log *slog.Logger) error {
	conn, err := link.FromFile(f)
	if err != nil {
		return err
	}
	l, err := link.Connect(ctx, conn, hello, link.Anyone, log)
	if err != nil {
		return err
	}
	defer l.Close()
	l.Start(func(context.Context, *link.Delivery) link.Reply {
		return link.Refuse(message.ReasonForbidden, errNotAsked)
	})
	// The worker that takes over may die at any moment: Export is not to wait for it.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(l.Context(), func() { cancel(l.Err()) })
	defer stop()
	if err := s.Export(ctx, giver{l, alike(hello.Features, l.Peer().Features)}); err != nil {
		return err
	}
	return l.Tell(ctx, &message.End{})
}

// taker imports what comes over a link.
type taker struct {
	s  Mover
	mu sync.Mutex // Import, Commit and Abort are called one at a time
}

// take serves the hand-over at the other end of f until it has ended.
func take(ctx context.Context, f *os.File, s Mover, hello *message.Hello, log *slog.Logger) error {
	conn, err := link.FromFile(f)
	if err != nil {
		return err
	}
	l, err := link.Accept(ctx, conn, hello, link.Anyone, log)
	if err != nil {
		return err
	}
	t := &taker{s: s}
	l.Start(t.handle)
	select {
	case <-l.Done():
	case <-ctx.Done():
		l.Close()
		<-l.Done()
	}
	// What was not committed is its giver's again. After an End, and after a Commit, there is nothing of that.
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Abort()
	return nil
}

func (t *taker) handle(_ context.Context, d *link.Delivery) link.Reply {
	t.mu.Lock()
	switch m := d.Message.(type) {
	case *message.Records:
		defer t.mu.Unlock()
		return t.records(m, &d.Descriptors)
	case *message.Commit:
		// The peer lets go when it reads the Ack, so nothing is served before that is on its way. If it cannot be sent the
		// link has ended, and Abort follows.
		return link.Reply{Sent: func(err error) {
			defer t.mu.Unlock()
			if err == nil {
				t.s.Commit()
			}
		}}
	case *message.End:
		defer t.mu.Unlock()
		t.s.Abort()
		return link.Reply{}
	}
	t.mu.Unlock()
	return link.Refuse(message.ReasonForbidden, errNotAsked)
}

func (t *taker) records(m *message.Records, fds *link.Descriptors) link.Reply {
	all := make([]Connection, 0, len(m.Connections))
	for _, r := range m.Connections {
		all = append(all, Connection{ID: r.ID, Kind: r.Kind, Listener: r.Listener, State: r.State, Fds: fds.Take(r.Descriptors)})
	}
	refused := t.s.Import(all)
	not := map[uint64]bool{}
	for _, id := range refused {
		not[id] = true
	}
	for _, c := range all {
		if not[c.ID] {
			closeAll(c.Fds)
		}
	}
	return link.Reply{Message: &message.Taken{Refused: refused}}
}
