package simtest

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// A tunnel is a call through the layer 4 listener, or one of HTTP that goes over to another protocol: the client says who it is and
// what it will send and get, and then both sides send their patterns at the same time and end their directions in whatever order
// comes.

// way is what a tunnel goes over: a connection, or a stream of one.
type way interface {
	io.ReadWriter
	CloseWrite() error
	Abort()
}

// lines accepts the gateway's connections for tunnels.
type lines struct{ *scenario }

// Accept serves a tunnel.
func (s lines) Accept(c *conn.Conn) {
	s.peers.Go("line", func(t *loop.Task) {
		defer c.Close()
		c.SetReadTimeout(10 * time.Minute)
		c.SetWriteTimeout(5 * time.Minute)
		br := bufio.NewReader(c)
		line, err := br.ReadString('\n')
		if err != nil {
			return // the client has left, or its tunnel's time was up
		}
		s.serveLine(t, c, br, line)
	})
}

// serveLine is the origin's side of a tunnel that begins so.
func (s *scenario) serveLine(t *loop.Task, c way, br io.Reader, line string) {
	var id, sends, gets int
	if _, bad := fmt.Sscanf(line, "tunnel %d %d %d", &id, &sends, &gets); bad != nil {
		s.problem("a tunnel begins with %q", line)
		return
	}
	q := s.calls[id]
	q.arrivals++
	if s.drawDeed() != proper { // a reset in the middle, which must not look like an end
		s.dribble(t, c, pattern(id, gets)[:s.rnd.IntN(gets+1)])
		c.Abort()
		q.cut = true
		return
	}
	err := s.bothWays(t, c, id, gets, func(last *int64) error {
		return s.verify(br, q, "origin", pattern(id, sends), last)
	})
	if err == errEarly && !q.cut {
		s.problem("tunnel %d: its stream ended early at the origin, as if that were all", id)
	}
}

// upgraded is how a tunnel of HTTP is accepted.
const upgraded = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"

// acceptOf is the answer to a key (RFC 6455 §4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// goOver is what an origin does with an upgrade.
func (s *scenario) goOver(t *loop.Task, c *conn.Conn, br *bufio.Reader, q *http.Request) {
	switch {
	case s.calm || s.rnd.IntN(8) > 0:
		answer := upgraded
		if key := q.Header.Get("Sec-WebSocket-Key"); key != "" { // of the gateway's, for a client of HTTP/2
			answer += "Sec-WebSocket-Accept: " + acceptOf(key) + "\r\n"
		}
		if s.dribble(t, c, []byte(answer+"\r\n")) {
			s.serveLine(t, c, br, q.Header.Get("X-Tunnel"))
		}
	case s.rnd.IntN(2) == 0: // it will not
		s.dribble(t, c, []byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"))
	default: // it does what it was not asked for
		s.dribble(t, c, []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: another\r\n\r\nrubbish"))
	}
}

// askToGoOver makes a tunnel of a connection to the HTTP listener.
func (s *scenario) askToGoOver(t *loop.Task, c *conn.Conn, br *bufio.Reader, q *call, line string) bool {
	if !s.dribble(t, c, fmt.Appendf(nil, "GET /tunnel HTTP/1.1\r\nHost: sim\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-Tunnel: %s\r\n\r\n", line)) {
		return false
	}
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		return false
	}
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		return true
	case res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusRequestTimeout && res.StatusCode < 500:
		s.problem("the upgrade of tunnel %d is answered by %s", q.id, res.Status)
	}
	return false
}

// tunnel makes a call through layer 4, or one that goes over from HTTP.
func (s *scenario) tunnel(t *loop.Task) {
	q := s.newCall()
	q.method, q.sends = "TUNNEL", s.size()
	to, overHTTP := &s.line, s.rnd.IntN(2) == 0
	if overHTTP {
		to = &s.gateway
	}
	c, err := conn.Dial(s.net, to, 30*time.Second)
	if err != nil {
		if q.ended = "no connection"; s.calm {
			s.problem("a client cannot connect: %v", err)
		}
		return
	}
	defer c.Close()
	c.SetReadTimeout(5 * time.Minute)
	c.SetWriteTimeout(5 * time.Minute)
	br := bufio.NewReader(c)
	line := fmt.Sprintf("tunnel %d %d %d", q.id, q.sends, q.gets)
	if overHTTP {
		if !s.askToGoOver(t, c, br, q, line) {
			if q.ended = "tunnel refused"; s.calm {
				s.problem("tunnel %d was refused in a calm world", q.id)
			}
			return
		}
	} else if !s.dribble(t, c, []byte(line+"\n")) {
		q.ended = "tunnel broke off"
		return
	}
	if !s.calm && s.rnd.IntN(8) == 0 {
		q.cut = true
		s.dribble(t, c, pattern(q.id, q.sends)[:s.rnd.IntN(q.sends+1)])
		c.Abort()
		q.ended = "tunnel given up"
		return
	}
	err = s.bothWays(t, c, q.id, q.sends, func(last *int64) error {
		return s.verify(br, q, "client", pattern(q.id, q.gets), last)
	})
	q.ended = "tunnel ended"
	if err != nil {
		q.ended = "tunnel broke off"
		if s.calm {
			s.problem("tunnel %d broke off in a calm world: %v", q.id, err)
		}
		if err == errEarly && q.arrivals > 0 {
			s.problem("tunnel %d: its stream ended early at the client, as if that were all", q.id)
		}
	}
}

// errEarly is how a stream ends that is too short and has no error. Unless a send on the same connection had the error, it
// is a lie.
var errEarly = errors.New("the stream ended early")

// bothWays sends a pattern of n bytes and its end in a task of its own while verify reads.
func (s *scenario) bothWays(t *loop.Task, c way, id, n int, verify func(last *int64) error) error {
	last := s.w.Now() // when this side last received; a send may end because its tunnel does
	sent := error(nil)
	sender := s.peers.Go("sender", func(t *loop.Task) {
		if !s.dribble(t, c, pattern(id, n)) {
			sent = net.ErrClosed
			return
		}
		sent = c.CloseWrite()
	})
	err := verify(&last)
	failed := sent != nil // before this side ended everything itself
	if err != nil {
		c.Abort() // whoever fails tells the other side, and its own sender
	}
	_ = t.Join(sender)
	if err == nil || err == errEarly && sent != nil && failed {
		err = sent
	}
	return err
}

// verify reads a stream to its end and compares it.
func (s *scenario) verify(r io.Reader, q *call, where string, want []byte, last *int64) error {
	got := make([]byte, 0, len(want))
	part := make([]byte, 8<<10)
	for {
		n, err := r.Read(part)
		got = append(got, part[:n]...)
		idle := time.Duration(s.w.Now() - *last)
		if n > 0 {
			*last = s.w.Now()
		}
		if len(got) > len(want) || !bytes.Equal(got, want[:len(got)]) {
			s.problem("tunnel %d: other bytes came to the %s than were sent, among the first %d of %d", q.id, where, len(got), len(want))
			return io.ErrUnexpectedEOF
		}
		switch {
		case err == nil:
		case err != io.EOF:
			return err
		case len(got) < len(want):
			if idle >= s.idle*4/5 { // a tunnel at rest is ended, not broken off, when its time is up
				return io.ErrUnexpectedEOF
			}
			return errEarly
		default:
			return nil
		}
	}
}
