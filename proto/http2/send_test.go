package http2

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ringway/ringway/proto/header"
)

// request opens a stream at a client.
func (s *script) request(method, path string, end bool) *Stream {
	s.t.Helper()
	st, err := s.c.AppendRequest(&RequestHead{Method: []byte(method), Scheme: "https", Authority: []byte("a:1"), Path: []byte(path)}, nil, end)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

func TestSendRequests(t *testing.T) {
	s := newScript(t, Client, nil)
	s.feed(AppendSettings(nil, Setting{SettingEnableConnectProtocol, 1}))
	s.outcome()
	f := fieldsOf([]string{"Host", "b", "Accept", "*/*", "Connection", "x", "Keep-Alive", "1", "Upgrade", "h2c", "HTTP2-Settings", "AA",
		"Transfer-Encoding", "chunked", "TE", "gzip, Trailers", "X-Mixed-Case", "V", "Authorization", "secret"})
	f.Field(8).Flags |= header.HopByHop
	for _, c := range []struct {
		head RequestHead
		want string
	}{
		{RequestHead{Method: []byte("GET"), Scheme: "https", Authority: []byte("a"), Path: []byte("/p"), Query: []byte("q=1"), HasQuery: true},
			"|:method=GET|:scheme=https|:path=/p?q=1|:authority=a|accept=*/*|te=trailers|authorization=secret end"},
		{RequestHead{Method: []byte("BREW"), Scheme: "coffee", Authority: []byte("a"), Path: []byte("/")},
			"|:method=BREW|:scheme=coffee|:path=/|:authority=a|accept=*/*|te=trailers|authorization=secret end"},
		{RequestHead{Method: []byte("CONNECT"), Authority: []byte("a:1")}, "|:method=CONNECT|:authority=a:1|accept=*/*|te=trailers|authorization=secret end"},
		{RequestHead{Method: []byte("CONNECT"), Scheme: "http", Authority: []byte("a"), Path: []byte("/c"), Protocol: []byte("websocket")},
			"|:method=CONNECT|:scheme=http|:path=/c|:authority=a|:protocol=websocket|accept=*/*|te=trailers|authorization=secret end"},
	} {
		for range 3 { // the third time it is in the table
			st, err := s.c.AppendRequest(&c.head, f, true)
			if err != nil {
				t.Fatal(err)
			}
			if _, got, _ := strings.Cut(s.sent(), "|"); "|"+got != c.want {
				t.Errorf("|%s\nwant %s", got, c.want)
			}
			s.c.Release(st)
			s.sent()
		}
	}
}

func TestSendResponses(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(s.headers(1, true, get))
	s.outcome()
	st := s.streams[1]
	_ = s.c.AppendResponse(st, 103, fieldsOf([]string{"Link", "x"}), false)
	_ = s.c.AppendResponse(st, 418, fieldsOf([]string{"Content-Length", "3"}), false)
	_, _ = s.c.AppendData(st, []byte("abc"), false)
	_ = s.c.AppendTrailers(st, fieldsOf([]string{"Grpc-Status", "0", "TE", "trailers"}))
	s.want("-> HEADERS 1|:status=103|link=x, HEADERS 1|:status=418|content-length=3, DATA 1: 3, HEADERS 1|grpc-status=0 end")
	if st.State() != Closed {
		t.Error(st.State())
	}
	if err := s.c.AppendResponse(st, 200, nil, true); bare(err) != "stream NO_ERROR" {
		t.Errorf("after the end: %v", err)
	}
	if _, err := s.c.AppendData(st, []byte("x"), true); bare(err) != "stream NO_ERROR" {
		t.Errorf("after the end: %v", err)
	}
	if err := s.c.AppendTrailers(st, nil); bare(err) != "stream NO_ERROR" {
		t.Errorf("after the end: %v", err)
	}
}

// TestSendOutOfOrder: mistakes of the caller are not sent.
func TestSendOutOfOrder(t *testing.T) {
	for name, f := range map[string]func(c *Conn, st *Stream){
		"DATA first":     func(c *Conn, st *Stream) { _, _ = c.AppendData(st, []byte("x"), false) },
		"trailers first": func(c *Conn, st *Stream) { _ = c.AppendTrailers(st, nil) },
		"two heads": func(c *Conn, st *Stream) {
			_ = c.AppendResponse(st, 200, nil, false)
			_ = c.AppendResponse(st, 200, nil, false)
		},
		"DATA after end": func(c *Conn, st *Stream) {
			_ = c.AppendResponse(st, 200, nil, true)
			_, _ = c.AppendData(st, nil, true)
		},
		"status 101":        func(c *Conn, st *Stream) { _ = c.AppendResponse(st, 101, nil, false) },
		"an interim end":    func(c *Conn, st *Stream) { _ = c.AppendResponse(st, 100, nil, true) },
		"released twice":    func(c *Conn, st *Stream) { c.Release(st); c.Release(st) },
		"consumed too much": func(c *Conn, st *Stream) { c.Consumed(st, 1) },
		"urgency 8":         func(c *Conn, st *Stream) { c.SetPriority(st, Priority{Urgency: 8}) },
		"a server's stream": func(c *Conn, _ *Stream) { _, _ = c.AppendRequest(&RequestHead{}, nil, true) },
		"sent too much":     func(c *Conn, _ *Stream) { c.Wrote(1 << 20) },
	} {
		s := newScript(t, Server, nil)
		s.feed(s.headers(1, false, get))
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f(s.c, s.streams[1])
		}()
	}
}

