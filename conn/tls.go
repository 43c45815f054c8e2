package conn

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
)

// Stream is what a protocol needs of a connection, whether its bytes travel plain (Conn) or encrypted (TLS). What each
// method promises is said at Conn's.
type Stream interface {
	Net() *Net
	Remote() netip.AddrPort

	ReadBuf() ([]byte, error)
	Buffered() []byte
	Consume(n int)
	Err() error
	Arm()
	Watch(w Watcher)
	Multishot(on bool)
	SetReadTimeout(d time.Duration)

	Send(b *buf.Block) error
	Write(p []byte) (int, error)
	WriteBufs(head, body []byte, more bool) error
	Flush() error
	Sent() uint64
	WriteErr() error
	SetWriteTimeout(d time.Duration)

	CloseWrite() error
	Close() error
	Closed() bool
	Abort()
}

var (
	_ Stream = (*Conn)(nil)
	_ Stream = (*TLS)(nil)
)

const (
	// TLSBlock is the size of the blocks that plaintext and ciphertext pass through: two full records, and headroom for what
	// crypto/tls says unasked.
	TLSBlock = 36 << 10
	// MaxTLSBlocks bounds them, on each loop. A connection at rest holds none.
	MaxTLSBlocks = 8192

	tlsHeader   = 5              // bytes of a record's header
	tlsPlain    = 16 << 10       // most plaintext of a record
	tlsRecord   = tlsPlain + 512 // most bytes that it takes on the wire
	tlsHeadroom = 1 << 10        // what one read may make crypto/tls say: at most 17 records, of KeyUpdates and an alert
	tlsPending  = 8              // blocks of ciphertext that may wait, which takes a handshake with a very long chain
	tlsClose    = 5 * time.Second
)

// tlsBlocks are a loop's blocks for TLS.
var tlsBlocks = loop.NewLocal(func(l *loop.Loop) *buf.Pool {
	p := buf.NewPool(TLSBlock, MaxTLSBlocks)
	l.OnTrim(p.Trim)
	l.AtClose(func() {
		if p.InUse() == 0 {
			_ = p.Close() // unmapping whole mappings of ours does not fail
		}
	})
	return p
})

// TLSBlocksInUse is the number of blocks that the TLS connections of a loop hold.
func TLSBlocksInUse(l *loop.Loop) int { return (*tlsBlocks.Get(l)).InUse() }

// errNoTLSBlock says that MaxTLSBlocks are in use.
var errNoTLSBlock = errors.New("no block left for TLS")

// TLS is a TLS connection over a Conn: crypto/tls with a transport of its own, so that one may rest, read and write it as
// a Conn, with one task reading and one writing. At rest it holds no block and no task.
//
// crypto/tls takes locks that a loop's tasks must not wait for while another holds them. So no task ever yields inside of
// it once the handshake is over: reads of the transport say that nothing is there, and its writes only append to a block.
// What waits (for bytes, for room) is done here, outside of crypto/tls. A peer that does not read while it makes this side
// send alerts and KeyUpdates then fills a block, and is not read from any more.
//
// Records are decrypted where they were received (tls_record.go), so that crypto/tls keeps no buffers of its own (tls_inside.go).
type TLS struct {
	c       *Conn
	tc      *tls.Conn
	client  bool
	watcher Watcher
	shake   *handshake // while it goes on: its one task may wait in the transport's reads
	up      bool       // the handshake has succeeded
	closed  bool

	in     *buf.Block // plaintext; Len is its end
	off    int        // how much of it was consumed
	err    error      // what ended the plaintext
	cut    bool       // the connection below ended it, not a close_notify
	header [tlsHeader]byte
	have   int    // bytes of header
	record int    // bytes of the record that have not come, or that crypto/tls has not been given
	part   []byte // the record as far as it has come, where it comes in pieces
	lends  bool   // crypto/tls gets whole records, and keeps nothing
	lent   bool   // it has the one that it is to decrypt

	lock     loop.Mutex // held by the task that hands ciphertext over
	out      []*buf.Block
	one      [1]*buf.Block // what out begins as
	flushing bool          // a task of its own hands it over
	stalled  bool          // reading waits for room in out
	dead     bool          // no ciphertext can leave any more
	broken   error         // what ended writing for good, above the connection below
}

