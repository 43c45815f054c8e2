package inbound

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/proto/http2"
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
	writes := 0
	l.On(func() {
		h = New(conn.NewNet(l, conn.Limits{SmallBlocks: 16, LargeBlocks: 16}), Config{Name: "in", Log: cfg.Log, IDs: NewIDs(1)})
		h.Apply(NewTerms(spec, nil, nil, nil))
		h.gate.accept = func(d *Door, c *conn.Conn) {
			h.accept(d, c)
			for s := range h.sessions {
				s.c = unwritable{s.c, &writes}
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
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(http2.AppendSettings([]byte(http2.ClientPreface))); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); len(b) > 0 || err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("got %q, %v", b, err)
	}
	l.On(func() {
		if writes != 1 || len(h.sessions) != 0 || h.Counters.HTTP2.Connections != 0 {
			t.Errorf("%d writes, %d sessions, %d connections of HTTP/2", writes, len(h.sessions), h.Counters.HTTP2.Connections)
		}
		if n := strings.Count(log.String(), "task panicked"); n != 1 {
			t.Errorf("%d panics are logged", n)
		}
		h.gate.Close()
	})
	l.Stop(time.Second)
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
}
