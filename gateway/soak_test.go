package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// chaos is a connection whose writes come in random pieces at random times, and which may end in the middle of one.
type chaos struct {
	*net.TCPConn
	rnd  *rand.Rand
	left int // bytes until it ends; negative: it does not
}

var errChaos = errors.New("ended on purpose")

func (c *chaos) Write(b []byte) (n int, err error) {
	for n < len(b) {
		k := min(1+c.rnd.IntN(1<<c.rnd.IntN(18)), len(b)-n)
		if c.left >= 0 {
			k = min(k, c.left)
		}
		m, err := c.TCPConn.Write(b[n : n+k])
		if n += m; err != nil {
			return n, err
		}
		if c.left >= 0 {
			if c.left -= m; c.left == 0 {
				if c.rnd.IntN(2) == 0 {
					_ = c.SetLinger(0)
				}
				return n, errChaos
			}
		}
		if c.rnd.IntN(8) == 0 {
			time.Sleep(time.Duration(c.rnd.IntN(3000)) * time.Microsecond)
		}
	}
	return n, nil
}

// pattern is a body that its number and length determine.
func pattern(id, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(id), byte(id >> 8), byte(id >> 16), byte(n), byte(n >> 8)}).Read(b)
	return b
}

func bodySize(rnd *rand.Rand) int { return rnd.IntN(1 << (1 + rnd.IntN(19))) }

// soak is the state that all of a soak's sides share.
type soak struct {
	t                     *testing.T
	ids                   atomic.Int64
	kept, broken, refused atomic.Int64 // responses that were whole, that broke off, and that were the gateway's own
}

// serve answers requests until it has had enough. It checks the bodies that come whole.
func (s *soak) serve(c *client) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
	w := &chaos{c.Conn.(*net.TCPConn), rnd, -1}
	if rnd.IntN(4) == 0 {
		w.left = 1 + rnd.IntN(1<<rnd.IntN(20))
	}
	for {
		q, err := http.ReadRequest(c.br)
		if err != nil {
			return
		}
		var id, up, down int
		if n, _ := fmt.Sscanf(q.URL.Path, "/%d/%d/%d", &id, &up, &down); n != 3 {
			s.t.Errorf("a request for %s", q.URL)
			return
		}
		early := rnd.IntN(10) == 0
		if !early {
			got, err := io.ReadAll(q.Body)
			if err != nil {
				return
			}
			if !bytes.Equal(got, pattern(id, up)) {
				s.t.Errorf("the body of request %d came whole, but with %d other bytes instead of %d", id, len(got), up)
			}
		}
		if err := s.answer(w, pattern(id+1, down), id, rnd); err != nil || early {
			return
		}
	}
}

func (s *soak) answer(w *chaos, body []byte, id int, rnd *rand.Rand) error {
	var b bytes.Buffer
	if rnd.IntN(10) == 0 {
		b.WriteString("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
	}
	fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\nX-Id: %d\r\n", id)
	end := error(nil)
	switch kind := rnd.IntN(20); {
	case kind == 0:
		_, _ = w.Write([]byte("rubbish\r\n\r\n"))
		return errChaos
	case kind == 1:
		time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond) // at times too late
		return errChaos
	case kind < 4:
		b.WriteString("Connection: close\r\n\r\n")
		b.Write(body)
		end = errChaos
		if w.left >= 0 { // an orderly end would make a broken body a whole one
			_ = w.SetLinger(0)
		}
	case kind < 10:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		chunks(&b, body, rnd)
		b.WriteString("0\r\nX-Trailer: t\r\n\r\n")
	default:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(body))
		b.Write(body)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	if end != nil && w.left >= 0 {
		_ = w.SetLinger(-1)
	}
	return end
}

// demand is a request, with or without a body.
func demand(id, down int, rnd *rand.Rand) []byte {
	var b bytes.Buffer
	up := bodySize(rnd)
	switch rnd.IntN(4) {
	case 0:
		fmt.Fprintf(&b, "POST /%d/%d/%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", id, up, down, up)
		b.Write(pattern(id, up))
	case 1:
		fmt.Fprintf(&b, "POST /%d/%d/%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", id, up, down)
		chunks(&b, pattern(id, up), rnd)
		b.WriteString("0\r\n\r\n")
	default:
		fmt.Fprintf(&b, "GET /%d/0/%d HTTP/1.1\r\nHost: a\r\n\r\n", id, down)
	}
	return b.Bytes()
}

