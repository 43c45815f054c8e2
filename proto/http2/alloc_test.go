package http2

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/ringway/ringway/proto/header"
)

// exchange plays one request and its response between two Conns in memory, as a proxy between them would.
type exchange struct {
	server, client *Conn
	fields, answer header.Fields
	head           RequestHead
	body           []byte
	received       int
}

func newExchange(tb testing.TB, pool *Pool, body int) *exchange {
	cfg := DefaultConfig()
	x := &exchange{server: NewConn(Server, &cfg, pool, 0), client: NewConn(Client, &cfg, pool, 0), body: zeros[:body]}
	x.head = RequestHead{Method: []byte("GET"), Scheme: "https", Authority: []byte("www.example.com"), Path: []byte("/articles"), Query: []byte("page=2"), HasQuery: true}
	for _, f := range [][2]string{{"user-agent", "curl/8.5.0"}, {"accept", "*/*"}, {"x-forwarded-proto", "https"}} {
		x.fields.Add(f[0], []byte(f[1]))
	}
	for _, f := range [][2]string{{"content-type", "text/html"}, {"date", "Mon, 23 Nov 2026 01:00:00 GMT"}, {"server", "ringway"}, {"vary", "accept-encoding"}} {
		x.answer.Add(f[0], []byte(f[1]))
	}
	for range 5 {
		x.run(tb)
	}
	return x
}

func (x *exchange) run(tb testing.TB) {
	s, err := x.client.AppendRequest(&x.head, &x.fields, true)
	if err != nil {
		tb.Fatal(err)
	}
	for s.State() != Closed {
		x.carry(tb, x.client, x.server)
		x.carry(tb, x.server, x.client)
	}
	x.client.Release(s)
	x.carry(tb, x.client, x.server) // WINDOW_UPDATE
}

func (x *exchange) carry(tb testing.TB, from, to *Conn) {
	b := from.Pending()
	total := len(b)
	for {
		n, ev, err := to.Feed(b, 0)
		if err != nil {
			tb.Fatal(err)
		}
		b = b[n:]
		if ev == nil {
			break
		}
		switch {
		case ev.Kind == EventHeaders && to == x.server:
			_ = to.AppendResponse(ev.Stream, 200, &x.answer, false)
			to.SetReady(ev.Stream, true)
			for body := x.body; ; {
				k, _ := to.AppendData(ev.Stream, body, true)
				if body = body[k:]; len(body) == 0 {
					break
				}
			}
			to.Release(ev.Stream)
		case ev.Kind == EventData:
			x.received += len(ev.Data)
			to.Consumed(ev.Stream, len(ev.Data))
		}
	}
	from.Wrote(total)
}

// TestNoAllocation: in steady state a request and its response, fields indexed, cost no allocation at either end; neither do
// DATA, WINDOW_UPDATE, PING, SETTINGS, RST_STREAM and PRIORITY_UPDATE.
func TestNoAllocation(t *testing.T) {
	x := newExchange(t, NewPool(), 20_000)
	if n := testing.AllocsPerRun(500, func() { x.run(t) }); n != 0 {
		t.Errorf("an exchange: %v allocations", n)
	}
	if x.received != 506*20_000 {
		t.Errorf("%d bytes received", x.received)
	}
	s := newScript(t, Server, func(c *Config) { c.Control.Burst, c.Control.PerSecond, c.Resets.Burst = 1<<20, 1<<20, 1<<20 })
	s.c.pool.Poison = false
	s.feed(s.headers(1, false, get))
	var frames []byte
	frames = DataFrame{1, false, zeros[:1000]}.Append(frames)
	frames = WindowUpdateFrame{0, 1}.Append(WindowUpdateFrame{1, 1}.Append(frames))
	frames = PingFrame{}.Append(AppendSettings(frames, Setting{SettingInitialWindowSize, 65535}))
	frames = PriorityUpdateFrame{1, []byte("u=1, i")}.Append(frames)
	for name, size := range map[string]int{"at once": len(frames), "in pieces": 7} {
		if n := testing.AllocsPerRun(500, func() { feedQuietly(t, s.c, frames, size) }); n != 0 {
			t.Errorf("frames %s: %v allocations", name, n)
		}
	}
	next := StreamID(3)
	block := HeadersFrame{Stream: 3, EndStream: true, EndHeaders: true, Fragment: s.fields(get)}
	if n := testing.AllocsPerRun(500, func() {
		block.Stream = next
		next += 2
		frames = ResetFrame{block.Stream, Cancel}.Append(block.Append(frames[:0]))
		feedQuietly(t, s.c, frames, 5)
	}); n > 1 { // ":authority" is a literal the first time only; the limit of 1 is for the ring of endings that grows
		t.Errorf("a stream that is reset: %v allocations", n)
	}
}