// TestLargeFieldSections are cut into CONTINUATION frames that x/net joins again.
func TestLargeFieldSections(t *testing.T) {
	for _, n := range []int{16300, 16384, 16385, 32768, 50000, 70000} {
		s := newScript(t, Client, nil)
		s.dec.SetMaxStringLength(1 << 20)
		value := strings.Repeat("\x80", n) // no Huffman code is shorter
		_, err := s.c.AppendRequest(&RequestHead{Method: []byte("GET"), Scheme: "https", Authority: []byte("a"), Path: []byte("/")}, fieldsOf([]string{"x", value, "y", "z"}), true)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := s.sent(), "HEADERS 1|:method=GET|:scheme=https|:path=/|:authority=a|x="+value+"|y=z end"; got != want {
			t.Errorf("%d: %d bytes for %d", n, len(got), len(want))
		}
	}
}

func TestRefusedToSend(t *testing.T) {
	head := &RequestHead{Method: []byte("GET"), Scheme: "https", Authority: []byte("a"), Path: []byte("/")}
	s := newScript(t, Client, nil)
	s.feed(AppendSettings(nil, Setting{SettingMaxConcurrentStreams, 2}, Setting{SettingMaxHeaderListSize, 400}))
	connect := *head
	connect.Protocol = []byte("websocket")
	if _, err := s.c.AppendRequest(&connect, nil, false); !errors.Is(err, ErrNoExtendedConnect) {
		t.Error(err)
	}
	if _, err := s.c.AppendRequest(head, fieldsOf([]string{"x", strings.Repeat("y", 200)}), false); !errors.Is(err, ErrHeaderListTooLarge) {
		t.Error(err)
	}
	if n := s.c.CanOpen(); n != 2 {
		t.Errorf("can open %d", n)
	}
	first := s.request("GET", "/", true)
	s.request("GET", "/", true)
	if _, err := s.c.AppendRequest(head, nil, true); !errors.Is(err, ErrNoStreams) || s.c.CanOpen() != 0 {
		t.Error(err, s.c.CanOpen())
	}
	s.c.Reset(first, Cancel)
	if n := s.c.CanOpen(); n != 1 {
		t.Errorf("can open %d", n)
	}
	s.c.next = maxStreamID
	if n := s.c.CanOpen(); n != 1 {
		t.Errorf("can open %d", n)
	}
	s.request("GET", "/", true)
	s.c.peer.MaxConcurrentStreams = 100
	if _, err := s.c.AppendRequest(head, nil, true); !errors.Is(err, ErrNoStreamIDs) {
		t.Error(err)
	}
	s.c.GoAway(NoError, "bye")
	if _, err := s.c.AppendRequest(head, nil, true); bare(err) != "connection NO_ERROR" {
		t.Error(err)
	}
}

// TestSendWindows: what the windows allow goes, the rest when they open; SETTINGS may make a window negative (RFC 9113 §6.9.2).
func TestSendWindows(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 10}), s.headers(1, true, get))
	st := s.streams[1]
	_ = s.c.AppendResponse(st, 200, nil, false)
	s.outcome()
	send := func(n int, end bool, want string) {
		t.Helper()
		_, err := s.c.AppendData(st, zeros[:n], end)
		if out := s.sent(); err != nil || out != want {
			t.Errorf("%q, %v; want %q", out, err, want)
		}
	}
	send(7, false, "DATA 1: 7")
	send(7, true, "DATA 1: 3")
	send(4, true, "")
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 5}))
	if st.sendWindow != -5 || s.c.Writable(st) != 0 {
		t.Errorf("window %d", st.sendWindow)
	}
	s.feed(WindowUpdateFrame{1, 5}.Append(nil))
	s.outcome()
	send(4, true, "")
	s.feed(WindowUpdateFrame{1, 1}.Append(nil))
	send(1, false, "DATA 1: 1")
	s.feed(WindowUpdateFrame{1, 1 << 20}.Append(nil))
	send(40000, false, "DATA 1: 16384, DATA 1: 16384, DATA 1: 7232")
	send(40000, true, "DATA 1: 16384, DATA 1: 9140") // the connection's window
	if s.c.sendWindow != 0 {
		t.Errorf("connection's window %d", s.c.sendWindow)
	}
	send(0, false, "")
	send(0, true, "DATA 1: 0 end") // the end needs no window
	if st.State() != Closed {
		t.Error(st.State())
	}
	s.feed(AppendSettings(nil, Setting{SettingInitialWindowSize, 5}), s.headers(3, true, get), WindowUpdateFrame{3, maxWindow - 5}.Append(nil), AppendSettings(nil, Setting{SettingInitialWindowSize, 6}))
	if bare(s.err) != "connection FLOW_CONTROL_ERROR" {
		t.Errorf("a window beyond 2^31-1: %v", s.err)
	}
}

