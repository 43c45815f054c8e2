package http2

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// flood is an attack on the pure object: next is the n-th blow.
type flood struct {
	name   string
	change func(*Config)
	setup  func(*script)
	next   func(s *script, n int) []byte
	most   int // blows until it must be over
	reason string
}

func id(n int) StreamID { return StreamID(2*n + 1) }

func floods() []flood {
	none := func(*script) {}
	opened := func(s *script) { s.feed(s.headers(1, false, ":method=POST|:scheme=http|:authority=a|:path=/")) }
	unfinished := func(s *script) {
		s.feed(HeadersFrame{Stream: 1, Fragment: s.fields(get)}.Append(nil))
	}
	const calm, faulty = "too many frames that bring nothing forward", "too many faulty streams"
	return []flood{
		{"rapid reset (CVE-2023-44487)", nil, none, func(s *script, n int) []byte {
			return append(s.headers(id(n), true, get), ResetFrame{id(n), Cancel}.Append(nil)...)
		}, 201, "too many streams reset"},
		{"made you reset (CVE-2025-8671), by an update of nought", nil, none, func(s *script, n int) []byte {
			return append(s.headers(id(n), false, get), WindowUpdateFrame{id(n), 0}.Append(nil)...)
		}, 101, faulty},
		{"made you reset, by a window that overflows", nil, none, func(s *script, n int) []byte {
			return append(s.headers(id(n), false, get), WindowUpdateFrame{id(n), maxWindow}.Append(nil)...)
		}, 101, faulty},
		{"made you reset, by DATA after the end", nil, none, func(s *script, n int) []byte {
			return append(s.headers(id(n), true, get), DataFrame{id(n), false, []byte("x")}.Append(nil)...)
		}, 101, faulty},
		{"made you reset, by PRIORITY of a wrong length", nil, none, func(s *script, n int) []byte {
			return append(s.headers(id(n), false, get), append(FrameHeader{4, FramePriority, 0, id(n)}.Append(nil), 0, 0, 0, 0)...)
		}, 101, faulty},
		{"made you reset, by a body of the wrong length", nil, none, func(s *script, n int) []byte {
			return append(s.headers(id(n), false, get+"|content-length=1"), DataFrame{id(n), false, []byte("xx")}.Append(nil)...)
		}, 101, faulty},
		{"malformed requests", nil, none, func(s *script, n int) []byte { return s.headers(id(n), true, ":method=GET") }, 101, faulty},
		{"streams beyond the limit", nil, func(s *script) { s.release = false }, func(s *script, n int) []byte { return s.headers(id(n), false, get) }, 1129, calm},
		{"CONTINUATION without end (CVE-2024-27316)", nil, unfinished, func(*script, int) []byte {
			return ContinuationFrame{1, false, append([]byte{0, 1, 'x', 0x7f, 0x81, 0x1e}, zeros[:4000]...)}.Append(nil)
		}, 17, "a field section in too many frames"},
		{"CONTINUATION of nothing", nil, unfinished, func(*script, int) []byte { return ContinuationFrame{1, false, nil}.Append(nil) }, 17, "a field section in too many frames"},
		{"a block that is too large", nil, unfinished, func(*script, int) []byte {
			return ContinuationFrame{1, false, zeros[:16384]}.Append(nil)
		}, 4, "a field section that is too large"},
		{"HPACK bomb", nil, func(s *script) { s.feed(s.headers(1, true, get+"|x-big="+strings.Repeat("b", 3900))) }, func(_ *script, n int) []byte {
			return HeadersFrame{Stream: id(n + 1), EndHeaders: true, Fragment: bytes.Repeat([]byte{0x80 | 62}, 16000)}.Append(nil)
		}, 1, "a field section that is too large by far"},
		{"an endless string", nil, none, func(*script, int) []byte {
			return HeadersFrame{Stream: 1, EndHeaders: true, Fragment: []byte{0, 1, 'x', 0x7f, 0x81, 0x80, 0x80, 0x01, 'y'}}.Append(nil)
		}, 1, "a field that is too large"},
		{"requests that are too large", nil, none, func(s *script, n int) []byte {
			return blockFrames(id(n), append(s.fields(get), bytes.Repeat(literal("x", strings.Repeat("y", 6000)), 8)...))
		}, 21, faulty},
		{"SETTINGS", nil, none, func(_ *script, n int) []byte {
			return AppendSettings(nil, Setting{SettingInitialWindowSize, uint32(n)})
		}, 101, calm},
		{"SETTINGS acknowledged that nobody sent", nil, none, func(*script, int) []byte { return AppendSettingsAck(nil) }, 101, calm},
		{"SETTINGS of many parameters", nil, none, func(*script, int) []byte {
			return AppendSettings(nil, make([]Setting, maxSettings+1)...)
		}, 1, "SETTINGS with too many parameters"},
		{"PING", nil, none, func(*script, int) []byte { return PingFrame{}.Append(nil) }, 1001, calm},
		{"PING answered that nobody asked", nil, none, func(*script, int) []byte { return PingFrame{Ack: true}.Append(nil) }, 1001, calm},
		{"PING by who does not read", func(c *Config) { c.Control = Budget{1 << 20, 1} }, none, func(*script, int) []byte { return PingFrame{}.Append(nil) }, 1001, "too many answers wait to be read"},
		{"empty DATA (CVE-2019-9518)", nil, opened, func(*script, int) []byte { return DataFrame{1, false, nil}.Append(nil) }, 1001, calm},
		{"DATA of padding", nil, opened, func(*script, int) []byte {
			return append(append(FrameHeader{101, FrameData, FlagPadded, 1}.Append(nil), 100), zeros[:100]...)
		}, 1001, calm},
		{"PRIORITY (CVE-2019-9513)", nil, none, func(_ *script, n int) []byte {
			return PriorityFrame{id(n % 1000), StreamDependency{Parent: 4}}.Append(nil)
		}, 1001, calm},
		{"PRIORITY_UPDATE", nil, none, func(_ *script, n int) []byte { return PriorityUpdateFrame{id(n), []byte("u=1")}.Append(nil) }, 1001, calm},
		{"WINDOW_UPDATE", nil, none, func(*script, int) []byte { return WindowUpdateFrame{0, 1}.Append(nil) }, 1001, calm},
		{"unknown frames", nil, none, func(_ *script, n int) []byte { return FrameHeader{0, FrameType(0x20 + n%100), 0, 0}.Append(nil) }, 1001, calm},
		{"RST_STREAM for what is closed", nil, func(s *script) { s.feed(s.headers(9, true, get)) }, func(*script, int) []byte { return ResetFrame{1, Cancel}.Append(nil) }, 1001, calm},
		{"DATA for what was reset", func(c *Config) { c.StreamWindow = 1024 }, func(s *script) { opened(s); s.c.Reset(s.streams[1], Cancel) }, func(*script, int) []byte { return DataFrame{1, false, []byte("x")}.Append(nil) }, 1024 + 1001, calm},
		{"empty DATA for what was reset", nil, func(s *script) { opened(s); s.c.Reset(s.streams[1], Cancel) }, func(*script, int) []byte { return DataFrame{1, false, nil}.Append(nil) }, lateFrames + 1001, calm},
	}
}

