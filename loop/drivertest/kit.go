package drivertest

import (
	"bytes"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// patience is how long a case waits for what must happen. It is long because machines that run tests are busy.
const patience = 20 * time.Second

// kit is what a case works with: one driver on this thread, and every operation that was given to it.
type kit struct {
	*testing.T
	d       loop.Driver
	net     loop.Sockets // the network that d works on
	reaping bool
	probes  []*probe
	fds     map[int]bool // open descriptors of the case
	closed  bool
}

func newKit(t *testing.T, open loop.NewDriver, cfg loop.DriverConfig) *kit {
	t.Helper()
	d, err := open(cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return &kit{T: t, d: d, net: d.Sockets(), fds: map[int]bool{}}
}

// probe is an operation with the results that it had.
type probe struct {
	op      loop.Op
	k       *kit
	results []loop.Result
	ended   bool
	then    func(r loop.Result) // called in Complete, if set
}

// Complete keeps r and checks what holds for every result.
func (p *probe) Complete(op *loop.Op, r loop.Result) {
	p.k.Helper()
	switch {
	case !p.k.reaping:
		p.k.Error("a result came outside Reap")
	case op != &p.op:
		p.k.Error("a result came for another operation")
	case p.ended:
		p.k.Errorf("a result came after the last one: %+v", r)
	case r.More == !op.InFlight():
		p.k.Errorf("More is %v, but InFlight is %v", r.More, op.InFlight())
	case (r.Block != nil) != ((op.Code == loop.OpRecv || op.Code == loop.OpRecvmsg) && r.N > 0):
		p.k.Errorf("a result of %d bytes has block %v", r.N, r.Block)
	case r.Block != nil && r.Block.Len != int(r.N):
		p.k.Errorf("a result of %d bytes lends a block with %d", r.N, r.Block.Len)
	}
	p.ended = !r.More
	p.results = append(p.results, r)
	if p.then != nil {
		p.then(r)
	}
}

// last is the result that ended the operation.
func (p *probe) last() loop.Result { return p.results[len(p.results)-1] }

// start submits op as a new probe.
func (k *kit) start(op loop.Op) *probe {
	p := &probe{op: op, k: k}
	k.probes = append(k.probes, p)
	k.again(p)
	return p
}

// again submits a probe whose operation has ended, or is new.
func (k *kit) again(p *probe) {
	p.op.Done, p.ended, p.results = p, false, nil
	k.d.Submit(&p.op)
	if !p.op.InFlight() {
		k.Fatal("an operation is not in flight after Submit")
	}
}

func (k *kit) recv(fd int, pollFirst bool) *probe {
	return k.start(loop.Op{Code: loop.OpRecv, FD: int32(fd), PollFirst: pollFirst})
}

// turn is one Wait and one Reap.
func (k *kit) turn(wait time.Duration) int {
	k.Helper()
	if err := k.d.Wait(wait); err != nil {
		k.Fatalf("Wait: %v", err)
	}
	k.reaping = true
	n := k.d.Reap()
	k.reaping = false
	return n
}

// settle gives everything that is due the time to happen.
func (k *kit) settle() {
	k.Helper()
	for range 4 {
		k.turn(0)
	}
	k.turn(2 * time.Millisecond)
}

// until turns until cond holds.
func (k *kit) until(what string, cond func() bool) {
	k.Helper()
	for deadline := time.Now().Add(patience); !cond(); k.turn(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			k.Fatalf("%s did not happen; %+v", what, k.d.Stats())
		}
	}
}

// end turns until p has its last result, and gives it.
func (k *kit) end(p *probe) loop.Result {
	k.Helper()
	k.until("the last result", func() bool { return p.ended })
	return p.last()
}

// want ends p and compares the last result's N.
func (k *kit) want(p *probe, n int32) loop.Result {
	k.Helper()
	r := k.end(p)
	if r.N != n {
		k.Fatalf("result is %d, want %d", r.N, n)
	}
	return r
}

// wantData ends a receive, compares what it got and returns the block.
func (k *kit) wantData(p *probe, data string) loop.Result {
	k.Helper()
	r := k.want(p, int32(len(data)))
	if !bytes.Equal(r.Block.Data(), []byte(data)) {
		k.Fatalf("received %q, want %q", r.Block.Data(), data)
	}
	k.d.Return(r.Block)
	return r
}

// wantNone gives p the time to end, and fails if it does.
func (k *kit) wantNone(p *probe) {
	k.Helper()
	k.settle()
	if len(p.results) > 0 {
		k.Fatalf("a result came too early: %+v", p.results)
	}
}

// cancel asks for p to end and waits for that.
func (k *kit) cancel(p *probe) loop.Result {
	k.Helper()
	k.d.Cancel(&p.op)
	return k.end(p)
}

// finish checks that nothing is left, and closes everything.
func (k *kit) finish() {
	k.Helper()
	if k.closed {
		return
	}
	k.settle()
	for _, p := range k.probes {
		if !p.ended {
			k.Errorf("operation %d on descriptor %d never ended", p.op.Code, p.op.FD)
		}
	}
	if s := k.d.Stats(); s.InFlight != 0 || s.Lent != 0 {
		k.Errorf("%d operations in flight and %d buffers lent at the end", s.InFlight, s.Lent)
	}
	k.closeAll()
}

func (k *kit) closeAll() {
	k.Helper()
	k.closed = true
	if err := k.d.Close(); err != nil {
		k.Errorf("Close: %v", err)
	}
	for fd := range k.fds {
		if err := k.net.Close(fd); err != nil {
			k.Errorf("close %d: %v", fd, err)
		}
	}
}

func (k *kit) check(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// own remembers fd, to close it in the end.
func (k *kit) own(fd int) int {
	k.fds[fd] = true
	return fd
}

// closeNow closes a descriptor that the driver does not know.
func (k *kit) closeNow(fd int) {
	k.Helper()
	delete(k.fds, fd)
	k.check(k.net.Close(fd))
}

// closeByDriver closes a descriptor that the driver knows.
func (k *kit) closeByDriver(fd int) {
	k.Helper()
	k.want(k.start(loop.Op{Code: loop.OpClose, FD: int32(fd)}), 0)
	delete(k.fds, fd)
}

// pair gives two ends of a Unix stream: ours, set up for the driver, and one for calls that answer at once.
func (k *kit) pair() (ours, peer int) {
	k.Helper()
	p, err := k.net.StreamPair(false)
	k.check(err)
	k.check(k.net.SetNonblock(p[0], k.d.NonBlocking()))
	return k.own(p[0]), k.own(p[1])
}

// listen opens a listener on loopback, set up for the driver.
func (k *kit) listen(backlog int) (fd int, addr *sys.Sockaddr) {
	k.Helper()
	addr = new(sys.Sockaddr)
	k.check(addr.SetAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	fd, err := k.net.Listen(addr, sys.ListenOptions{Backlog: backlog, NonBlock: k.d.NonBlocking()})
	k.check(err)
	at, err := k.net.Getsockname(fd)
	k.check(err)
	k.check(addr.SetAddrPort(at))
	return k.own(fd), addr
}

// dial opens a connection to addr without the driver.
func (k *kit) dial(addr *sys.Sockaddr) int {
	k.Helper()
	fd, err := k.net.StreamSocket(addr.Family(), false)
	k.check(err)
	if n := k.net.Connect(int32(fd), addr); n != 0 {
		k.Fatal(sys.Error("connect", n))
	}
	return k.own(fd)
}

// tcpPair is pair over TCP.
func (k *kit) tcpPair() (ours, peer int) {
	k.Helper()
	lfd, addr := k.listen(8)
	peer = k.dial(addr)
	k.check(k.net.SetNonblock(lfd, false))
	fd := k.net.Accept(int32(lfd), k.d.NonBlocking())
	if fd < 0 {
		k.Fatal(sys.Error("accept", fd))
	}
	k.closeNow(lfd)
	return k.own(int(fd)), peer
}

func (k *kit) write(fd int, data string) {
	k.Helper()
	if n := k.send(fd, []byte(data)); n != len(data) {
		k.Fatalf("wrote %d of %d bytes", n, len(data))
	}
}

// pause is how long a call that would wait is put off.
const pause = 20 * time.Microsecond

// send writes all of b without the driver, and says how much it wrote before an error. Any goroutine may call it.
func (k *kit) send(fd int, b []byte) int {
	for sent := 0; ; {
		if sent == len(b) {
			return sent
		}
		switch n := k.net.Send(int32(fd), b[sent:], 0); {
		case n >= 0:
			sent += int(n)
		case n == -sys.EAGAIN:
			time.Sleep(pause)
		default:
			return sent
		}
	}
}

// read reads exactly n bytes without the driver, and gives less at the end of the stream. Any goroutine may call it.
func (k *kit) read(fd, n int) []byte {
	out := make([]byte, n)
	for got := 0; ; {
		if got == n {
			return out
		}
		switch m := k.net.Recv(int32(fd), out[got:]); {
		case m > 0:
			got += int(m)
		case m == -sys.EAGAIN:
			time.Sleep(pause)
		default:
			return out[:got]
		}
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	time.Sleep(time.Microsecond) // Go's first timer opens two descriptors that stay
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// pattern gives n bytes in which no stretch of a page repeats another.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(n) | 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}