// TestAppendDataHeader: the payload may come from elsewhere.
func TestAppendDataHeader(t *testing.T) {
	s := newScript(t, Server, nil)
	s.feed(s.headers(1, true, get))
	st := s.streams[1]
	_ = s.c.AppendResponse(st, 200, nil, false)
	s.outcome()
	n, err := s.c.AppendDataHeader(st, 20000, true)
	if n != maxSendFrame || err != nil {
		t.Fatal(n, err)
	}
	wire := append(bytes.Clone(s.c.Pending()), zeros[:n]...)
	s.c.Wrote(len(s.c.Pending()))
	m, err := s.c.AppendDataHeader(st, 20000-n, true)
	if m != 20000-n || err != nil {
		t.Fatal(m, err)
	}
	wire = append(append(wire, s.c.Pending()...), zeros[:m]...)
	list, data := describeFrames(t, s.dec, wire)
	if strings.Join(list, ", ") != "DATA 1: 16384, DATA 1: 3616 end" || len(data) != 20000 {
		t.Error(list, len(data))
	}
}

// TestReceiveWindows: what is consumed makes room again, once per half window; more than the window is an error of the stream, or
// of the connection.
func TestReceiveWindows(t *testing.T) {
	s := newScript(t, Server, func(c *Config) { c.StreamWindow, c.ConnectionWindow = 1000, 1<<16 })
	s.consume = false
	opened(s)
	st := s.streams[1]
	s.outcome()
	s.feed(DataFrame{1, false, zeros[:1000]}.Append(nil))
	s.c.Consumed(st, 499)
	if out := s.sent(); out != "" {
		t.Error(out)
	}
	s.c.Consumed(st, 1)
	if out := s.sent(); out != "WINDOW_UPDATE 1 500" {
		t.Error(out)
	}
	s.events = nil
	s.feed(DataFrame{1, false, zeros[:501]}.Append(nil))
	s.want("reset 1 by us FLOW_CONTROL_ERROR -> RST_STREAM 1 FLOW_CONTROL_ERROR")
	held := s.c.recv.held
	s.c.Release(st)
	if held != 500 || s.c.recv.held != 0 || s.c.recv.consumed != 1501 {
		t.Errorf("held %d; %+v", held, s.c.recv)
	}
	for i := range 70 {
		s.feed(s.headers(id(i+1), false, get), DataFrame{id(i + 1), false, zeros[:1000]}.Append(nil))
	}
	if bare(s.err) != "connection FLOW_CONTROL_ERROR" {
		t.Errorf("more than the connection's window: %v", s.err)
	}
}

// TestWindowBeforeAck: until our SETTINGS are acknowledged a peer may know the initial window only (RFC 9113 §6.9.3).
func TestWindowBeforeAck(t *testing.T) {
	cfg := DefaultConfig()
	cfg.StreamWindow = 100
	s := &script{t: t, c: NewConn(Server, &cfg, NewPool(), 0), streams: map[StreamID]*Stream{}}
	other := newScript(t, Server, nil)
	s.feed([]byte(ClientPreface), AppendSettings(nil), other.headers(1, false, get), DataFrame{1, false, zeros[:10000]}.Append(nil))
	if s.err != nil || s.streams[1].State() != Open {
		t.Fatal(s.err)
	}
	s.feed(AppendSettingsAck(nil))
	if r := s.streams[1].recv; r.left != 100-10000 || r.size != 100 || r.left+r.held != 100 {
		t.Errorf("%+v", r)
	}
	s.feed(DataFrame{1, false, zeros[:1]}.Append(nil))
	if s.streams[1].Code() != FlowControlError {
		t.Error("the window was not lowered")
	}
}

