package http2

import (
	"bytes"
	"testing"
)

// open opens streams with requests that have been received whole, and answers them but for their bodies.
func (s *script) open(n int) (all []*Stream) {
	for i := range n {
		id := StreamID(2*i + 1)
		s.feed(s.headers(id, true, get))
		if err := s.c.AppendResponse(s.streams[id], 200, nil, false); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, s.streams[id])
	}
	return all
}

func (s *script) data(st *Stream, p []byte) {
	if n, err := s.c.AppendData(st, p, false); n != len(p) || err != nil {
		s.t.Fatal(n, err)
	}
}

// wide lets a Conn send as much as is wanted.
func wide(s *script) {
	s.feed(WindowUpdateFrame{0, 1 << 30}.Append(AppendSettings(nil, Setting{SettingInitialWindowSize, 1 << 30})))
}

// TestPendingStays: what Pending has lent keeps its bytes until Wrote, however much is appended meanwhile and however often the
// buffer has to grow; other connections of the pool write over nothing of it.
func TestPendingStays(t *testing.T) {
	s := newScript(t, Server, nil)
	wide(s)
	streams := s.open(3)
	s.c.Wrote(s.c.Backlog())
	body := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
	s.data(streams[0], body[:1000])
	first := s.c.Pending()
	want := bytes.Clone(first)
	all := bytes.Clone(first)
	for _, n := range []int{10_000, 40_000, 100_000} {
		s.data(streams[1], body[:n])
		other := NewConn(Server, s.c.cfg, s.c.pool, 0)
		other.Close()
		if !bytes.Equal(first, want) {
			t.Fatalf("with %d bytes more it is not what was lent", n)
		}
		if now := s.c.Pending(); !bytes.HasPrefix(now, all) || len(now) != s.c.Backlog() {
			t.Fatalf("with %d bytes more, the beginning of what is pending has changed", n)
		}
		all = bytes.Clone(s.c.Pending())
	}
	s.c.Wrote(len(first))
	if !bytes.Equal(s.c.Pending(), all[len(first):]) {
		t.Error("the rest is another one")
	}
	s.c.Wrote(s.c.Backlog())
	if len(s.c.outgrown) != 0 || s.c.out != nil {
		t.Error("buffers are kept")
	}
}

// TestBuffersAreReused: bodies of any size that come together in the usual measure cost no allocation, also when the connection
// sends what it has in pieces.
func TestBuffersAreReused(t *testing.T) {
	s := newScript(t, Server, nil)
	s.c.pool.Poison = false
	wide(s)
	streams := s.open(4)
	s.c.Wrote(s.c.Backlog())
	body := make([]byte, 16<<10)
	for _, c := range []struct {
		name        string
		size, piece int
	}{{"small", 100, 1 << 20}, {"some KiB", 5000, 1 << 20}, {"full frames", 16 << 10, 1 << 20}, {"full frames in pieces", 16 << 10, 20_000}} {
		run := func() {
			lent := s.c.Pending()
			for _, st := range streams {
				s.data(st, body[:c.size])
			}
			s.c.Wrote(len(lent))
			for s.c.Backlog() > 0 {
				s.c.Wrote(min(len(s.c.Pending()), c.piece))
			}
		}
		run()
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