// literal encodes a field without x/net's encoder, which would index it.
func literal(name, value string) []byte {
	var e encoder
	e.literal(0, 0, []byte(name), []byte(value))
	return e.dst
}

// blockFrames cuts a field section into frames that are as large as they may be.
func blockFrames(id StreamID, block []byte) []byte {
	first := block[:min(len(block), MinMaxFrameSize)]
	block = block[len(first):]
	out := HeadersFrame{Stream: id, EndStream: true, EndHeaders: len(block) == 0, Fragment: first}.Append(nil)
	for len(block) > 0 {
		part := block[:min(len(block), MinMaxFrameSize)]
		block = block[len(part):]
		out = ContinuationFrame{id, len(block) == 0, part}.Append(out)
	}
	return out
}

// TestFloods: every attack is ended after the number of blows that its budget names, with ENHANCE_YOUR_CALM and the reason that
// fits, and what it made us keep is bounded.
func TestFloods(t *testing.T) {
	for _, f := range floods() {
		t.Run(f.name, func(t *testing.T) {
			s := newScript(t, Server, f.change)
			s.release = true
			f.setup(s)
			if s.err != nil {
				t.Fatal(s.err)
			}
			n := 0
			for ; n < 2*f.most && s.err == nil; n++ {
				s.feed(f.next(s, n))
				for _, st := range s.streams { // the application does its part
					if st.State() == Closed && s.release {
						s.c.Release(st)
						delete(s.streams, st.ID())
					}
				}
			}
			want := ConnectionError{EnhanceYourCalm, f.reason}
			if n != f.most || s.err != want {
				t.Errorf("%d blows, want %d; %v, want %v", n, f.most, s.err, want)
			}
			if kept := len(s.c.Pending()); kept > 32<<10 {
				t.Errorf("%d bytes wait to be sent", kept)
			}
			if len(s.c.endings.ours.ids) > s.c.endings.limit || len(s.c.early) > maxEarlyPriorities {
				t.Error("a list is not bounded")
			}
		})
	}
}