func TestRelease(t *testing.T) {
	for _, c := range []struct {
		name string
		end  bool
		do   func(c *Conn, st *Stream)
		want string
	}{
		{"a request that was not answered", true, func(*Conn, *Stream) {}, "RST_STREAM 1 CANCEL"},
		{"an answer that is not complete", true, func(c *Conn, st *Stream) { _ = c.AppendResponse(st, 200, nil, false) }, "HEADERS 1|:status=200, RST_STREAM 1 CANCEL"},
		{"a request that is not read", false, func(c *Conn, st *Stream) { _ = c.AppendResponse(st, 200, nil, true) }, "HEADERS 1|:status=200 end, RST_STREAM 1 NO_ERROR"},
		{"all is said", true, func(c *Conn, st *Stream) { _ = c.AppendResponse(st, 200, nil, true) }, "HEADERS 1|:status=200 end"},
	} {
		s := newScript(t, Server, nil)
		s.feed(s.headers(1, c.end, get))
		c.do(s.c, s.streams[1])
		s.c.Release(s.streams[1])
		if out := s.sent(); out != c.want {
			t.Errorf("%s: %s, want %s", c.name, out, c.want)
		}
	}
}

// TestReleaseWithinData: the rest of a frame whose stream is given up amid it is passed over, and its window given back.
func TestReleaseWithinData(t *testing.T) {
	for _, release := range []bool{false, true} {
		for _, pad := range []byte{0, 3} {
			s := newScript(t, Server, nil)
			s.consume = false
			opened(s)
			st := s.streams[1]
			frame := append(FrameHeader{uint32(11 + pad), FrameData, FlagPadded | FlagEndStream, 1}.Append(nil), pad)
			frame = append(append(frame, "0123456789"...), zeros[:pad]...)
			s.feed(frame[:15])
			s.outcome()
			if release {
				s.c.Release(st)
			} else {
				s.c.Reset(st, Cancel)
			}
			s.feed(frame[15:], s.headers(3, true, get))
			s.want("headers 3 end: GET https a.example /|host=a.example -> RST_STREAM 1 CANCEL")
			if !release {
				s.c.Release(st)
			}
			if r := s.c.recv; r.held != 0 || r.left+r.consumed != r.size {
				t.Errorf("%+v", r)
			}
		}
	}
}

// TestResetWithinBlock: a stream may be given up while trailers, or the head of its response, are amid their bytes; HPACK's tables
// agree all the same.
func TestResetWithinBlock(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		for _, end := range []bool{true, false} { // trailers that do not end a stream are a fault, which must not be told of then
			for _, release := range []bool{false, true} {
				for cut := 1; ; cut++ {
					s := newScript(t, role, nil)
					var st *Stream
					list, next := "x-one=1|x-two=2", s.headers
					if role == Server {
						opened(s)
						st = s.streams[1]
					} else {
						st = s.request("GET", "/", true)
						list = ":status=200|" + list
					}
					s.outcome()
					frame := s.headers(1, end, list)
					if cut == len(frame) {
						break
					}
					s.feed(frame[:cut])
					if release {
						s.c.Release(st)
					} else {
						s.c.Reset(st, Cancel)
					}
					s.feed(frame[cut:])
					s.want("-> RST_STREAM 1 CANCEL")
					if role == Server {
						s.feed(next(3, true, get+"|x-one=1"))
						s.want("headers 3 end: GET https a.example /|host=a.example|x-one=1")
					} else {
						s.request("GET", "/", true)
						s.sent()
						s.feed(next(3, true, ":status=200|x-one=1"))
						s.want("headers 3 end: 200|x-one=1")
					}
				}
			}
		}
	}
}

// TestStreamsBeforeSettings: a client does not overrun a server whose limit it does not know yet.
func TestStreamsBeforeSettings(t *testing.T) {
	cfg := DefaultConfig()
	c := NewConn(Client, &cfg, NewPool(), 0)
	if n := c.CanOpen(); n != initialStreams {
		t.Errorf("%d before SETTINGS", n)
	}
	if n := newScript(t, Client, nil).c.CanOpen(); n != int(maxStreamID)/2+1 {
		t.Errorf("%d where there is no limit", n)
	}
}

// TestFaultyPaddedData: what follows a faulty frame is read from where it starts.
func TestFaultyPaddedData(t *testing.T) {
	for name, length := range map[string]string{"too long": "1", "too short": "9"} {
		s := newScript(t, Server, nil)
		s.feed(s.headers(1, false, get+"|content-length="+length))
		s.outcome()
		frame := append(FrameHeader{1 + 2 + 3, FrameData, FlagPadded | FlagEndStream, 1}.Append(nil), 3)
		frame = append(frame, "ab\x00\x00\x00"...)
		s.feed(frame, PingFrame{}.Append(nil))
		if got, want := s.outcome(), "reset 1 by us PROTOCOL_ERROR -> RST_STREAM 1 PROTOCOL_ERROR, PING 0000000000000000 ack"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		s.c.Release(s.streams[1])
		if r := s.c.recv; r.held != 0 || r.left+r.consumed != r.size {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
