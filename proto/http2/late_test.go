package http2

import (
	"testing"
)

// TestLateFrames: what a server sent before it saw that a stream was given up costs the connection nothing, up to all that
// the stream's window allowed, and none of the connection's window is lost by it.
func TestLateFrames(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(s *script, st *Stream)
	}{
		{"reset", func(s *script, st *Stream) { s.c.Reset(st, Cancel) }},
		{"released", func(s *script, st *Stream) { s.c.Release(st) }},
		{"gone", func(s *script, st *Stream) { s.feed(GoAwayFrame{Last: 1}.Append(nil)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Client, nil)
			s.request("GET", "/innocent", true)
			st := s.request("GET", "/", true)
			c.end(s, st)
			s.outcome()
			s.feed(s.headers(3, false, ":status=200|x-late=first"))
			message := zeros[:40]
			for left := s.c.cfg.StreamWindow; left >= len(message); left -= len(message) {
				s.feed(DataFrame{3, false, message}.Append(nil))
			}
			s.feed(DataFrame{3, true, nil}.Append(nil), ResetFrame{3, Cancel}.Append(nil))
			if s.err != nil {
				t.Fatal(s.err)
			}
			if left, burst := s.c.controls.left, int32(s.c.cfg.Control.Burst); left != burst {
				t.Errorf("%d of %d left", left, burst)
			}
			if r := s.c.recv; r.held != 0 || r.left+r.consumed != r.size {
				t.Errorf("the connection's window is %+v", r)
			}
			s.outcome()
			s.feed(s.headers(1, true, ":status=200|x-late=first")) // from HPACK's table
			s.want("headers 1 end: 200|x-late=first")
		})
	}
}

// TestLateUploads: what a client sent before it saw that its stream has ended, or was not opened, costs the connection nothing either, in
// whatever pieces it comes.
func TestLateUploads(t *testing.T) {
	const (
		post = ":method=POST|:scheme=https|:path=/|:authority=x"
		id   = StreamID(3) // 1 goes on
	)
	open := func(s *script) *Stream {
		s.feed(s.headers(id, false, post))
		return s.streams[id]
	}
	for _, c := range []struct {
		name string
		cost int32 // of what comes before
		end  func(s *script)
	}{
		{"reset", 0, func(s *script) { s.c.Reset(open(s), Cancel) }},
		{"answered at once", 0, func(s *script) {
			st := open(s)
			if err := s.c.AppendResponse(st, 200, nil, true); err != nil {
				s.t.Fatal(err)
			}
			s.c.Release(st)
		}},
		{"faulty", 0, func(s *script) { open(s); s.feed(WindowUpdateFrame{id, maxWindow}.Append(nil)) }},
		{"malformed", 0, func(s *script) { s.feed(s.headers(id, false, ":method=POST")) }},
		{"one too many", costFrame, func(s *script) { s.feed(s.headers(id, false, post), s.headers(id+2, false, post)) }},
		{"gone", costFrame, func(s *script) { s.c.Drain(); s.c.Drain(); s.feed(s.headers(id, false, post)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Server, func(c *Config) { c.MaxConcurrentStreams = 2 })
			s.feed(s.headers(1, false, post))
			c.end(s)
			s.outcome()
			before := min(s.c.controls.left, int32(s.c.cfg.Control.Burst))
			late := id
			if c.name == "one too many" {
				late += 2
			}
			message := zeros[:9]
			for left := s.c.cfg.StreamWindow; left >= len(message); left -= len(message) {
				s.feed(DataFrame{late, false, message}.Append(nil))
			}
			s.feed(DataFrame{late, true, nil}.Append(nil), ResetFrame{late, Cancel}.Append(nil))
			if s.err != nil {
				t.Fatal(s.err)
			}
			if left := s.c.controls.left; left != before {
				t.Errorf("%d of %d left", left, before)
			}
			if r := s.c.recv; r.held != 0 || r.left+r.consumed != r.size {
				t.Errorf("the connection's window is %+v", r)
			}
			s.outcome()
			s.feed(DataFrame{1, true, []byte("x")}.Append(nil))
			s.want("data 1 end: x")
		})
	}
}

