package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/gateway/handover"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/process"
)

// handing gives what is offered to another gateway, with descriptors of its own as between two processes.
type handing struct {
	to     *Gateway
	kinds  []string
	states []string
	refuse bool // as a version does that does not know the kind
}

func (h *handing) Alike() bool { return true }

func (h *handing) Commit(context.Context) error {
	h.to.Commit()
	return nil
}

func (h *handing) Offer(_ context.Context, all []process.Connection) (refused []uint64, err error) {
	var copies []process.Connection
	for _, c := range all {
		h.kinds, h.states = append(h.kinds, c.Kind), append(h.states, string(c.State))
		if h.refuse {
			refused = append(refused, c.ID)
			continue
		}
		c.Fds = slices.Clone(c.Fds)
		for i := range c.Fds {
			if c.Fds[i], err = syscall.Dup(c.Fds[i]); err != nil {
				return nil, err
			}
		}
		copies = append(copies, c)
	}
	return append(refused, h.to.Import(copies)...), nil
}

// tlsSite are gateways of one configuration, with TLS.
type tlsSite struct {
	*testing.T
	driver   DriverName
	ca       *authority
	listener string // its further keys
	origin   string
}

// eachTLSSite runs f on every driver, with more in the listener's configuration.
func eachTLSSite(t *testing.T, more string, f func(t *testing.T, s *tlsSite)) {
	ca := newAuthority(t)
	site := ca.issue("site", false, nil, "localhost")
	eachDriver(t, func(t *testing.T, d DriverName) {
		f(t, &tlsSite{t, d, ca, "tls: {certificates: [" + site.yaml() + "]}" + more, say(t)})
	})
}

// say answers every request, with whom it is for.
func say(t *testing.T) string {
	return origin(t, func(c *client) {
		for {
			head, err := readHead(c.br)
			if err != nil {
				return
			}
			_, from, _ := strings.Cut(head, "\nX-Forwarded-For: ")
			from, _, _ = strings.Cut(from, "\n")
			if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-From: %s\r\nContent-Length: 5\r\n\r\nhello", from); err != nil {
				return
			}
		}
	})
}

// start runs one of them, with so much time to drain that no test has to hurry.
func (s *tlsSite) start() *rig {
	s.Helper()
	return s.startDraining(10 * patience)
}

func (s *tlsSite) startDraining(timeout time.Duration) *rig {
	s.Helper()
	return startWith(s.T, fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{cluster: out}], %s}}\nclusters: {out: {endpoints: ['%s']}}\nruntime: {driver: %s, loops: 1, drain_timeout: %v}\n",
		s.listener, s.origin, s.driver, timeout))
}

// asClient speaks TLS over a connection, and wants a request answered by a response that has said in its head.
func (s *tlsSite) asClient(raw net.Conn, said string) {
	s.Helper()
	k := tls.Client(raw, s.ca.trusting("localhost"))
	c := &client{Conn: k, t: s.T, br: bufio.NewReader(k)}
	if err := k.Handshake(); err != nil {
		s.Errorf("handshake: %v", err)
		return
	}
	if got := c.hello(); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "hello") || !strings.Contains(got, said) {
		s.Errorf("answered by %q", got)
	}
}

// slow is a client's connection of which only the first bytes leave, until release.
type slow struct {
	net.Conn
	first   int
	sent    chan struct{} // closed when they have left
	release chan struct{}
	begun   bool
}

func slowly(c net.Conn, first int) *slow {
	return &slow{Conn: c, first: first, sent: make(chan struct{}), release: make(chan struct{})}
}

func (s *slow) Write(b []byte) (int, error) {
	if s.begun {
		return s.Conn.Write(b)
	}
	s.begun = true
	if n, err := s.Conn.Write(b[:s.first]); err != nil {
		return n, err
	}
	close(s.sent)
	<-s.release
	n, err := s.Conn.Write(b[s.first:])
	return s.first + n, err
}

