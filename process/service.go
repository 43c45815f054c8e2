package process

import (
	"context"
	"time"

	"github.com/ringway/ringway/process/message"
)

// Config is a configuration as bytes: a master does not understand it.
type Config = message.Config

// ListenerKey tells listeners apart: one whose address changed is another one.
type ListenerKey = message.ListenerKey

// Wanted is a listener that a Service wants sockets of.
type Wanted = message.Wanted

// Socket is one socket of a listener. Its Fd belongs to who is given it.
type Socket struct {
	ListenerKey
	Bound string // the address that it got
	Index int    // among the listener's sockets, from 0
	Fd    int    // blocking or not as whoever used it last has left it: all copies of a socket share that
}

// ListenFunc gives a Service the sockets of listeners, all or none. A listener that was there before comes as it is, with
// its accept queue, and may have more sockets than were wanted: each of them needs somebody who accepts. Asking again for
// what one has gives further copies.
type ListenFunc func(ctx context.Context, wanted []Wanted) ([]Socket, error)

// Setup is what a Service starts with.
type Setup struct {
	Config Config
	// Generation is which worker this is. The first is 1, and the master ends if that one cannot start: whoever has a higher number takes the
	// place of one that served.
	Generation uint64
	// Held: another worker serves from the same sockets. A Mover accepts nothing until Commit, Abort or Resume says that this one
	// serves too, so that nobody misses it if it dies before.
	Held   bool
	Listen ListenFunc
	Master *Client // for what a Service's own admin API is asked: reload, upgrade, status
	// Fail ends the worker for a reason, when the Service cannot go on; the master starts another.
	Fail func(reason error)
}

// Running is what of a Service its master has to know.
type Running struct {
	// Listeners are all that are in use. A master closes the sockets of others.
	Listeners []ListenerKey
	// DrainTimeout is how long Drain takes at most; 0 for as long as it takes. A worker that takes longer is killed.
	DrainTimeout time.Duration
}

// Change is a configuration to go over to.
type Change struct {
	Config Config
	// Preview: say what would change, and change nothing.
	Preview bool
	Listen  ListenFunc
}

// Outcome is what a Change came to.
type Outcome struct {
	Running
	Diff string // for people; empty if nothing changed
}

// Service is what a worker runs: the gateway. A worker calls Start first and Drain last, and never two of Start, Reload,
// Export, Resume and Drain at a time; Status and Reopen at any time once Start has returned.
type Service interface {
	// Start begins to serve. When it returns, connections are accepted, or could be if Held. On failure nothing is left behind.
	Start(ctx context.Context, s Setup) (Running, error)
	// Reload goes over to another configuration, or fails and leaves everything as it was.
	Reload(ctx context.Context, c Change) (Outcome, error)
	// Reopen opens log files anew.
	Reopen() error
	// Status is how the service is, in a form that encoding/json takes.
	Status() any
	// Drain accepts no more, lets what is there finish, and returns when nothing is left. When ctx ends it cuts off. last says
	// that nobody else has the listening sockets: what waits in their queues is served, too.
	Drain(ctx context.Context, last bool) error
}

// Connection is a live connection at rest: no bytes of it are in user space but those in State.
type Connection struct {
	ID       uint64 // chosen by the giver, once in a hand-over
	Kind     string // who understands State; a receiver refuses a kind that it does not know
	Listener string // the name of the listener that it came by, or empty
	State    []byte
	Fds      []int
}

// Giver is the way to the worker that takes over.
type Giver interface {
	// Offer sends connections. The descriptors stay the caller's, and the connections too, but it must leave them alone
	// until Commit. Those that are returned were refused: they are the caller's for good.
	Offer(ctx context.Context, all []Connection) (refused []uint64, err error)
	// Commit makes all that were offered and not refused the other's. When it returns nil the caller closes its copies.
	// On an error they are all the caller's again, nobody else has touched them, and there is no more to offer.
	Commit(ctx context.Context) error
	// Alike reports whether the other needs listening sockets to be as the caller does, as far as is known.
	Alike() bool
}

// Mover is a Service whose live connections can go on in another worker. A Service that is none keeps them and drains.
type Mover interface {
	Service
	// NonBlocking reports whether the listening sockets have to have O_NONBLOCK, which all copies of a socket share. It is asked
	// when Start has returned. A Held start leaves the sockets as they are; who begins to accept makes them what it needs.
	NonBlocking() bool
	// Export has the other accept, by a Commit of nothing, stops accepting, and gives every connection as soon as it is at rest. If
	// the other is not Alike it stops first: one of the two would hang in accept, or spin.
	// It returns when all were given, or ctx ends; connections that are still busy stay, and Drain follows. After an error it goes
	// on with what it has.
	Export(ctx context.Context, to Giver) error
	// Resume accepts: after an Export, because whoever was to take over has died, and after a Held start without any hand-over.
	// It may find that it does already.
	Resume() error
	// Import takes connections over, but leaves them alone until Commit. The descriptors are the Mover's, but those of
	// connections that it refuses. Import, Commit and Abort are called one at a time, but while the Service is in use.
	Import(all []Connection) (refused []uint64)
	// Commit begins to serve what was imported since the last Commit; the first one begins to accept.
	Commit()
	// Abort closes what was imported since the last Commit: it is its giver's. The hand-over has ended, and a worker that was held
	// is so no longer.
	Abort()
}