func feedQuietly(tb testing.TB, c *Conn, b []byte, size int) {
	for len(b) > 0 {
		piece := b[:min(size, len(b))]
		b = b[len(piece):]
		for {
			n, ev, err := c.Feed(piece, 0)
			if err != nil {
				tb.Fatal(err)
			}
			if piece = piece[n:]; ev == nil {
				break
			}
			if ev.Kind == EventData {
				c.Consumed(ev.Stream, len(ev.Data))
			}
			if ev.Kind == EventReset {
				c.Release(ev.Stream)
			}
		}
	}
	c.Wrote(len(c.Pending()))
}

// TestLiteralAllocations is the exception that doc.go names: hpack's decoder makes a string of each literal.
func TestLiteralAllocations(t *testing.T) {
	s := newScript(t, Server, nil)
	s.c.pool.Poison = false
	var block encoder
	block.literal(header.Other, 0, []byte("~~~~"), []byte("\x80\x81\x82\x83")) // no Huffman code is shorter: hpack needs no buffer of its own
	s.feed(HeadersFrame{Stream: 1, EndStream: true, EndHeaders: true, Fragment: s.fields(get)}.Append(nil))
	fragment := append(s.fields(get), block.dst...) // all but the literal is indexed now
	next := StreamID(3)
	var frames []byte
	one := func() {
		frames = HeadersFrame{Stream: next, EndStream: true, EndHeaders: true, Fragment: fragment}.Append(frames[:0])
		next += 2
		n, ev, err := s.c.Feed(frames, 0)
		if n != len(frames) || err != nil {
			t.Fatal(n, err)
		}
		_ = s.c.AppendResponse(ev.Stream, 200, nil, true)
		s.c.Release(ev.Stream)
		s.c.Wrote(len(s.c.Pending()))
	}
	if n := testing.AllocsPerRun(200, one); n > 2 {
		t.Errorf("%v allocations for a literal of two strings", n)
	}
}

// TestMemory says what a connection and a stream cost at rest.
func TestMemory(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 1152 { // a size class of Go's
		t.Errorf("a Conn has %d bytes", n)
	}
	if n := unsafe.Sizeof(Stream{}); n > 208 {
		t.Errorf("a Stream has %d bytes", n)
	}
	const conns = 500
	measure := func(f func() any) int {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		keep := f()
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(keep)
		return int(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / conns
	}
	idle := measure(func() any {
		var list []*Conn
		cfg, pool := DefaultConfig(), NewPool()
		for range conns {
			c := NewConn(Server, &cfg, pool, 0)
			c.Wrote(len(c.Pending()))
			list = append(list, c)
		}
		return list
	})
	used := measure(func() any {
		var list []*exchange
		pool := NewPool()
		for range conns {
			x := newExchange(t, pool, 100)
			list = append(list, x)
		}
		return list
	})
	t.Logf("Conn %d bytes, Stream %d, Message %d; a connection that has served nothing %d bytes of heap; a client's and a server's end after a few requests %d",
		unsafe.Sizeof(Conn{}), unsafe.Sizeof(Stream{}), unsafe.Sizeof(Message{}), idle, used)
	if idle > 3<<10 || used > 14<<10 {
		t.Errorf("%d and %d bytes", idle, used)
	}
}
