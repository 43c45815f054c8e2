package conn

import (
	"net"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
)

// Send encrypts the data of b, puts b back and hands the records over. As Conn's it waits only for what was sent before.
func (t *TLS) Send(b *buf.Block) error {
	_, err := t.write(b.Data(), nil)
	b.Put()
	return err
}

// Write encrypts all of p and hands it over. It waits only for what was sent before: p is the caller's again at once. The
// count is that of bytes which have been or will be sent.
func (t *TLS) Write(p []byte) (int, error) {
	if err := t.c.n.Loop.Current().Cause(); err != nil {
		return 0, err
	}
	return t.write(p, nil)
}

// WriteBufs is Write of head and then body. If it fails with a part taken, writing has ended for good.
func (t *TLS) WriteBufs(head, body []byte, _ bool) error {
	if err := t.c.n.Loop.Current().Cause(); err != nil {
		return err
	}
	n, err := t.write(head, body)
	if err != nil && n > 0 && t.broken == nil {
		t.broken = err
	}
	return err
}

// Flush waits until the kernel has taken everything.
func (t *TLS) Flush() error {
	if err := t.lockWrites(); err != nil {
		return err
	}
	defer t.unlockWrites()
	if err := t.flush(); err != nil {
		return err
	}
	return t.c.Flush()
}

// Sent is the number of bytes that the kernel has taken, encrypted as they are, since the connection was made.
func (t *TLS) Sent() uint64 { return t.c.Sent() }

// WriteErr is what ended writing for good, or nil.
func (t *TLS) WriteErr() error {
	if err := t.c.WriteErr(); err != nil {
		return err
	}
	return t.broken
}

func (t *TLS) write(head, body []byte) (n int, err error) {
	if err := t.lockWrites(); err != nil {
		return 0, err
	}
	defer t.unlockWrites()
	for _, p := range [...][]byte{head, body} {
		for len(p) > 0 {
			if err := t.room(); err != nil {
				return n, err
			}
			m, err := t.tc.Write(p[:min(len(p), tlsPlain)])
			if n += m; err != nil {
				if t.broken == nil {
					t.broken = err
				}
				return n, err
			}
			p = p[m:]
		}
	}
	return n, t.flush()
}

// lockWrites waits until no other task hands ciphertext over.
func (t *TLS) lockWrites() error {
	switch {
	case t.Closed():
		return net.ErrClosed
	case t.broken != nil:
		return t.broken
	case t.lock.TryLock():
		return nil
	}
	return t.lock.Lock(t.c.n.Loop.Current())
}

// unlockWrites lets the next hand over, and sees to what crypto/tls has added meanwhile.
func (t *TLS) unlockWrites() {
	t.lock.Unlock()
	t.push()
}

// room waits until another record fits into the last block, with headroom behind it. The caller holds the lock.
func (t *TLS) room() error {
	if b := t.last(); b != nil {
		if len(b.Bytes)-b.Len >= tlsRecord+tlsHeadroom {
			return nil
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	if t.Closed() {
		return net.ErrClosed
	}
	b := (*tlsBlocks.Get(t.c.n.Loop)).Get()
	if b == nil {
		return errNoTLSBlock
	}
	t.out = append(t.out, b)
	return nil
}

// roomToReply reports whether crypto/tls may read another record: what it answers unasked fits behind what waits.
func (t *TLS) roomToReply() bool {
	b := t.last()
	return b == nil || t.dead || len(t.out) == 1 && len(b.Bytes)-b.Len >= tlsHeadroom
}

// flush hands over what waits, waiting for each block before; the last is on its way when it returns. The caller holds the
// lock. Whoever reads may add to the blocks meanwhile.
func (t *TLS) flush() error {
	for len(t.out) > 0 {
		if err := t.c.wr.begin(); err != nil {
			t.giveUpIfBroken()
			return err
		}
		if len(t.out) == 0 { // Abort took them
			return net.ErrClosed
		}
		if err := t.c.Send(t.pop()); err != nil {
			t.giveUp()
			return err
		}
		t.unstall()
	}
	return nil
}

// handOver is flush for who does not hold the lock.
func (t *TLS) handOver() error {
	if len(t.out) == 0 {
		return nil
	}
	if err := t.lock.Lock(t.c.n.Loop.Current()); err != nil {
		return err
	}
	defer t.lock.Unlock()
	return t.flush()
}

// giveUpIfBroken drops what waits if the connection below takes no more.
func (t *TLS) giveUpIfBroken() {
	if t.c.wr.err != nil || t.c.closed {
		t.giveUp()
	}
}

func (t *TLS) giveUp() {
	t.dead = true
	for len(t.out) > 0 {
		t.pop().Put()
	}
	t.unstall()
}

// push hands over what crypto/tls said unasked, without waiting: at once, or by a task of its own when something is in
// flight. Who holds the lock does it anyway.
func (t *TLS) push() {
	if len(t.out) == 0 || t.flushing || t.shake != nil || t.closed || !t.lock.TryLock() {
		return
	}
	t.lock.Unlock()
	w := &t.c.wr
	switch {
	case w.err != nil || t.c.closed:
		t.giveUp()
	case w.op.InFlight() || len(t.out) > 1:
		t.flushing = true
		t.c.n.Loop.Spawn("tls flush", (*tlsFlusher)(t))
	case !w.deadline.passed(t.c.n.Loop): // otherwise it leaves with what is written next
		_ = t.c.Send(t.pop()) // it cannot fail here
		t.unstall()
	}
}

// tlsFlusher is a connection whose replies are handed over by a task.
type tlsFlusher TLS

// Run hands over what waits, as a task.
func (k *tlsFlusher) Run(*loop.Task) {
	t := (*TLS)(k)
	_ = t.handOver() // what fails for good shows at the next write
	t.flushing = false
}

// unstall lets reading go on that waited for room.
func (t *TLS) unstall() {
	if !t.stalled {
		return
	}
	t.stalled = false
	if !t.c.rd.wake() && t.watcher != nil {
		t.Readable(t.c)
	}
}
