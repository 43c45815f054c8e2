package conn

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/loop/uring"
)

// patience bounds every wait for something that must happen; no test passes or fails by how long something takes.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(exhaustedEnv) != "" {
		os.Exit(exhaustedChild())
	}
	buf.Poison = true
	loop.SetMaxProcs(2)
	// Go's own poller opens descriptors at its first use; they must not look like leaks.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = ln.Close()
	}
	os.Exit(m.Run())
}

var drivers = []struct {
	name  string
	open  loop.NewDriver
	probe func() error
}{
	{"uring", uring.New, uring.Probe},
	{"epoll", epoll.New, func() error { return nil }},
}

// env is a loop with its Net, for one test on one driver.
type env struct {
	t     *testing.T
	l     *loop.Loop
	n     *Net
	multi bool // connections receive in multishot
}

// eachDriver runs f on every driver that works here, and checks that nothing is left afterwards.
func eachDriver(t *testing.T, f func(e *env)) { eachWay(t, f, false) }

// eachReceive is eachDriver with single and with multishot receives.
func eachReceive(t *testing.T, f func(e *env)) { eachWay(t, f, false, true) }

func eachWay(t *testing.T, f func(e *env), multishot ...bool) {
	for _, d := range drivers {
		for _, multi := range multishot {
			name := d.name
			if multi {
				name += " multishot"
			}
			t.Run(name, func(t *testing.T) {
				if err := d.probe(); err != nil {
					t.Skip("needs io_uring as of Linux 6.1: ", err)
				}
				before := openFiles(t)
				e := start(t, d.open)
				e.multi = multi
				f(e)
				e.finish()
				eventually(t, "descriptors are closed", func() bool { return openFiles(t) <= before })
			})
		}
	}
}

func start(t testing.TB, d loop.NewDriver) *env {
	l, err := loop.Start(loop.DefaultConfig(0, d))
	if err != nil {
		t.Fatal(err)
	}
	e := &env{l: l}
	e.t, _ = t.(*testing.T)
	if !l.On(func() { e.n = NewNet(l, DefaultLimits()) }) {
		t.Fatal("the loop has ended")
	}
	t.Cleanup(func() { l.Stop(0) }) // does nothing after finish
	return e
}

// finish checks that every task, connection, block, pipe, timer and operation is gone, and ends the loop.
func (e *env) finish() {
	e.t.Helper()
	var s loop.Stats
	var u Usage
	idle := func() bool {
		e.l.On(func() { s, u = e.l.Stats(), e.n.Usage() })
		return s.Live == 0 && s.Driver.InFlight == 0 && s.Driver.Lent == 0 && s.Timers == 1 && u == Usage{}
	}
	for end := time.Now().Add(patience); !idle(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			e.t.Fatalf("left behind: %+v, %+v", u, s)
		}
	}
	if s.Panics != 0 {
		e.t.Errorf("%d tasks panicked", s.Panics)
	}
	if err := stop(e.l); err != nil {
		e.t.Error(err)
	}
}

// stop ends a loop. An idle loop notices that it may end when something wakes it, so something does.
func stop(l *loop.Loop) error {
	ended := make(chan error, 1)
	l.Stop(0) // callers have seen that nothing is left
	go func() { ended <- l.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Millisecond):
			l.Post(func() {})
		}
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never happened: ", what)
		}
	}
}

// failure ends a task of a test; testing.T's own way, Goexit, would end the loop.
type failure string