// TestBudgetsFillWithTime: the same blows, slow enough, are borne for ever.
func TestBudgetsFillWithTime(t *testing.T) {
	for _, f := range floods() {
		if f.most != 1001 && f.most != 201 && f.most != 101 || f.name == "PING by who does not read" || strings.HasPrefix(f.name, "streams beyond") {
			continue
		}
		s := newScript(t, Server, f.change)
		s.release = true
		f.setup(s)
		for n := 0; n < 3*f.most && s.err == nil; n++ {
			s.now += int64(100 * time.Millisecond)
			s.feed(f.next(s, n))
			s.events = nil
			s.c.Wrote(len(s.c.Pending()))
		}
		if s.err != nil {
			t.Errorf("%s: %v", f.name, s.err)
		}
	}
}

// TestBusyPeersAreNoFlood: a peer that answers each DATA frame with two WINDOW_UPDATE and a PING (as grpc-go does while it
// measures the bandwidth) may do so without end and without time passing.
func TestBusyPeersAreNoFlood(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(s.headers(1, true, get))
	st := s.streams[1]
	if err := s.c.AppendResponse(st, 200, nil, false); err != nil {
		t.Fatal(err)
	}
	for range 10000 {
		if n, err := s.c.AppendData(st, []byte("a small message"), false); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		s.feed(WindowUpdateFrame{0, 15}.Append(nil), WindowUpdateFrame{1, 15}.Append(nil), PingFrame{}.Append(nil))
		if s.err != nil {
			t.Fatal(s.err)
		}
		s.events = nil
		s.c.Wrote(len(s.c.Pending()))
	}
}

// TestAnswersThatAreRead: a peer that is sent to all the time may ask as often as it likes, as long as it reads what it is answered, however
// little of that leaves at a time. What waits still counts.
func TestAnswersThatAreRead(t *testing.T) {
	const most = 100
	for _, c := range []struct {
		name  string
		piece int // bytes of a write; 0: all that is pending
	}{{"whole", 0}, {"in pieces", 10}, {"by bytes", 1}} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Server, func(c *Config) { c.Control.Burst, c.MaxReplies = 1<<20, most })
			ping := PingFrame{}.Append(nil)
			s.feed(ping)
			for range 20 * most {
				for lent := s.c.Pending(); ; lent = s.c.Pending() {
					n := len(lent)
					if c.piece > 0 {
						n = min(n, c.piece)
					}
					if last := n == len(lent); last {
						s.feed(ping) // while the last write goes on, so that the buffer is never empty
						s.c.Wrote(n)
						break
					}
					s.c.Wrote(n)
				}
				if s.err != nil {
					t.Fatal(s.err)
				}
			}
			if got := s.c.replies.waiting; got > 2 {
				t.Errorf("%d answers count, with %d bytes to be sent", got, s.c.Backlog())
			}
			n := 0
			for ; n < 2*most && s.err == nil; n++ { // nothing is sent any more
				s.feed(ping)
			}
			if want := (ConnectionError{EnhanceYourCalm, tooManyReplies}); s.err != want || n > most || n < most-2 {
				t.Errorf("after %d more: %v, want %v", n, s.err, want)
			}
		})
	}
}

// TestReturnedWindows: a peer that was slow returns its whole window at once, by small frames, as Go's client does 4 KiB by 4 KiB.
// Bytes that were never sent are none of it.
func TestReturnedWindows(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 4 << 20}), WindowUpdateFrame{0, 8 << 20}.Append(nil), s.headers(1, true, get))
	st := s.streams[1]
	if err := s.c.AppendResponse(st, 200, nil, false); err != nil {
		t.Fatal(err)
	}
	const updates, size = 4000, 1000
	for range updates {
		if n, err := s.c.AppendData(st, zeros[:size], false); n != size || err != nil {
			t.Fatal(n, err)
		}
	}
	for range updates {
		s.feed(WindowUpdateFrame{0, size}.Append(nil), WindowUpdateFrame{1, size}.Append(nil))
	}
	if s.err != nil {
		t.Error(s.err)
	}
	n := 0
	for ; n < 5000 && s.err == nil; n++ {
		s.feed(WindowUpdateFrame{0, size}.Append(nil))
	}
	if s.err != errCalm || n > 1001 {
		t.Errorf("%d updates more: %v", n, s.err)
	}
}

