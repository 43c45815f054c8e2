package http2

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// end is one of two Conns that a model test connects, with what an application would know of its streams.
type end struct {
	name    string
	c       *Conn
	wire    []byte // sent, not delivered
	streams map[*Stream]*half
	list    []*half
	closed  int
}

// half is one end of a stream.
type half struct {
	s         *Stream
	length    int // of the body to be sent
	sent      int
	want      int // of the body to come, as its Content-Length would say; -1 before it is known
	received  int
	held      int
	trailers  bool
	headSent  bool
	completed bool // END_STREAM has come
}

// octet is what stands at an offset of the body that one end sends.
func octet(name string, id StreamID, offset int) byte {
	return byte(int(name[0]) + int(id)*31 + offset*7 + offset>>8)
}

type model struct {
	t    testing.TB
	r    *rand.Rand
	a, b *end // client, server
	// bodies are the lengths of what each end sends on a stream, for the other to check.
	bodies map[string]int
}

func newModel(t testing.TB, seed uint64) *model {
	m := &model{t: t, r: rand.New(rand.NewPCG(seed, 1)), bodies: map[string]int{}}
	pool := NewPool()
	pool.Poison = true
	make := func(name string, role Role) *end {
		cfg := DefaultConfig()
		cfg.StreamWindow = 1 + m.r.IntN(200_000)
		cfg.ConnectionWindow = initialWindow + m.r.IntN(300_000)
		cfg.MaxConcurrentStreams = 1 + m.r.IntN(20)
		cfg.Control.Burst = 1 << 20 // the model consumes by bytes, and delivers as it likes
		return &end{name: name, c: NewConn(role, &cfg, pool, 0), streams: map[*Stream]*half{}}
	}
	m.a, m.b = make("client", Client), make("server", Server)
	return m
}

func (m *model) key(e *end, id StreamID) string { return fmt.Sprint(e.name, id) }

func (m *model) add(e *end, s *Stream) *half {
	h := &half{s: s, length: m.r.IntN(2) * m.r.IntN(150_000), want: -1, trailers: m.r.IntN(3) == 0}
	e.streams[s] = h
	e.list = append(e.list, h)
	m.bodies[m.key(e, s.ID())] = h.length
	return h
}

func (m *model) open() {
	if m.a.c.CanOpen() == 0 {
		return
	}
	s, err := m.a.c.AppendRequest(&RequestHead{Method: []byte("POST"), Scheme: "http", Authority: []byte("a"), Path: []byte("/")}, nil, false)
	if err != nil {
		m.t.Fatal(err)
	}
	h := m.add(m.a, s)
	h.headSent = true
	m.send(m.a, h, 0)
	m.a.c.SetReady(s, h.sent < h.length)
}

// send appends some of a body, and its end.
func (m *model) send(e *end, h *half, most int) {
	if !h.headSent || !h.s.State().canSend() {
		return
	}
	n := min(h.length-h.sent, most)
	p := make([]byte, n)
	for i := range p {
		p[i] = octet(e.name, h.s.ID(), h.sent+i)
	}
	last := h.sent+n == h.length
	k, err := e.c.AppendData(h.s, p, last && !h.trailers)
	if err != nil {
		m.t.Fatal(err)
	}
	h.sent += k
	if h.sent == h.length && h.trailers {
		_ = e.c.AppendTrailers(h.s, fieldsOf([]string{"x-length", fmt.Sprint(h.length)}))
	}
}

// deliver moves some bytes from one end to the other.
func (m *model) deliver(from, to *end, most int) {
	p := from.c.Pending()
	n := m.r.IntN(len(p) + 1)
	from.wire = append(from.wire, p[:n]...)
	from.c.Wrote(n)
	n = min(len(from.wire), most)
	b := append([]byte(nil), from.wire[:n]...)
	from.wire = from.wire[n:]
	for {
		k, ev, err := to.c.Feed(b, 0)
		if err != nil {
			m.t.Fatalf("%s: %v", to.name, err)
		}
		b = b[k:]
		if ev == nil {
			return
		}
		m.event(from, to, ev)
	}
}

func (m *model) event(from, to *end, ev *Event) {
	if ev.Stream == nil {
		return
	}
	h := to.streams[ev.Stream]
	switch ev.Kind {
	case EventHeaders:
		if h == nil {
			h = m.add(to, ev.Stream)
			if err := to.c.AppendResponse(h.s, 200, nil, false); err != nil {
				m.t.Fatal(err)
			}
			h.headSent = true
			m.send(to, h, 0)
			to.c.SetReady(h.s, h.sent < h.length)
		}
	case EventData:
		for i, c := range ev.Data {
			if c != octet(from.name, h.s.ID(), h.received+i) {
				m.t.Fatalf("%s: stream %d differs at %d", to.name, h.s.ID(), h.received+i)
			}
		}
		h.received += len(ev.Data)
		h.held += len(ev.Data)
	case EventReset:
		if ev.Local {
			m.t.Fatalf("%s: %s", to.name, ev.Reason)
		}
	case EventRefused:
		m.t.Fatalf("%s: %s", to.name, ev.Reason)
	}
	if ev.EndStream {
		if want := m.bodies[m.key(from, h.s.ID())]; h.received != want {
			m.t.Fatalf("%s: stream %d ended after %d of %d bytes", to.name, h.s.ID(), h.received, want)
		}
		h.completed = true
	}
}