// NewTLSServer makes the server's side of a TLS connection over c, which belongs to it from then on. Call Handshake next.
func NewTLSServer(c *Conn, cfg *tls.Config) *TLS {
	t := newTLS(c)
	t.tc = tls.Server((*tlsTransport)(t), cfg)
	return t
}

// NewTLSClient makes the client's side of a TLS connection over c, which belongs to it from then on. Call Handshake next.
func NewTLSClient(c *Conn, cfg *tls.Config) *TLS {
	t := newTLS(c)
	t.client = true
	t.tc = tls.Client((*tlsTransport)(t), cfg)
	return t
}

func newTLS(c *Conn) *TLS {
	t := &TLS{c: c}
	t.out = t.one[:0]
	return t
}

// State tells of the handshake: versions, names, certificates. It makes a copy, which is not cheap.
func (t *TLS) State() tls.ConnectionState { return t.tc.ConnectionState() }

// Under is the connection that carries the ciphertext.
func (t *TLS) Under() *Conn { return t.c }

// Net is what the connection shares with the others of its loop.
func (t *TLS) Net() *Net { return t.c.n }

// Remote is the peer's address; the zero value for a Unix socket.
func (t *TLS) Remote() netip.AddrPort { return t.c.Remote() }

// Multishot is Conn's.
func (t *TLS) Multishot(on bool) { t.c.Multishot(on) }

// SetReadTimeout is Conn's.
func (t *TLS) SetReadTimeout(d time.Duration) { t.c.SetReadTimeout(d) }

// SetWriteTimeout is Conn's.
func (t *TLS) SetWriteTimeout(d time.Duration) { t.c.SetWriteTimeout(d) }

// Closed reports whether Close or Abort was called.
func (t *TLS) Closed() bool { return t.closed || t.c.closed }

// CloseWrite says with a close_notify that nothing more will come, sends that, and ends this side's direction of the
// connection below. Reads go on.
func (t *TLS) CloseWrite() error {
	if err := t.lockWrites(); err != nil {
		return err
	}
	_ = t.tc.CloseWrite() // it fails only where the connection does
	err := t.flush()
	t.unlockWrites()
	if err != nil {
		return err
	}
	return t.c.CloseWrite()
}

// Close ends the connection with a close_notify, behind what is being sent. It does not wait; OnClosed of the connection
// below says when the descriptor is gone.
func (t *TLS) Close() error {
	switch {
	case t.closed:
		return net.ErrClosed
	case t.c.closed:
		t.drop()
		return net.ErrClosed
	}
	if t.up && !t.dead && t.c.wr.err == nil {
		_ = t.tc.CloseWrite()
	}
	t.closed = true
	t.watcher = nil
	t.c.Watch(nil)
	t.dropPlaintext()
	if len(t.out) == 0 || t.lock.TryLock() && t.sendAll() {
		t.drop()
		return t.c.Close()
	}
	if t.c.wr.deadline.at == 0 || t.c.wr.deadline.passed(t.c.n.Loop) {
		t.c.SetWriteTimeout(tlsClose)
	}
	t.c.SetReadTimeout(0)
	t.c.rd.wake() // who reads is to see that it is closed
	t.c.n.Loop.Spawn("tls close", (*tlsCloser)(t))
	return nil
}

// sendAll sends what waits, if one block is all and nothing is in flight; the caller holds the lock for good.
func (t *TLS) sendAll() bool {
	defer t.lock.Unlock()
	if len(t.out) > 1 || t.c.wr.op.InFlight() {
		return false
	}
	if t.c.wr.deadline.passed(t.c.n.Loop) {
		t.c.SetWriteTimeout(tlsClose)
	}
	_ = t.c.Send(t.pop())
	return true
}

// tlsCloser is a connection that is closed once what waits has been sent.
type tlsCloser TLS

// Run sends what waits and closes, as a task.
func (k *tlsCloser) Run(*loop.Task) {
	t := (*TLS)(k)
	_ = t.handOver()
	t.drop()
	if !t.c.closed {
		_ = t.c.Close()
	}
}

// Abort ends the connection at once and with a reset.
func (t *TLS) Abort() {
	t.closed, t.dead = true, true
	t.watcher = nil
	t.drop()
	t.c.Abort()
}

// drop gives every block back and lets no more ciphertext come.
func (t *TLS) drop() {
	t.closed, t.dead = true, true
	t.release()
}

func (t *TLS) release() {
	t.dropPlaintext()
	t.dropPart()
	for len(t.out) > 0 {
		t.pop().Put()
	}
}
