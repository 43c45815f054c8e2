package conn

import (
	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// Sizes of the blocks that a Net hands out.
const (
	SmallBlock = 8 << 10
	LargeBlock = 128 << 10
)

// Limits bound what the connections of one loop may hold.
type Limits struct {
	SmallBlocks int // message heads and small writes
	LargeBlocks int // heads that did not fit
	IdlePipes   int // pipes kept for splicing
}

// DefaultLimits are 16,384 small blocks, 512 large ones and 64 pipes.
func DefaultLimits() Limits { return Limits{SmallBlocks: 16384, LargeBlocks: 512, IdlePipes: 64} }

// Net is what the connections of one loop share.
type Net struct {
	Loop  *loop.Loop
	sock  loop.Sockets
	small *buf.Pool
	large *buf.Pool
	pipes pipes
	open  int // connections not yet closed

	outgoing     *sys.Outgoing // of all packet connections
	idlePackets  [][]Packet
	idleSplicers spares[splicer]
	idleClosers  spares[closer]

	dials      *loop.Pace // connects that begin
	handshakes *loop.Pace // handshakes with clients that begin or go on
	// outgoingHandshakes are those with servers. Strangers' hellos are not to make a sound server look slow.
	outgoingHandshakes *loop.Pace
}

// What begins or goes on in one turn of a loop, so that a burst of either holds nobody else up for long: a peer on the same machine
// is connected to within the call, in 40 µs, and the exchange of keys takes 100. One handshake more goes on for each
// handshakeShare tasks that ran in the turn before, which gives them about half of a busy loop's time.
const (
	dialsPerTurn      = 16
	handshakesPerTurn = 1
	handshakeShare    = 16
)

// spares are records that connections need for a while only, for reuse.
type spares[T any] []*T

// maxSpares is how many are kept of each kind.
const maxSpares = 64

func (s *spares[T]) take() *T {
	last := len(*s) - 1
	if last < 0 {
		return new(T)
	}
	x := (*s)[last]
	*s = (*s)[:last]
	return x
}

func (s *spares[T]) put(x *T) {
	if len(*s) < maxSpares {
		*s = append(*s, x)
	}
}

// NewNet makes the shared part for a loop; it is freed with the loop. Call it on the loop.
func NewNet(l *loop.Loop, lim Limits) *Net {
	sock := l.Sockets()
	n := &Net{Loop: l, sock: sock, small: buf.NewPool(SmallBlock, lim.SmallBlocks), large: buf.NewPool(LargeBlock, lim.LargeBlocks),
		pipes: pipes{limit: lim.IdlePipes, sock: sock, open: sock.Pipe},
		dials: loop.NewPace(l, dialsPerTurn), handshakes: loop.NewSharedPace(l, handshakesPerTurn, handshakeShare),
		outgoingHandshakes: loop.NewSharedPace(l, handshakesPerTurn, handshakeShare)}
	l.AtClose(n.close)
	return n
}

// Small hands out a block of SmallBlock bytes, nil when the limit is reached.
func (n *Net) Small() *buf.Block { return n.small.Get() }

// Large hands out a block of LargeBlock bytes, nil when the limit is reached.
func (n *Net) Large() *buf.Block { return n.large.Get() }

// Usage is what the connections of a loop hold now.
type Usage struct {
	Open   int // connections of every kind, and ends of pipes
	Blocks int // small and large ones handed out
	Pipes  int // in use
}

// Usage counts what is held; every figure is nought when nothing goes on.
func (n *Net) Usage() Usage {
	return Usage{Open: n.open, Blocks: n.small.InUse() + n.large.InUse(), Pipes: n.pipes.inUse}
}

// Trim gives memory of idle blocks and idle pipes back to the kernel.
func (n *Net) Trim() {
	n.small.Trim()
	n.large.Trim()
	n.pipes.trim()
}

// close frees what nobody can hold any more: the loop has ended its tasks. While a block is out, the kernel may still
// be sending from it or an abandoned task may use it; then its pool stays mapped.
func (n *Net) close() {
	n.pipes.trim()
	n.pipes.trim()
	for _, p := range [...]*buf.Pool{n.small, n.large} {
		if p.InUse() == 0 {
			_ = p.Close() // unmapping whole mappings of ours does not fail
		}
	}
}
