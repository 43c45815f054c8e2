package simtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// A tunnel is a call through the layer 4 listener: the client says who it is and what it will send and get, and then both
// sides send their patterns at the same time and end their directions in whatever order comes.

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
		err = s.bothWays(t, c, id, gets, func(last *int64) error {
			return s.verify(br, q, "origin", pattern(id, sends), last)
		})
		if err == errEarly && !q.cut {
			s.problem("tunnel %d: its stream ended early at the origin, as if that were all", id)
		}
	})
}

// tunnel makes a call through layer 4.
func (s *scenario) tunnel(t *loop.Task) {
	q := s.newCall()
	q.method, q.sends = "TUNNEL", s.size()
	c, err := conn.Dial(s.net, &s.line, 30*time.Second)
	if err != nil {
		if q.ended = "no connection"; s.calm {
			s.problem("a client cannot connect: %v", err)
		}
		return
	}
	defer c.Close()
	c.SetReadTimeout(5 * time.Minute)
	c.SetWriteTimeout(5 * time.Minute)
	if !s.dribble(t, c, fmt.Appendf(nil, "tunnel %d %d %d\n", q.id, q.sends, q.gets)) {
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
	br := bufio.NewReader(c)
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
func (s *scenario) bothWays(t *loop.Task, c *conn.Conn, id, n int, verify func(last *int64) error) error {
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