// TestDribble (CVE-2019-9511): a peer that opens its windows by a byte at a time earns nothing by the frames that it gets for it.
func TestDribble(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 1}), s.headers(1, true, get))
	st := s.streams[1]
	_ = s.c.AppendResponse(st, 200, nil, false)
	s.c.SetReady(st, true)
	n := 0
	for ; n < 5000 && s.err == nil; n++ {
		if s.c.Next() == st {
			_, _ = s.c.AppendData(st, zeros[:1000], false)
		}
		s.c.Wrote(len(s.c.Pending()))
		s.feed(WindowUpdateFrame{1, 1}.Append(nil))
	}
	if s.err != errCalm || n > 1001 {
		t.Errorf("%d updates: %v", n, s.err)
	}
}

// TestStreamsCountUntilReleased: streams that the peer resets still count until the application lets go of them.
func TestStreamsCountUntilReleased(t *testing.T) {
	s := newScript(t, Server, func(c *Config) { c.MaxConcurrentStreams = 2 })
	s.feed(s.headers(1, true, get), ResetFrame{1, Cancel}.Append(nil), s.headers(3, true, get), ResetFrame{3, Cancel}.Append(nil), s.headers(5, true, get))
	if out := s.sent(); out != "RST_STREAM 5 REFUSED_STREAM" || s.c.Streams() != 0 || s.c.Unreleased() != 2 {
		t.Errorf("%s, %d streams, %d not released", out, s.c.Streams(), s.c.Unreleased())
	}
	s.c.Release(s.streams[1])
	s.feed(s.headers(7, true, get))
	if out := s.sent(); out != "" || s.c.Streams() != 1 {
		t.Errorf("%s, %d streams", out, s.c.Streams())
	}
}

// TestStalls: who leaves no window is told of after StallTimeout, again and again, also if it doles out bytes; who takes what
// it is sent, or waits behind others, is not.
func TestStalls(t *testing.T) {
	const second = int64(time.Second)
	s := newScript(t, Server, nil)
	timeout := int64(s.c.cfg.StallTimeout)
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 100}), s.headers(1, true, get), s.headers(3, true, get), s.headers(5, true, get))
	for _, st := range s.streams {
		_ = s.c.AppendResponse(st, 200, nil, false)
		s.c.SetReady(st, st.ID() != 5)
	}
	_, _ = s.c.AppendData(s.streams[1], zeros[:1000], false)
	s.c.dropRepeated() // which has a time of its own
	if d := s.c.Deadline(); d != timeout {
		t.Errorf("deadline %d", d)
	}
	tick := func(want string) {
		t.Helper()
		got := ""
		for {
			ev, err := s.c.Tick(s.now)
			if err != nil {
				t.Fatal(err)
			}
			if ev == nil {
				break
			}
			got += describeEvent(ev) + ";"
		}
		if got != want {
			t.Errorf("at %d s: %q, want %q", s.now/second, got, want)
		}
	}
	s.now = timeout - 1
	tick("")
	s.now = timeout
	tick("stalled 1;") // 3 has a window
	for range 29 {     // one byte a second is no progress
		s.now += second
		s.feed(WindowUpdateFrame{1, 1}.Append(nil))
		_, _ = s.c.AppendData(s.streams[1], zeros[:1000], false)
		tick("")
	}
	s.now += second
	tick("stalled 1;")
	s.feed(WindowUpdateFrame{1, 500}.Append(nil))
	_, _ = s.c.AppendData(s.streams[1], zeros[:1000], false)
	s.now += timeout - 1
	tick("")
	// The connection's window stalls all.
	s.feed(WindowUpdateFrame{3, 1 << 20}.Append(nil))
	for s.c.Next() != nil {
		_, _ = s.c.AppendData(s.streams[3], zeros[:16384], false)
		s.c.Wrote(len(s.c.Pending()))
	}
	s.now += 2 * timeout
	got := 0
	for ev, _ := s.c.Tick(s.now); ev != nil; ev, _ = s.c.Tick(s.now) {
		got++
	}
	if got != 2 {
		t.Errorf("%d stalled, want both that have data", got)
	}
}

// TestTimeouts: SETTINGS that are not acknowledged, a field section that does not end.
func TestTimeouts(t *testing.T) {
	cfg := DefaultConfig()
	c := NewConn(Server, &cfg, NewPool(), 5)
	if d := c.Deadline(); d != 5+int64(cfg.SettingsTimeout) {
		t.Errorf("deadline %d", d)
	}
	if _, err := c.Tick(c.Deadline() - 1); err != nil {
		t.Error(err)
	}
	if _, err := c.Tick(c.Deadline()); bare(err) != "connection SETTINGS_TIMEOUT" {
		t.Error(err)
	}
	s := newScript(t, Server, nil)
	s.now = 100
	s.feed(HeadersFrame{Stream: 1, Fragment: s.fields(get)}.Append(nil))
	if d := s.c.Deadline(); d != 100+int64(cfg.HeaderTimeout) {
		t.Errorf("deadline %d", d)
	}
	if _, err := s.c.Tick(s.c.Deadline()); bare(err) != "connection ENHANCE_YOUR_CALM" {
		t.Error(err)
	}
	if d := s.c.Deadline(); d != 0 {
		t.Errorf("a deadline after the end: %d", d)
	}
}