// drainBeside has the gateway drain, and gives the result. first is how long it waits for first requests.
func (r *rig) drainBeside(first time.Duration) chan error {
	r.Helper()
	before := firstPatience
	firstPatience = first
	r.Cleanup(func() { firstPatience = before })
	drained := make(chan error, 1)
	go func() { drained <- r.g.Drain(context.Background()) }()
	eventually(r, "nobody is accepted", func() bool {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	for _, p := range r.g.current().everyone() { // what every loop was told before that is done
		p.loop.On(func() {})
	}
	return drained
}

// accepted waits until n clients are connected.
func (r *rig) accepted(n uint64) {
	r.Helper()
	eventually(r, fmt.Sprintf("%d clients are connected", n), func() bool {
		s := r.g.Snapshot()
		return s.Listeners[0].Active == n
	})
}

const proxyHeader = "PROXY TCP4 203.0.113.9 192.0.2.2 4711 443\r\n"

// TestTLSMoves: connections whose clients have not begun a handshake go on in another gateway, with what a PROXY header has said, or
// is to say there.
func TestTLSMoves(t *testing.T) {
	for _, c := range []struct{ name, more, before, after, from string }{
		{"nothing has come", "", "", "", "127.0.0.1"},
		{"after a PROXY header", ", proxy_protocol: {from: [127.0.0.1]}", proxyHeader, "", "203.0.113.9"},
		{"before a PROXY header", ", proxy_protocol: {from: [127.0.0.1]}", "", proxyHeader, "203.0.113.9"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			eachTLSSite(t, c.more, func(t *testing.T, s *tlsSite) {
				old, next := s.start(), s.start()
				raw := old.dial()
				raw.send("%s", c.before)
				old.accepted(1)
				if c.before != "" {
					time.Sleep(20 * time.Millisecond) // for it to be read; if it was not, it moves unread
				}
				h := &handing{to: next.g}
				if err := old.g.Export(context.Background(), h); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(h.kinds, []string{handover.Hello}) {
					t.Fatalf("handed over: %q %q", h.kinds, h.states)
				}
				old.accepted(0)
				raw.send("%s", c.after)
				s.asClient(raw.Conn, "X-From: "+c.from+"\n")
				if n := next.handshakes().Results[metrics.TLSDone]; n != 1 {
					t.Errorf("%d handshakes there", n)
				}
				_ = raw.Close()
			})
		})
	}
}

// TestTLSMovesPieces: what a gateway has received of a ClientHello and not taken goes first in the one that takes the connection over,
// wherever the bytes part.
func TestTLSMovesPieces(t *testing.T) {
	eachTLSSite(t, "", func(t *testing.T, s *tlsSite) {
		r := s.start()
		for _, n := range []int{0, 1, 5, 6, 100, -1} {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan bool)
			go func() {
				defer close(ended)
				c, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					s.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				s.asClient(c, "X-From: 127.0.0.1\n")
				_ = c.Close()
			}()
			fd, unread := taken(s, ln, n)
			state := handover.Encode(&handover.Client{Unread: unread})
			if refused := r.g.Import([]process.Connection{{ID: 1, Kind: handover.Hello, Listener: "in", State: state, Fds: []int{fd}}}); len(refused) > 0 {
				t.Error("refused")
				_ = syscall.Close(fd)
			}
			r.g.Commit()
			<-ended
		}
		if n := r.handshakes().Results[metrics.TLSDone]; n != 6 {
			t.Errorf("%d handshakes", n)
		}
	})
}

