package inbound

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/proto/http2"
)

// losing is a connection that is lost with its first request, just after that has been cancelled for a reason which would be answered.
type losing struct {
	conn.Stream
	s *session
}

// Buffered lets so many tasks run before that of the request that the descriptor is closed by then.
func (k losing) Buffered() []byte {
	p := k.Stream.Buffered()
	if len(p) > 0 && k.s.h2 != nil {
		for range 32 {
			k.Net().Loop.Go("hindrance", func(*loop.Task) {})
		}
	}
	return p
}

// Consume is called when the frames that came together have been taken.
func (k losing) Consume(n int) {
	k.Stream.Consume(n)
	c := k.s.h2
	if c == nil || len(c.requests) == 0 || k.Closed() {
		return
	}
	for c.hc.Backlog() < h2Full {
		c.hc.Ping(lifePing)
	}
	c.requests[0].cancel(errHoarded)
	_ = k.Close()
}

// TestLostWhileCancelled: a request that is cancelled, and then loses its connection before its task has heard of either, ends, although
// the buffer has no room for an answer and never will.
func TestLostWhileCancelled(t *testing.T) {
	cfg := loop.DefaultConfig(0, epoll.New)
	cfg.Log, cfg.Budget = slog.New(slog.DiscardHandler), 1
	l, err := loop.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	spec := new(Spec)
	if err := config.Decode("l.yaml", []byte("{address: ':80', routes: [{cluster: c}], versions: [http2]}"), spec); err != nil {
		t.Fatal(err)
	}
	fd, addr, err := conn.OpenListener(l.Sockets(), conn.ListenConfig{Address: "127.0.0.1:0"}, l.NonBlocking())
	if err != nil {
		t.Fatal(err)
	}
	var h *Handler
	l.On(func() {
		h = New(conn.NewNet(l, conn.Limits{SmallBlocks: 16, LargeBlocks: 16}), Config{Name: "in", Log: cfg.Log, IDs: NewIDs(1)})
		h.Apply(NewTerms(spec, nil, nil, nil))
		h.gate.accept = func(d *Door, c *conn.Conn) {
			h.accept(d, c)
			for s := range h.sessions {
				s.c = losing{s.c, s}
			}
		}
		h.gate.Open(Socket{ID: 1, Fd: fd})
		h.gate.Bound(1)
	})
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	head := []byte{0x82, 0x86, 0x84, 0x41, 1, 'x'} // GET http://x/, as RFC 7541 §6 writes it
	b := http2.AppendSettings([]byte(http2.ClientPreface))
	b = http2.FrameHeader{Length: uint32(len(head)), Type: http2.FrameHeaders, Flags: http2.FlagEndStream | http2.FlagEndHeaders, Stream: 1}.Append(b)
	if _, err := c.Write(append(b, head...)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if b, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v", b, err)
	}
	for range 1000 { // turns of the loop, of which each runs a task
		l.On(func() {})
	}
	l.On(func() {
		if n := h.Counters.HTTP2; n.StreamsEver != 1 || n.Streams != 0 || n.Connections != 0 || len(h.sessions) != 0 {
			t.Errorf("%d of %d requests, %d connections and %d sessions are left", n.Streams, n.StreamsEver, n.Connections, len(h.sessions))
		}
		h.gate.Close()
	})
	l.Stop(time.Second)
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
}
