package http2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/proto/header"
)

// The kit: what several tests need. A testServer is a whole HTTP/2 server on a net.Conn, with a goroutine in place of a loop, so that
// real clients can be set on a Conn.

// answer is what a testServer says.
type answer struct {
	status   int
	fields   []string // name, value, name, value …
	body     []byte
	trailers []string
}

// asked is one request as a testServer has received it.
type asked struct {
	s        *Stream
	body     []byte
	trailers *Message
	rest     []byte // of the answer's body
	answer   answer
}

type testServer struct {
	cfg    *Config
	answer func(*asked) answer
	failed chan error // of each connection
}

func fieldsOf(list []string) *header.Fields {
	f := new(header.Fields)
	for i := 0; i+1 < len(list); i += 2 {
		f.Add(list[i], []byte(list[i+1]))
	}
	return f
}

// serve runs one connection to its end.
func (t *testServer) serve(nc net.Conn) {
	defer nc.Close()
	began := time.Now()
	c := NewConn(Server, t.cfg, NewPool(), 0)
	defer c.Close()
	buf := make([]byte, 16<<10)
	for {
		for len(c.Pending()) > 0 || c.Next() != nil {
			t.fill(c)
			n, err := nc.Write(c.Pending())
			c.Wrote(n)
			if err != nil {
				return
			}
		}
		if c.Err() != nil {
			if t.failed != nil {
				t.failed <- c.Err()
			}
			closeGently(nc)
			return
		}
		if c.Drained() {
			return
		}
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		t.take(c, buf[:n], int64(time.Since(began)))
	}
}

// closeGently lets the peer read what was sent last, although bytes of its own were not read.
func closeGently(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
		_ = tcp.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, tcp)
	}
}

func (t *testServer) take(c *Conn, b []byte, now int64) {
	for {
		n, ev, err := c.Feed(b, now)
		b = b[n:]
		if err != nil || ev == nil {
			return
		}
		if ev.Stream == nil {
			continue
		}
		r, _ := ev.Stream.Owner.(*asked)
		switch ev.Kind {
		case EventHeaders:
			r = &asked{s: ev.Stream}
			ev.Stream.Owner = r
		case EventData:
			r.body = append(r.body, ev.Data...)
			c.Consumed(ev.Stream, len(ev.Data))
		case EventTrailers:
			r.trailers = ev.Message
		case EventReset:
			c.Release(ev.Stream)
			continue
		}
		if ev.EndStream {
			t.respond(c, r)
		}
	}
}

func (t *testServer) respond(c *Conn, r *asked) {
	r.answer = t.answer(r)
	r.rest = r.answer.body
	bare := len(r.rest) == 0 && r.answer.trailers == nil
	if c.AppendResponse(r.s, r.answer.status, fieldsOf(r.answer.fields), bare) != nil || bare {
		c.Release(r.s)
		return
	}
	c.SetReady(r.s, len(r.rest) > 0)
	if len(r.rest) == 0 {
		t.finish(c, r)
	}
}

// fill appends DATA as the scheduler says, up to a bufferful.
func (t *testServer) fill(c *Conn) {
	for s := c.Next(); s != nil && len(c.Pending()) < 64<<10; s = c.Next() {
		r := s.Owner.(*asked)
		last := r.answer.trailers == nil
		n, err := c.AppendData(s, r.rest[:min(len(r.rest), maxSendFrame)], last && len(r.rest) <= maxSendFrame)
		r.rest = r.rest[n:]
		if err != nil || len(r.rest) == 0 {
			t.finish(c, r)
		}
	}
}

func (t *testServer) finish(c *Conn, r *asked) {
	if r.answer.trailers != nil {
		_ = c.AppendTrailers(r.s, fieldsOf(r.answer.trailers))
	}
	c.Release(r.s)
}

// echo answers with the request's body, or with size bytes for GET /size/…
func echo(r *asked) answer {
	m := r.s.Message()
	a := answer{status: 200, fields: []string{"content-type", "text/plain", "x-path", string(m.Path)}, body: r.body}
	if m.TooLarge {
		return answer{status: 431}
	}
	if len(a.body) == 0 && m.Method.String() == "GET" {
		a.body = []byte("hello")
	}
	return a
}

// link carries bytes between two Conns, without a network.
type link struct {
	t       testing.TB
	a, b    *Conn
	now     int64
	onEvent func(c *Conn, ev *Event)
}

// errStuck says that two Conns did not come to rest.
var errStuck = errors.New("no rest after many turns")

// run carries bytes until both have nothing to say. Errors of either end it.
func (l *link) run() error {
	for range 10000 {
		moved := false
		for _, d := range [2][2]*Conn{{l.a, l.b}, {l.b, l.a}} {
			out := d[0].Pending()
			if len(out) == 0 {
				continue
			}
			moved = true
			if err := l.feed(d[1], out); err != nil {
				return err
			}
			d[0].Wrote(len(out))
		}
		if !moved {
			return nil
		}
	}
	return errStuck
}

func (l *link) feed(c *Conn, b []byte) error {
	for {
		n, ev, err := c.Feed(b, l.now)
		b = b[n:]
		if err != nil {
			return err
		}
		if ev == nil {
			if len(b) > 0 {
				l.t.Fatalf("%d bytes left and no event", len(b))
			}
			return nil
		}
		if l.onEvent != nil {
			l.onEvent(c, ev)
		}
	}
}

// describeMessage renders a message for comparison.
func describeMessage(m *Message) string {
	var b strings.Builder
	switch m.kind {
	case kindRequest:
		b.WriteString(string(m.MethodToken) + " " + string(m.Scheme) + " " + string(m.Authority) + " " + string(m.Path))
		if m.HasQuery {
			b.WriteString("?" + string(m.Query))
		}
		if m.Protocol != nil {
			b.WriteString(" " + string(m.Protocol))
		}
	case kindResponse:
		b.WriteByte(byte('0' + m.Status/100))
		b.WriteByte(byte('0' + m.Status/10%10))
		b.WriteByte(byte('0' + m.Status%10))
	}
	for name, value := range m.All() {
		b.WriteString("|" + string(name) + "=" + string(value))
	}
	if m.TooLarge {
		b.WriteString("|too large")
	}
	return b.String()
}

var zeros = bytes.Repeat([]byte{0}, 1<<16)
