package inbound

import (
	"net"
	"testing"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http2"
)

// front is a handler that speaks only HTTP/2, on a loop of its own, and one client.
type front struct {
	t *testing.T
	l *loop.Loop
	h *Handler
	c net.Conn
}

// startFront connects the client. wrap puts something between a session and its connection.
func startFront(t *testing.T, cfg loop.Config, wrap func(*session) conn.Stream) *front {
	t.Helper()
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
	f := &front{t: t, l: l}
	l.On(func() {
		f.h = New(conn.NewNet(l, conn.Limits{SmallBlocks: 16, LargeBlocks: 16}), Config{Name: "in", Log: cfg.Log, IDs: NewIDs(1)})
		f.h.Apply(NewTerms(spec, nil, nil, nil))
		f.h.gate.accept = func(d *Door, c *conn.Conn) {
			f.h.accept(d, c)
			for s := range f.h.sessions {
				s.c = wrap(s)
			}
		}
		f.h.gate.Open(Socket{ID: 1, Fd: fd})
		f.h.gate.Bound(1)
	})
	if f.c, err = net.Dial("tcp", addr.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.c.Close() })
	_ = f.c.SetDeadline(time.Now().Add(10 * time.Second))
	return f
}

// begin sends the client's preface, and what follows it.
func (f *front) begin(frames ...byte) {
	f.t.Helper()
	if _, err := f.c.Write(append(http2.AppendSettings([]byte(http2.ClientPreface)), frames...)); err != nil {
		f.t.Fatal(err)
	}
}

// end checks on the loop what is left, and ends it.
func (f *front) end(check func()) {
	f.t.Helper()
	f.l.On(func() {
		check()
		f.h.gate.Close()
	})
	f.l.Stop(time.Second)
	if err := f.l.Wait(); err != nil {
		f.t.Error(err)
	}
}