// taken accepts a connection and reads n bytes of its ClientHello, or all of it: what is handed over then.
func taken(s *tlsSite, ln net.Listener, n int) (fd int, unread []byte) {
	s.Helper()
	c, err := ln.Accept()
	if err != nil {
		s.Fatal(err)
	}
	_ = ln.Close()
	if unread = make([]byte, max(n, 0)); n < 0 {
		unread = make([]byte, 5)
	}
	if _, err = io.ReadFull(c, unread); err == nil && n < 0 {
		rest := make([]byte, int(unread[3])<<8|int(unread[4]))
		_, err = io.ReadFull(c, rest)
		unread = append(unread, rest...)
	}
	if err != nil {
		s.Fatal(err)
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err == nil {
		err = raw.Control(func(at uintptr) { fd, err = syscall.Dup(int(at)) })
	}
	if err != nil {
		s.Fatal(err)
	}
	_ = c.Close()
	return fd, unread
}

// TestTLSStays: a gateway that does not know the kind refuses it, and the connection is served by the one that it came to, also
// when that drains.
func TestTLSStays(t *testing.T) {
	eachTLSSite(t, "", func(t *testing.T, s *tlsSite) {
		old, next := s.start(), s.start()
		raw := old.dial()
		old.accepted(1)
		if err := old.g.Export(context.Background(), &handing{to: next.g, refuse: true}); err != nil {
			t.Fatal(err)
		}
		drained := old.drainBeside(patience)
		s.asClient(raw.Conn, "Connection: close\n")
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}

// TestTLSDrain: whoever has connected is answered once, however far the handshake is; who was answered is let go at once, and who asks
// for nothing after a while. All are told in good order.
func TestTLSDrain(t *testing.T) {
	eachTLSSite(t, "", func(t *testing.T, s *tlsSite) {
		t.Run("before the handshake", func(t *testing.T) {
			r := s.start()
			raw := r.dial()
			r.accepted(1)
			drained := r.drainBeside(patience)
			s.asClient(raw.Conn, "Connection: close\n")
			wantDrained(t, drained)
		})
		t.Run("in the handshake", func(t *testing.T) {
			r := s.start()
			raw := slowly(r.dial().Conn, 100)
			ended := make(chan bool)
			go func() {
				s.asClient(raw, "Connection: close\n")
				close(ended)
			}()
			<-raw.sent
			eventually(t, "the handshake goes on", func() bool { return r.handshakes().Running == 1 })
			drained := r.drainBeside(patience)
			close(raw.release)
			<-ended
			wantDrained(t, drained)
		})
		t.Run("after it", func(t *testing.T) {
			r := s.start()
			answered, _ := r.dialTLS(s.ca.trusting("localhost"))
			answered.hello()
			c, _ := r.dialTLS(s.ca.trusting("localhost"))
			drained := r.drainBeside(patience)
			if got, err := answered.rest(); got != "" || err != nil {
				t.Errorf("a connection at rest got %q, %v", got, err)
			}
			if got := c.hello(); !strings.Contains(got, "Connection: close\n") || !strings.HasSuffix(got, "hello") {
				t.Errorf("answered by %q", got)
			}
			if got, err := c.rest(); got != "" || err != nil {
				t.Errorf("then %q, %v", got, err)
			}
			wantDrained(t, drained)
		})
		t.Run("silent", func(t *testing.T) {
			r := s.start()
			raw := r.dial()
			c, _ := r.dialTLS(s.ca.trusting("localhost"))
			busy := slowly(r.dial().Conn, 100) // which keeps the gateway here
			go func() { _ = tls.Client(busy, s.ca.trusting("localhost")).Handshake() }()
			<-busy.sent
			eventually(t, "the handshake goes on", func() bool { return r.handshakes().Running == 1 })
			drained := r.drainBeside(50 * time.Millisecond)
			for _, c := range []*client{raw, c} {
				if got, err := c.rest(); got != "" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			}
			if k := r.handshakes(); k.Results[metrics.TLSTimeout] != 0 || k.Running != 1 {
				t.Errorf("counted %+v", k)
			}
			_ = busy.Close()
			close(busy.release)
			wantDrained(t, drained)
		})
	})
}

func wantDrained(t *testing.T, drained chan error) {
	t.Helper()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// TestTLSDrainHTTP2: a client of HTTP/2 that has not asked for anything is told to go only after its first request, or when none comes.
func TestTLSDrainHTTP2(t *testing.T) {
	eachTLSSite(t, "", func(t *testing.T, s *tlsSite) {
		for _, asks := range []bool{true, false} {
			r := s.start()
			protocols := new(http.Protocols)
			protocols.SetHTTP2(true)
			tr := &http.Transport{Protocols: protocols, TLSClientConfig: s.ca.trusting("localhost")}
			c, err := tr.NewClientConn(t.Context(), "https", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "HTTP/2 is spoken", func() bool {
				s := r.g.Snapshot()
				return s.Listeners[0].HTTP2.Connections == 1
			})
			first := patience
			if !asks {
				first = 50 * time.Millisecond
			}
			drained := r.drainBeside(first)
			if asks {
				time.Sleep(50 * time.Millisecond) // for a GOAWAY, which there must not be
				if err := get(t, c); err != nil {
					t.Error(err)
				}
			}
			eventually(t, "the client is told to go", func() bool { return c.Err() != nil })
			wantDrained(t, drained)
		}
	})
}

// get makes a request by the connection, and by no other.
func get(t *testing.T, c *http.ClientConn) error {
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://localhost/", nil)
	if err != nil {
		return err
	}
	res, err := c.RoundTrip(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != 200 || string(text) != "hello") {
		err = fmt.Errorf("answered by %s %q", res.Status, text)
	}
	return errors.Join(err, res.Body.Close())
}

// TestTLSDrainBounded: neither a handshake nor a first request that does not come holds up a gateway for longer than their times, or
// than the time for draining.
func TestTLSDrainBounded(t *testing.T) {
	for _, c := range []struct {
		name, more string
		timeout    time.Duration
		cut        bool
	}{
		{"handshake.timeout", ", handshake: {timeout: 300ms}", patience, false},
		{"drain_timeout", "", 300 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachTLSSite(t, "", func(t *testing.T, s *tlsSite) {
				s.listener = strings.TrimSuffix(s.listener, "}") + c.more + "}"
				r := s.startDraining(c.timeout)
				raw := slowly(r.dial().Conn, 100)
				defer close(raw.release)
				go func() { _ = tls.Client(raw, s.ca.trusting("localhost")).Handshake() }()
				<-raw.sent
				eventually(t, "the handshake goes on", func() bool { return r.handshakes().Running == 1 })
				if err := <-r.drainBeside(patience); (err != nil) != c.cut {
					t.Errorf("drained: %v", err)
				}
			})
		})
	}
}
