package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// holding is an origin that keeps every request until it is released.
func holding(t *testing.T) (at string, arrived chan bool, release chan bool) {
	arrived, release = make(chan bool, 1024), make(chan bool)
	return origin(t, func(c *client) {
		for {
			if _, err := readHead(c.br); err != nil {
				return
			}
			arrived <- true
			<-release
			if _, err := io.WriteString(c, hello); err != nil {
				return
			}
		}
	}), arrived, release
}

// TestQueuesOutliveLoops: connections that wait in the accept queue of a loop that goes are served by another one. Every loop
// is at its bound, so that they do wait, and none is accepted before the loops go.
func TestQueuesOutliveLoops(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at, arrived, release := holding(t)
		text := func(loops, bound int) string {
			return site(d, loops, fmt.Sprintf("limits: {connections: %d}", bound), quoted(at), "")
		}
		r := startWith(t, text(4, 4))
		const n = 40
		clients := make([]*client, n)
		for i := range clients {
			clients[i] = r.dial()
			clients[i].send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		}
		for range 4 { // a loop that got none of 40 connections would be a wonder: every loop has one of its own then
			<-arrived
		}
		s := r.g.Snapshot()
		waiting := n
		for i := range s.Listeners {
			waiting -= int(s.Listeners[i].Active)
		}
		if waiting < n-8 {
			t.Fatalf("%d connections wait in queues", waiting)
		}
		r.reload(text(1, 1))
		r.reload(text(1, 500))
		close(release)
		for i, c := range clients {
			if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") || c.body(5) != "hello" {
				t.Errorf("connection %d got %q", i, h)
			}
			_ = c.Close()
		}
		eventually(t, "three loops have ended", func() bool { return len(r.g.current().retired) == 0 })
		eventually(t, "every connection was accepted, and has ended", func() bool {
			var accepted, closed uint64
			s = r.g.Snapshot()
			for i := range s.Listeners {
				accepted, closed = accepted+s.Listeners[i].Accepted, closed+s.Listeners[i].Closed
			}
			return accepted == n && closed == n && len(s.Loops) == 1
		})
	})
}

// TestQueueOfRemovedListener: who waits in the queue of a listener that goes is served too, and so is who waits when the address
// becomes another one.
func TestQueueOfRemovedListener(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		for _, change := range []string{"", "moved", "renamed"} {
			at, arrived, release := holding(t)
			more := func(name, address string, bound int) string {
				return fmt.Sprintf(", %s: {address: '%s', routes: [{cluster: out}], limits: {connections: %d}}", name, address, bound)
			}
			free := refusing(t)
			r := startWith(t, site(d, 2, "", quoted(at), more("old", free, 2)))
			old := *r
			old.addr = free
			var clients []*client
			for range 12 {
				c := old.dial()
				c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				clients = append(clients, c)
			}
			<-arrived
			switch change {
			case "moved":
				r.reload(site(d, 2, "", quoted(at), more("old", "127.0.0.1:0", 100)))
			case "renamed":
				r.reload(site(d, 2, "", quoted(at), more("new", free, 100)))
			default:
				r.reload(site(d, 2, "", quoted(at), ""))
			}
			close(release)
			for i, c := range clients {
				if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 ") {
					t.Errorf("%s: connection %d got %q", change, i, h)
				}
				_ = c.Close()
			}
			if c, err := net.Dial("tcp", free); (err == nil) != (change == "renamed") {
				t.Errorf("%s: the address answers: %v", change, err)
			} else if err == nil {
				_ = c.Close()
			}
		}
	})
}

// TestUnixListenerReloads: a Unix socket has one queue for all loops, and its file stays until the listener goes.
func TestUnixListenerReloads(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a := named(t, "a")
		path := t.TempDir() + "/in.sock"
		more := fmt.Sprintf(", local: {address: 'unix:%s', routes: [{cluster: out}]}", path)
		r := startWith(t, site(d, 2, "", quoted(a), more))
		for _, loops := range []int{3, 1, 2} {
			r.reload(site(d, loops, "", quoted(a), more))
			for range 4 {
				if got := overUnix(t, path); got != "a" {
					t.Errorf("%q", got)
				}
			}
		}
		r.reload(site(d, 2, "", quoted(a), ""))
		if _, err := net.Dial("unix", path); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("after the listener has gone: %v", err)
		}
	})
}

func overUnix(t *testing.T, path string) string {
	t.Helper()
	k, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	_ = k.SetDeadline(time.Now().Add(patience))
	c := &client{Conn: k, t: t, br: bufio.NewReader(k)}
	return c.get()
}

// TestBoundsReload: a bound holds for what is open and for what comes, however it changes.
func TestBoundsReload(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a := named(t, "a")
		text := func(bound int) string {
			return site(d, 1, fmt.Sprintf("limits: {connections: %d}", bound), quoted(a), "")
		}
		r := startWith(t, text(4))
		var open []*client
		dial := func(n int) {
			for range n {
				open = append(open, r.dial())
			}
		}
		active := func() (n uint64) {
			s := r.g.Snapshot()
			for i := range s.Listeners {
				n += s.Listeners[i].Active
			}
			return n
		}
		holds := func(want uint64) {
			t.Helper()
			eventually(t, fmt.Sprintf("%d connections are open", want), func() bool { return active() == want })
			time.Sleep(30 * time.Millisecond) // in which one too many would come
			if n := active(); n != want {
				t.Errorf("%d connections are open, and %d are the bound", n, want)
			}
		}
		leave := func(n int) {
			for range n {
				_ = open[0].Close()
				open = open[1:]
			}
		}
		dial(40)
		holds(4)
		r.reload(text(8))
		holds(8)
		r.reload(text(6)) // those that are there stay
		leave(6)
		holds(6)
		r.reload(text(10))
		holds(10)
		leave(8)
		holds(10)
		leave(len(open))
		holds(0)
		dial(12)
		holds(10)
		leave(len(open))
	})
}
