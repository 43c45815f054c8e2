package inbound

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"testing"

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
	f := startFront(t, cfg, func(s *session) conn.Stream { return losing{s.c, s} })
	head := []byte{0x82, 0x86, 0x84, 0x41, 1, 'x'} // GET http://x/, as RFC 7541 §6 writes it
	f.begin(append(http2.FrameHeader{Length: uint32(len(head)), Type: http2.FrameHeaders, Flags: http2.FlagEndStream | http2.FlagEndHeaders, Stream: 1}.Append(nil), head...)...)
	if b, err := io.ReadAll(f.c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v", b, err)
	}
	for range 1000 { // turns of the loop, of which each runs a task
		f.l.On(func() {})
	}
	f.end(func() {
		if n := f.h.Counters.HTTP2; n.StreamsEver != 1 || n.Streams != 0 || n.Connections != 0 || len(f.h.sessions) != 0 {
			t.Errorf("%d of %d requests, %d connections and %d sessions are left", n.Streams, n.StreamsEver, n.Connections, len(f.h.sessions))
		}
	})
}