func failf(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

func must(err error) {
	if err != nil {
		panic(failure(err.Error() + "\n" + string(debug.Stack())))
	}
}

func got[T any](v T, err error) T {
	must(err)
	return v
}

func outcome(v any) string {
	if f, ok := v.(failure); ok {
		return string(f)
	}
	return fmt.Sprintf("panic: %v\n%s", v, debug.Stack())
}

// run runs f as a task and waits until it ends.
func (e *env) run(f func(t *loop.Task)) {
	e.t.Helper()
	if msg := e.try(f); msg != "" {
		e.t.Fatal(msg)
	}
}

func (e *env) try(f func(t *loop.Task)) string {
	done := make(chan string, 1)
	e.l.Post(func() {
		e.l.Go("test", func(t *loop.Task) {
			msg := "the task was unwound"
			defer func() { done <- msg }()
			defer func() {
				if v := recover(); v != nil {
					msg = outcome(v)
				}
			}()
			f(t)
			msg = ""
		})
	})
	select {
	case msg := <-done:
		return msg
	case <-time.After(patience):
		var tasks []loop.TaskInfo
		e.l.On(func() { tasks = e.l.Tasks() })
		return fmt.Sprintf("the task hangs: %+v", tasks)
	}
}

// spawn starts another task; a failure in it fails the test.
func (e *env) spawn(name string, f func(t *loop.Task)) loop.Handle {
	return e.l.Go(name, func(t *loop.Task) {
		defer func() {
			if v := recover(); v != nil {
				e.t.Errorf("task %s: %s", name, outcome(v))
			}
		}()
		f(t)
	})
}

// until waits in a task for cond.
func (e *env) until(t *loop.Task, what string, cond func() bool) {
	for end := time.Now().Add(patience); !cond(); must(t.Sleep(time.Millisecond)) {
		if time.Now().After(end) {
			failf("never happened: %s", what)
		}
	}
}

// parked waits until the task of that name waits for something.
func (e *env) parked(t *loop.Task, name string) {
	e.until(t, name+" waits", func() bool {
		for _, i := range e.l.Tasks() {
			if i.Name == name && i.State == "parked" {
				return true
			}
		}
		return false
	})
}

// join waits for tasks to end.
func join(t *loop.Task, hs ...loop.Handle) {
	for _, h := range hs {
		must(t.Join(h))
	}
}

// accepts collects accepted connections.
type accepts struct{ conns []*Conn }

func (a *accepts) Accept(c *Conn) { a.conns = append(a.conns, c) }

// pair gives both ends of a TCP connection over loopback.
func (e *env) pair(t *loop.Task) (a, b *Conn) {
	cfg := ListenConfig{Address: "127.0.0.1:0"}
	fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
	must(err)
	to := &accepts{}
	ln := Listen(e.n, fd, cfg, to)
	addr := got(AddressOf(ap))
	a = got(Dial(e.n, &addr, patience))
	e.until(t, "accept", func() bool { return len(to.conns) == 1 })
	ln.Close()
	b = to.conns[0]
	a.Multishot(e.multi)
	b.Multishot(e.multi)
	return a, b
}

// unixPair gives both ends of a Unix socket.
func (e *env) unixPair(*loop.Task) (a, b *Conn) {
	typ := syscall.SOCK_STREAM | syscall.SOCK_CLOEXEC
	if e.l.NonBlocking() {
		typ |= syscall.SOCK_NONBLOCK
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, typ, 0)
	must(err)
	a, b = New(e.n, int32(fds[0]), true), New(e.n, int32(fds[1]), true)
	a.Multishot(e.multi)
	b.Multishot(e.multi)
	return a, b
}

// closeAll closes connections and waits until their descriptors are gone.
func (e *env) closeAll(t *loop.Task, conns ...*Conn) {
	for _, c := range conns {
		_ = c.Close() // some tests have closed it already
		c.SetWriteTimeout(-1)
	}
	e.until(t, "connections are closed", func() bool {
		for _, c := range conns {
			if !c.gone {
				return false
			}
		}
		return true
	})
}

// fillSocket writes until neither this side nor the peer takes more, and returns how much that was.
func (e *env) fillSocket(c *Conn) int {
	total := 0
	for idle := 0; idle < 3; { // the peer's window still opens for a moment
		c.SetWriteTimeout(20 * time.Millisecond)
		n, err := c.Write(bytesAt(int64(total), 256<<10))
		if total += n; n == 0 {
			idle++
		}
		if err != nil && !os.IsTimeout(err) {
			must(err)
		}
	}
	c.SetWriteTimeout(0)
	return total
}

// pattern is what tests send; its length shares no factor with buffer sizes, so that bytes out of place differ.
var pattern = func() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, 1<<20+7)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}()

// bytesAt gives n bytes of the endless repetition of pattern, from offset off.
func bytesAt(off int64, n int) []byte {
	out := make([]byte, n)
	for i := 0; i < n; {
		i += copy(out[i:], pattern[(off+int64(i))%int64(len(pattern)):])
	}
	return out
}

// checkAt fails unless p is what bytesAt gives.
func checkAt(off int64, p []byte) {
	for len(p) > 0 {
		want := pattern[off%int64(len(pattern)):]
		want = want[:min(len(want), len(p))]
		if !bytes.Equal(want, p[:len(want)]) {
			for i := range want {
				if want[i] != p[i] {
					failf("byte %d is %#x, want %#x", off+int64(i), p[i], want[i])
				}
			}
		}
		off += int64(len(want))
		p = p[len(want):]
	}
}

// readPattern reads and checks n bytes that start at off.
func readPattern(c *Conn, off, n int64) {
	for end := off + n; off < end; {
		p, err := c.ReadBuf()
		if err != nil {
			failf("at %d of %d: %v", off, end, err)
		}
		p = p[:min(int64(len(p)), end-off)]
		checkAt(off, p)
		c.Consume(len(p))
		off += int64(len(p))
	}
}

// block gives a small block that holds p.
func (e *env) block(p []byte) *buf.Block {
	b := e.n.Small()
	if b == nil {
		failf("no small block")
	}
	b.Len = copy(b.Bytes, p)
	return b
}