// TestBombCosts: the largest field sections that a peer can send make us keep no more than the Config says.
func TestBombCosts(t *testing.T) {
	var before, after runtime.MemStats
	cfg := DefaultConfig()
	pool := NewPool()
	var conns []*Conn
	fragment := bytes.Repeat(literal("x", strings.Repeat("y", 16000)), 3)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 100 {
		c := NewConn(Server, &cfg, pool, 0)
		input := append([]byte(ClientPreface), AppendSettings(nil)...)
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}} {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		block.Write(fragment)
		input = append(input, blockFrames(1, block.Bytes())...)
		for {
			n, ev, err := c.Feed(input, 0)
			if err != nil {
				t.Fatal(err)
			}
			if input = input[n:]; ev == nil {
				break
			}
			if ev.Kind == EventHeaders {
				if !ev.Message.TooLarge {
					t.Fatal("not too large")
				}
				c.Release(ev.Stream)
			}
		}
		c.Wrote(len(c.Pending()))
		conns = append(conns, c)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(len(conns)); each > 8<<10 {
		t.Errorf("%d bytes a connection", each)
	}
	runtime.KeepAlive(conns)
}

// TestStallsCountFromNow: a stream that gets data to send when its peer has been silent for long has all of the timeout.
func TestStallsCountFromNow(t *testing.T) {
	s := newScript(t, Server, nil)
	timeout := int64(s.c.cfg.StallTimeout)
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 100}), s.headers(1, true, get))
	st := s.streams[1]
	began := 3 * timeout
	s.c.SetNow(began)
	_ = s.c.AppendResponse(st, 200, nil, false)
	s.c.SetReady(st, true)
	if d := s.c.Deadline(); d != began+timeout {
		t.Errorf("deadline %d, want %d", d, began+timeout)
	}
	sent := began + timeout/2
	s.c.SetNow(sent)
	if n, _ := s.c.AppendData(st, zeros[:1000], false); n != 100 {
		t.Fatalf("%d bytes went", n)
	}
	for _, c := range []struct {
		at   int64
		want bool
	}{{began + timeout, false}, {sent + timeout - 1, false}, {sent + timeout, true}} {
		ev, err := s.c.Tick(c.at)
		if err != nil || (ev != nil && ev.Kind == EventStalled) != c.want {
			t.Errorf("%d after it sent: %v, %v", c.at-sent, ev, err)
		}
	}
	s.c.SetNow(0)
	if s.c.now != sent+timeout {
		t.Error("time went back")
	}
}

// TestStallsBehindOthers: a stream is not stalled while the connection's window goes to one that is more urgent, but it is when that
// gets nothing more either.
func TestStallsBehindOthers(t *testing.T) {
	s := newScript(t, Server, nil)
	timeout := int64(s.c.cfg.StallTimeout)
	s.feed(AppendSettings(nil), s.headers(1, true, get), s.headers(3, true, get))
	first, behind := s.streams[1], s.streams[3]
	s.c.SetPriority(behind, Priority{Urgency: 7})
	for _, st := range s.streams {
		_ = s.c.AppendResponse(st, 200, nil, false)
		s.c.SetReady(st, true)
	}
	part := make([]byte, 1<<14)
	send := func() {
		for s.c.Next() == first {
			if n, err := s.c.AppendData(first, part, false); n == 0 || err != nil {
				t.Fatalf("%d bytes, %v", n, err)
			}
		}
		if s.c.Next() != nil {
			t.Fatal("the other has a window")
		}
		s.c.Wrote(len(s.c.Pending()))
	}
	send()
	at := int64(0)
	for at < 3*timeout {
		at += timeout / 2
		if ev, err := s.c.Tick(at); ev != nil || err != nil {
			t.Fatalf("at %d of %d: %v, %v", at, timeout, ev, err)
		}
		s.now = at
		s.feed(WindowUpdateFrame{0, 1 << 14}.Append(nil), WindowUpdateFrame{1, 1 << 14}.Append(nil))
		send()
	}
	if ev, err := s.c.Tick(at + timeout); ev == nil || ev.Kind != EventStalled || err != nil {
		t.Errorf("%v, %v", ev, err)
	}
}