func chunks(b *bytes.Buffer, body []byte, rnd *rand.Rand) {
	for len(body) > 0 {
		n := min(1+rnd.IntN(1<<rnd.IntN(17)), len(body))
		fmt.Fprintf(b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
}

// visit is one client connection: some requests, perhaps in a row without waiting, perhaps broken off.
func (s *soak) visit(addr string, rnd *rand.Rand) {
	k, err := net.Dial("tcp", addr)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer k.Close()
	_ = k.SetDeadline(time.Now().Add(patience))
	c := &chaos{k.(*net.TCPConn), rnd, -1}
	if rnd.IntN(4) == 0 {
		c.left = 1 + rnd.IntN(1<<rnd.IntN(20))
	}
	type sent struct{ id, down int }
	asked := make(chan sent, 64)
	go func() {
		defer close(asked)
		for range 1 + rnd.IntN(12) {
			id, down := int(s.ids.Add(1)), bodySize(rnd)
			b := demand(id, down, rnd)
			asked <- sent{id, down}
			if _, err := c.Write(b); err != nil {
				if err == errChaos {
					_ = c.TCPConn.Close()
				}
				return
			}
		}
	}()
	br, pace := bufio.NewReader(k), rand.New(rand.NewPCG(rand.Uint64(), 3))
	for a := range asked {
		if err := s.check(br, a.id, a.down, pace); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.t.Errorf("request %d hung: %v", a.id, err)
			}
			_ = k.Close()
			for range asked {
			}
			return
		}
	}
}

// check reads one response: if it is whole, it must be the right one to the byte.
func (s *soak) check(br *bufio.Reader, id, down int, rnd *rand.Rand) error {
	for {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return err
		}
		if resp.StatusCode < 200 {
			continue
		}
		if rnd.IntN(20) == 0 {
			time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
		}
		body, err := io.ReadAll(resp.Body)
		switch {
		case err != nil:
			s.broken.Add(1)
			return err
		case resp.StatusCode != 200:
			s.refused.Add(1)
			if resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(string(body), `"code"`) {
				s.t.Errorf("request %d: status %d with %q", id, resp.StatusCode, body)
			}
		case resp.Header.Get("X-Id") != fmt.Sprint(id):
			s.t.Errorf("request %d got the response of %s", id, resp.Header.Get("X-Id"))
		case !bytes.Equal(body, pattern(id+1, down)):
			s.t.Errorf("request %d: a whole response of %d other bytes instead of %d", id, len(body), down)
		default:
			s.kept.Add(1)
		}
		if resp.Close {
			return io.EOF
		}
		return nil
	}
}

// TestSoak lets clients and servers misbehave at random. Every response that is whole must be exact, nothing may hang, and
// nothing may be left at the end.
func TestSoak(t *testing.T) {
	length := 10 * time.Second
	if testing.Short() {
		length = 2 * time.Second
	}
	eachDriver(t, func(t *testing.T, d DriverName) {
		s := &soak{t: t}
		origins := []string{origin(t, s.serve), origin(t, s.serve), refusing(t)}
		r := start(t, d, with{
			listener: "timeouts: {read: 2s, write: 2s}",
			cluster:  "timeouts: {connect: 500ms, response_head: 300ms, read: 500ms, write: 2s, idle: 100ms}, pool: {connections: 12, idle: 4, requests: 50}",
		}, origins...)
		var clients sync.WaitGroup
		end := time.Now().Add(length)
		for range 24 {
			clients.Go(func() {
				rnd := rand.New(rand.NewPCG(rand.Uint64(), 2))
				for time.Now().Before(end) && !t.Failed() {
					s.visit(r.addr, rnd)
				}
			})
		}
		clients.Wait()
		t.Logf("%d requests: %d whole, %d broken off, %d refused", s.ids.Load(), s.kept.Load(), s.broken.Load(), s.refused.Load())
		if s.kept.Load() == 0 || s.broken.Load() == 0 || s.refused.Load() == 0 {
			t.Error("one kind of outcome never came about")
		}
		if strings.Contains(r.log.String(), "panicked") {
			t.Error("a task panicked")
		}
	})
}
