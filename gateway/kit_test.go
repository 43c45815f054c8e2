package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop/uring"
	"github.com/ringway/ringway/observe/metrics"
)

// patience bounds every wait for something that must happen; no test passes or fails by how long something takes.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	buf.Poison = true
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil { // Go's own poller opens descriptors at its first use
		_ = ln.Close()
	}
	os.Exit(m.Run())
}

// rig is a running gateway with one listener "in" and whatever stands behind it.
type rig struct {
	*testing.T
	g    *Gateway
	addr string
	log  *lines
}

// eachDriver runs f on every driver that works here. Nothing may be left of the connections and requests of f.
func eachDriver(t *testing.T, f func(t *testing.T, driver DriverName)) {
	for _, d := range []DriverName{Uring, Epoll} {
		t.Run(string(d), func(t *testing.T) {
			if err := uring.Probe(); d == Uring && err != nil {
				t.Skip("needs io_uring as of Linux 6.1: ", err)
			}
			before := openFiles(t)
			t.Cleanup(func() { eventually(t, "descriptors are closed", func() bool { return openFiles(t) <= before }) })
			f(t, d)
		})
	}
}

// start runs a gateway in front of the given origins. extra is added to the configuration of the listener and of the
// cluster.
func start(t *testing.T, d DriverName, extra with, origins ...string) *rig {
	t.Helper()
	text := fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{name: all, cluster: out%s}]%s}}\n"+
		"clusters: {out: {endpoints: [%s]%s}}\nruntime: {driver: %s, loops: 1, drain_timeout: 10s%s}\n%s\n",
		comma(extra.route), comma(extra.listener), "'"+strings.Join(origins, "','")+"'", comma(extra.cluster), d, comma(extra.runtime), extra.top)
	return startWith(t, text)
}

// startWith runs a gateway with a whole configuration, whose first listener is "in".
func startWith(t *testing.T, text string) *rig {
	t.Helper()
	spec, err := Load("test.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	log := &lines{}
	g, err := Start(context.Background(), spec, Options{Log: slog.New(slog.NewTextHandler(log, nil)), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t, g, g.Addr("in"), log}
	t.Cleanup(r.finish)
	return r
}

// with is what a test adds to the configuration, in YAML.
type with struct{ route, listener, cluster, runtime, top string }

func comma(s string) string {
	if s == "" {
		return ""
	}
	return ", " + s
}

// finish checks that everything came to rest, and ends the gateway.
func (r *rig) finish() {
	if !r.g.draining.Load() {
		r.rest()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.g.Drain(ctx); err != nil {
		r.Error(err)
	}
	if r.Failed() {
		r.Logf("the gateway's log:\n%s", r.log)
	}
}

// rest waits until no client is connected and nothing is in use.
func (r *rig) rest() {
	r.Helper()
	state := ""
	ok := within(patience, func() bool {
		u, tasks := r.g.Usage()
		s := r.g.Snapshot()
		e := endpoints(&s)
		state = fmt.Sprintf("usage %+v, %d tasks, %d clients, upstream %d idle %d active", u, tasks, s.Listeners[0].Active, e.Idle, e.Active)
		return u.Blocks == 0 && u.Pipes == 0 && tasks == 0 && s.Listeners[0].Active == 0 && e.Active == 0 && u.Open == int(e.Idle)
	})
	if !ok {
		stacks := make([]byte, 1<<20)
		r.Errorf("did not come to rest: %s\n%s", state, stacks[:runtime.Stack(stacks, true)])
	}
}

// heard is what comes from the channel.
func heard[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("nothing is heard")
	}
	return v
}

func endpoints(s *metrics.Snapshot) (sum metrics.EndpointCounters) {
	for i := range s.Endpoints {
		sum.Add(&s.Endpoints[i].EndpointCounters)
	}
	return sum
}

// upstream gives the counters of all endpoints.
func (r *rig) upstream() metrics.EndpointCounters {
	s := r.g.Snapshot()
	return endpoints(&s)
}

// client is one raw connection to the gateway.
type client struct {
	net.Conn
	t      testing.TB
	br     *bufio.Reader
	server bool // the origin's side, for which the end of the connection is no failure of the test
}

func (c *client) fail(format string, args ...any) {
	c.t.Helper()
	if c.server {
		runtime.Goexit()
	}
	c.t.Fatalf(format, args...)
}

func (r *rig) dial() *client {
	r.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	r.Cleanup(func() { _ = c.Close() })
	return &client{Conn: c, t: r, br: bufio.NewReader(c)}
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		c.fail("send: %v", err)
	}
}

// head reads a message head, with line ends shortened.
func (c *client) head() string {
	c.t.Helper()
	s, err := readHead(c.br)
	if err != nil {
		c.fail("read head: %v after %q", err, s)
	}
	return s
}

func readHead(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return strings.ReplaceAll(b.String(), "\r\n", "\n"), err
		}
	}
}

func (c *client) body(n int) string {
	c.t.Helper()
	b := make([]byte, n)
	if m, err := io.ReadFull(c.br, b); err != nil {
		c.fail("read body: %v after %q", err, b[:m])
	}
	return string(b)
}

// rest reads to the end of the connection.
func (c *client) rest() (string, error) {
	b, err := io.ReadAll(c.br)
	return string(b), err
}

// reset closes the connection with a reset.
func (c *client) reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// origin serves every connection with f, in a goroutine of its own, and closes it afterwards.
func origin(t *testing.T, f func(c *client)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	served.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(2 * patience))
			mu.Lock()
			open[c] = true
			mu.Unlock()
			served.Go(func() {
				defer func() {
					_ = c.Close()
					mu.Lock()
					delete(open, c)
					mu.Unlock()
				}()
				f(&client{Conn: c, t: t, br: bufio.NewReader(c), server: true})
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		served.Wait()
	})
	return ln.Addr().String()
}

// replies answers every request of a connection with the same bytes. Requests have no bodies.
func replies(t *testing.T, response string) string {
	return origin(t, func(c *client) {
		for {
			if _, err := readHead(c.br); err != nil {
				return
			}
			if _, err := io.WriteString(c, response); err != nil {
				return
			}
		}
	})
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// refusing is an address that nobody listens on.
func refusing(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	if _, taken := refusers.LoadOrStore(addr, true); taken { // the kernel may give a port again at once
		return refusing(t)
	}
	return addr
}

// refusers are the addresses that refusing has given.
var refusers sync.Map

func within(d time.Duration, f func() bool) bool {
	for end := time.Now().Add(d); ; time.Sleep(2 * time.Millisecond) {
		if f() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	if !within(patience, f) {
		t.Fatalf("not after %v: %s", patience, what)
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// lines gathers a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// isReset reports whether err is what a reset makes of a read or write.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "broken pipe"))
}