// consume takes some of what has come.
func (m *model) consume(e *end, h *half, most int) {
	n := min(h.held, most)
	h.held -= n
	e.c.Consumed(h.s, n)
}

func (m *model) drop(e *end, i int) {
	h := e.list[i]
	e.c.Release(h.s)
	delete(e.streams, h.s)
	e.list = append(e.list[:i], e.list[i+1:]...)
	e.closed++
}

// step does one thing at random.
func (m *model) step() {
	from, to := m.a, m.b
	if m.r.IntN(2) == 0 {
		from, to = to, from
	}
	switch k := m.r.IntN(20); {
	case k < 2:
		m.open()
	case k < 8:
		if s := from.c.Next(); s != nil {
			m.send(from, from.streams[s], m.r.IntN(40_000))
		}
	case k < 15:
		m.deliver(from, to, m.r.IntN(1<<m.r.IntN(17)))
	default:
		if len(from.list) == 0 {
			return
		}
		i := m.r.IntN(len(from.list))
		h := from.list[i]
		switch {
		case h.s.State() == Closed && h.held == 0 || m.r.IntN(200) == 0:
			m.drop(from, i) // in rare cases amid everything
		case m.r.IntN(300) == 0:
			from.c.Reset(h.s, Cancel)
		default:
			m.consume(from, h, m.r.IntN(60_000))
		}
	}
}

// settle lets everything come to its end, but for streams that are reset.
func (m *model) settle() {
	for range 100_000 {
		idle := true
		for _, d := range [2][2]*end{{m.a, m.b}, {m.b, m.a}} {
			from, to := d[0], d[1]
			for s := from.c.Next(); s != nil; s = from.c.Next() {
				m.send(from, from.streams[s], 50_000)
				idle = false
			}
			for _, h := range from.list {
				if h.held > 0 {
					m.consume(from, h, h.held)
					idle = false
				}
			}
			if len(from.c.Pending())+len(from.wire) > 0 {
				m.deliver(from, to, 1<<20)
				idle = false
			}
		}
		if idle {
			return
		}
	}
	m.t.Fatal(errStuck)
}

// conserved checks that no byte of window was lost or made: at rest, what one end may send is what the other would take.
func (m *model) conserved() {
	for _, d := range [2][2]*end{{m.a, m.b}, {m.b, m.a}} {
		from, to := d[0], d[1]
		if from.c.sendWindow != to.c.recv.left {
			m.t.Fatalf("%s may send %d, %s takes %d", from.name, from.c.sendWindow, to.name, to.c.recv.left)
		}
		if r := to.c.recv; r.left+r.held+r.consumed != r.size {
			m.t.Fatalf("%s: %+v", to.name, r)
		}
		held := int32(0)
		for _, h := range to.list {
			if r := h.s.recv; r.left+r.held+r.consumed != r.size {
				m.t.Fatalf("%s, stream %d: %+v", to.name, h.s.ID(), r)
			}
			held += h.s.recv.held
			peer := from.c.streams.get(h.s.ID())
			if peer != nil && h.s.State().canReceive() && peer.sendWindow != h.s.recv.left {
				m.t.Fatalf("stream %d: %s may send %d, %s takes %d", h.s.ID(), from.name, peer.sendWindow, to.name, h.s.recv.left)
			}
		}
		if held != to.c.recv.held {
			m.t.Fatalf("%s: streams hold %d, the connection %d", to.name, held, to.c.recv.held)
		}
	}
}

// TestModel plays at random with two Conns: whatever is opened, sent, cut, consumed, reset and let go of, in whatever order, bodies
// arrive as they were sent, windows are conserved, and neither end ever finds fault with the other.
func TestModel(t *testing.T) {
	completed, closed := 0, 0
	for seed := range uint64(60) {
		m := newModel(t, seed)
		for range 1500 {
			m.step()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		m.settle()
		m.conserved()
		for _, e := range []*end{m.a, m.b} {
			for _, h := range e.list {
				if h.completed {
					completed++
				} else if h.s.State() != Closed && h.s.received == phaseBody && m.peerLives(e, h) {
					t.Fatalf("seed %d, %s: stream %d, %s, is not complete at rest: %d bytes", seed, e.name, h.s.ID(), h.s.State(), h.received)
				}
			}
			for len(e.list) > 0 {
				m.drop(e, 0)
			}
			closed += e.closed
		}
		m.settle()
		m.conserved()
		if m.a.c.Streams() != 0 || m.b.c.Streams() != 0 || m.b.c.Unreleased() != 0 {
			t.Fatalf("seed %d: streams are left", seed)
		}
	}
	if completed < 300 || closed < 3000 {
		t.Errorf("only %d bodies came whole and %d streams were closed: the model does too little", completed, closed)
	}
}

// peerLives tells whether the other end still knows the stream.
func (m *model) peerLives(e *end, h *half) bool {
	other := m.a
	if e == m.a {
		other = m.b
	}
	return other.c.streams.get(h.s.ID()) != nil
}
