package http2

import (
	"bytes"
	"strings"
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

// TestTail: what follows DATA of the same stream joins that frame, as far as a frame, the windows and what is lent already allow; so
// does the end.
func TestTail(t *testing.T) {
	s := newScript(t, Server, nil)
	streams := s.open(2)
	s.outcome()
	a, b := streams[0], streams[1]
	add := func(st *Stream, n int, end bool) {
		t.Helper()
		if k, err := s.c.AppendData(st, zeros[:n], end); k != n || err != nil {
			t.Fatal(k, err)
		}
	}
	for range 100 {
		add(a, 10, false)
	}
	s.want("-> DATA 1: 1000")
	add(a, 16000, false)
	add(a, 500, false)
	add(a, 10, false)
	s.want("-> DATA 1: 16384, DATA 1: 126")
	add(a, 10, false)
	add(b, 20, false)
	add(a, 30, false) // not across another's
	add(b, 0, false)
	s.c.Ping([8]byte{})
	add(a, 0, true) // but the end
	add(b, 0, true)
	s.want("-> DATA 1: 10, DATA 3: 20, DATA 1: 30 end, PING 0000000000000000, DATA 3: 0 end")
	if a.State() != Closed || b.State() != Closed {
		t.Error(a.State(), b.State())
	}
}

// TestTailIsLent: a frame that is being sent does not change, nor does one whose payload comes from elsewhere.
func TestTailIsLent(t *testing.T) {
	s := newScript(t, Server, nil)
	a := s.open(1)[0]
	s.outcome()
	s.data(a, zeros[:10])
	lent := s.c.Pending()
	want := bytes.Clone(lent)
	s.data(a, zeros[:20])
	s.data(a, zeros[:20])
	if !bytes.Equal(lent, want) {
		t.Errorf("%x was %x when it was lent", lent, want)
	}
	s.c.Wrote(5) // in pieces
	s.data(a, zeros[:30])
	list, _ := describeFrames(t, s.dec, append(want[:5], s.c.Pending()...))
	if got := strings.Join(list, ", "); got != "DATA 1: 10, DATA 1: 40, DATA 1: 30" {
		t.Error(got)
	}
	s.c.Wrote(s.c.Backlog())
	s.data(a, zeros[:1])
	if n, err := s.c.AppendDataHeader(a, 3, false); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	_, _ = s.c.AppendData(a, nil, true)
	list, _ = describeFrames(t, s.dec, append(append(s.c.Pending()[:19:19], zeros[:3]...), s.c.Pending()[19:]...))
	if got := strings.Join(list, ", "); got != "DATA 1: 1, DATA 1: 3, DATA 1: 0 end" {
		t.Error(got)
	}
}

// TestTailTakesWindow: what joins a frame counts against both windows, and waits for them.
func TestTailTakesWindow(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 100}))
	streams := s.open(1)
	s.outcome()
	a := streams[0]
	before := s.c.sendWindow
	s.data(a, zeros[:60])
	if n, err := s.c.AppendData(a, zeros[:60], true); n != 40 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := s.c.AppendData(a, zeros[:20], true); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if a.sendWindow != 0 || before-s.c.sendWindow != 100 || a.State() != HalfClosedRemote {
		t.Error(a.sendWindow, before-s.c.sendWindow, a.State())
	}
	s.want("-> DATA 1: 100")
	s.feed(WindowUpdateFrame{1, 20}.Append(nil))
	s.data(a, zeros[:20])
	_, _ = s.c.AppendData(a, nil, true)
	s.want("window 1 -> DATA 1: 20 end")
}