// TestLateIsBounded: streams of which nothing more came add up to what the connection's window lets be on its way, and no further.
func TestLateIsBounded(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		s := newScript(t, role, nil)
		for n := range 1000 {
			st := (*Stream)(nil)
			if role == Client {
				st = s.request("GET", "/", true)
			} else {
				s.feed(s.headers(id(n), false, ":method=POST|:scheme=https|:path=/|:authority=x"))
				st = s.streams[id(n)]
			}
			s.c.Release(st)
			s.outcome()
		}
		if got, most := s.c.late.bytes, int64(s.c.cfg.ConnectionWindow); s.err != nil || got != most {
			t.Errorf("%d bytes may come late, want %d; %v", got, most, s.err)
		}
	}
}

// TestLateWithoutEnd: a server that goes on and on where its stream has been given up is a flood all the same.
func TestLateWithoutEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame func(s *script) []byte
		most  int
	}{
		{"DATA", func(*script) []byte { return DataFrame{1, false, zeros[:64]}.Append(nil) }, 1024 + 1001},
		{"empty DATA", func(*script) []byte { return DataFrame{1, false, nil}.Append(nil) }, lateFrames + 1001},
		{"HEADERS", func(s *script) []byte { return s.headers(1, false, ":status=103") }, lateFrames + 1001},
		{"RST_STREAM", func(*script) []byte { return ResetFrame{1, Cancel}.Append(nil) }, lateFrames + 1001},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Client, nil)
			s.c.Reset(s.request("GET", "/", true), Cancel)
			s.outcome()
			n := 0
			for ; n < 2*c.most && s.err == nil; n++ {
				s.feed(c.frame(s))
			}
			if want := (ConnectionError{EnhanceYourCalm, tooManyControls}); n != c.most || s.err != want {
				t.Errorf("%d frames, want %d; %v", n, c.most, s.err)
			}
		})
	}
}

// TestLateForOldStreams: it does not matter how many streams have been given up since.
func TestLateForOldStreams(t *testing.T) {
	s := newScript(t, Client, nil)
	for n := range 2000 {
		st := s.request("GET", "/", true)
		s.c.Release(st)
		s.outcome()
		if n == 0 {
			s.request("GET", "/innocent", true) // 3
		}
	}
	s.feed(s.headers(1, false, ":status=200|x=y"), DataFrame{1, true, zeros[:100]}.Append(nil), s.headers(3, true, ":status=200|x=y"))
	s.want("headers 3 end: 200|x=y")
	// What the server has ended itself, and of late, is still held against it.
	s.feed(DataFrame{3, true, zeros[:100]}.Append(nil))
	s.want("-> GOAWAY 0 STREAM_CLOSED !! connection STREAM_CLOSED")
}

// TestLateForRefused: a client that has not seen SETTINGS yet sends the requests that it has, more than may be open at a time by far.
// What it had sent of those that are refused costs it none of the others.
func TestLateForRefused(t *testing.T) {
	s := newScript(t, Server, func(c *Config) { c.MaxConcurrentStreams = 1 })
	const all = 100
	for id := StreamID(1); id < 2*all; id += 2 {
		s.feed(s.headers(id, false, ":method=POST|:scheme=https|:path=/|:authority=x"))
	}
	s.outcome()
	for id := StreamID(3); id < 2*all; id += 2 {
		s.feed(DataFrame{id, false, zeros[:100]}.Append(nil), s.headers(id, true, "x-sum=1"))
	}
	s.feed(DataFrame{1, true, nil}.Append(nil))
	if s.err != nil {
		t.Fatal(s.err)
	}
	s.want("data 1 end:")
}

// TestEndBelowWindow: what a client had sent before it knew how small windows are here leaves it less than none, and its end needs none.
func TestEndBelowWindow(t *testing.T) {
	s := newScript(t, Server, func(c *Config) { c.StreamWindow = 1024 })
	s.c.settingsAcked = false // the client has not seen them
	s.feed(s.headers(1, false, ":method=POST|:scheme=https|:path=/|:authority=x"))
	s.consume = false
	for range 3 {
		s.feed(DataFrame{1, false, zeros[:16384]}.Append(nil))
	}
	s.feed(AppendSettingsAck(nil))
	if left := s.streams[1].recv.left; left >= 0 {
		t.Fatalf("the window is %d", left)
	}
	s.outcome()
	s.feed(DataFrame{1, true, nil}.Append(nil))
	s.want("data 1 end:")
}
