package inbound

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
)

// unwritable is a connection for which sending is a fault of the gateway's.
type unwritable struct {
	conn.Stream
	writes *int
}

func (u unwritable) Write([]byte) (int, error) {
	*u.writes++
	panic("unwritable")
}

// TestWriterPanics: a writer that panics ends its connection, which is not written to again, and the loop goes on.
func TestWriterPanics(t *testing.T) {
	var log bytes.Buffer // which the loop alone writes to
	cfg := loop.DefaultConfig(0, epoll.New)
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	writes := 0
	f := startFront(t, cfg, func(s *session) conn.Stream { return unwritable{s.c, &writes} })
	f.begin()
	if b, err := io.ReadAll(f.c); len(b) > 0 || err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("got %q, %v", b, err)
	}
	f.end(func() {
		if writes != 1 || len(f.h.sessions) != 0 || f.h.Counters.HTTP2.Connections != 0 {
			t.Errorf("%d writes, %d sessions, %d connections of HTTP/2", writes, len(f.h.sessions), f.h.Counters.HTTP2.Connections)
		}
		if n := strings.Count(log.String(), "task panicked"); n != 1 {
			t.Errorf("%d panics are logged", n)
		}
	})
}
