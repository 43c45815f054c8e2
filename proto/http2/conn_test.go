package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// stateCase is what becomes of one frame, on a stream that earlier frames have brought into a state.
type stateCase struct {
	name  string
	setup func(s *script)
	frame func(s *script) []byte
	want  string
}

var (
	idle   = func(*script) {}
	opened = func(s *script) { s.feed(s.headers(1, false, get)) }
	ended  = func(s *script) { s.feed(s.headers(1, true, get)) } // half-closed (remote)
	// answered is closed: both ends have ended it.
	answered = func(s *script) {
		ended(s)
		_ = s.c.AppendResponse(s.streams[1], 200, nil, true)
	}
	// answeredEarly is half-closed (local): the request still comes.
	answeredEarly = func(s *script) {
		opened(s)
		_ = s.c.AppendResponse(s.streams[1], 200, nil, true)
	}
	resetByUs   = func(s *script) { opened(s); s.c.Reset(s.streams[1], Cancel) }
	resetByPeer = func(s *script) { s.feed(s.headers(1, false, get), ResetFrame{1, Cancel}.Append(nil)) }

	data     = func(*script) []byte { return DataFrame{1, false, []byte("x")}.Append(nil) }
	trailers = func(s *script) []byte { return s.headers(1, true, "x=y") }
	reset    = func(*script) []byte { return ResetFrame{1, Cancel}.Append(nil) }
	window   = func(*script) []byte { return WindowUpdateFrame{1, 1}.Append(nil) }
	priority = func(*script) []byte { return PriorityFrame{1, StreamDependency{Parent: 3}}.Append(nil) }
)

// TestStates is the table of RFC 9113 §5.1: which frame may come in which state of a stream.
func TestStates(t *testing.T) {
	const request = "headers 1: GET https a.example /|host=a.example"
	for _, c := range []stateCase{
		{"idle, DATA", idle, data, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"idle, RST_STREAM", idle, reset, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"idle, WINDOW_UPDATE", idle, window, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"idle, PRIORITY", idle, priority, ""},
		{"idle, CONTINUATION", idle, func(*script) []byte { return ContinuationFrame{1, true, nil}.Append(nil) }, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"idle, even", idle, func(s *script) []byte { return s.headers(2, true, get) }, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"idle, push", idle, func(*script) []byte { return PushPromiseFrame{1, true, 2, nil}.Append(nil) }, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},

		{"open, DATA", opened, data, "data 1: x"},
		{"open, trailers", opened, trailers, "trailers 1 end: |x=y"},
		{"open, second head", opened, func(s *script) []byte { return s.headers(1, false, "x=y") }, "reset 1 by us PROTOCOL_ERROR -> RST_STREAM 1 PROTOCOL_ERROR"},
		{"open, RST_STREAM", opened, reset, "reset 1 by peer CANCEL"},
		{"open, WINDOW_UPDATE", opened, window, "window 1"},
		{"open, earlier identifier", func(s *script) { s.feed(s.headers(5, true, get)) }, func(s *script) []byte { return s.headers(3, true, get) },
			"-> GOAWAY 5 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},

		{"half-closed (local), DATA", answeredEarly, data, "data 1: x"},
		{"half-closed (local), trailers", answeredEarly, trailers, "trailers 1 end: |x=y"},
		{"half-closed (local), RST_STREAM", answeredEarly, reset, "reset 1 by peer CANCEL"},

		{"half-closed (remote), DATA", ended, data, "reset 1 by us STREAM_CLOSED -> RST_STREAM 1 STREAM_CLOSED"},
		{"half-closed (remote), HEADERS", ended, trailers, "reset 1 by us STREAM_CLOSED -> RST_STREAM 1 STREAM_CLOSED"},
		{"half-closed (remote), WINDOW_UPDATE", ended, window, "window 1"},
		{"half-closed (remote), RST_STREAM", ended, reset, "reset 1 by peer CANCEL"},
		{"half-closed (remote), PRIORITY", ended, priority, ""},

		{"closed, DATA", answered, data, "-> GOAWAY 1 STREAM_CLOSED !! connection STREAM_CLOSED"},
		{"closed, HEADERS", answered, trailers, "-> GOAWAY 1 STREAM_CLOSED !! connection STREAM_CLOSED"},
		{"closed, WINDOW_UPDATE", answered, window, ""},
		{"closed, WINDOW_UPDATE by nought", answered, func(*script) []byte { return WindowUpdateFrame{1, 0}.Append(nil) }, ""},
		{"closed, RST_STREAM", answered, reset, ""},
		{"closed, PRIORITY", answered, priority, ""},

		{"reset by us, DATA", resetByUs, data, ""},
		{"reset by us, trailers", resetByUs, trailers, ""},
		{"reset by us, RST_STREAM", resetByUs, reset, ""},
		{"reset by us, WINDOW_UPDATE", resetByUs, window, ""},
		{"reset by peer, DATA", resetByPeer, data, "-> GOAWAY 1 STREAM_CLOSED !! connection STREAM_CLOSED"},
		{"closed long ago, DATA", func(s *script) {
			answered(s)
			for i := range maxPeerEndings {
				s.feed(s.headers(id(i+1), true, get))
				_ = s.c.AppendResponse(s.streams[id(i+1)], 200, nil, true)
			}
			s.outcome()
		}, data, "refused 1 STREAM_CLOSED DATA for a stream that its sender has ended -> RST_STREAM 1 STREAM_CLOSED"},
		{"reset by peer, HEADERS", resetByPeer, trailers, "-> GOAWAY 1 STREAM_CLOSED !! connection STREAM_CLOSED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Server, nil)
			c.setup(s)
			if first := s.outcome(); c.name[:4] == "open" && s.streams[1] != nil && first != request {
				t.Error(first)
			}
			frame := c.frame(s)
			s.feed(frame)
			s.want(c.want)
			if s.err == nil { // HPACK's tables must still agree
				s.feed(s.headers(99, true, get+"|x=y"))
				s.want("headers 99 end: GET https a.example /|host=a.example|x=y")
			}
		})
	}
}

// TestRefusals: whoever asks in vain is told of, with what is known of the request, and HPACK's tables still agree.
func TestRefusals(t *testing.T) {
	const refused = "as many streams are open as are allowed"
	for _, c := range []struct{ name, fields, want string }{
		{"no path", ":method=GET|:scheme=https|:authority=a", "PROTOCOL_ERROR :scheme or :path is missing (GET a )"},
		{"no method", ":scheme=https|:authority=a|:path=/x", "PROTOCOL_ERROR :method is missing ( a /x)"},
		{"a name in upper case", get + "|Upper=1|x-after=1", "PROTOCOL_ERROR a field name is not a token in lower case (GET a.example /)"},
		{"upper case at once", "Upper=1|" + get, "PROTOCOL_ERROR a field name is not a token in lower case (  )"},
		{"another host", ":method=PUT|:scheme=https|:authority=a|:path=/x?y=1|host=b", "PROTOCOL_ERROR Host is not :authority (PUT a /x?y=1)"},
		{"no body", get + "|content-length=1", "PROTOCOL_ERROR a body was announced and does not come (GET a.example /)"},
		{"one too many", get, "REFUSED_STREAM " + refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Server, func(c *Config) { c.MaxConcurrentStreams = 2 })
			s.feed(s.headers(1, false, get))
			if c.name == "one too many" {
				s.feed(s.headers(3, false, get))
			}
			s.outcome()
			for _, id := range []StreamID{5, 7} {
				code, _, _ := strings.Cut(c.want, " ")
				s.feed(s.headers(id, true, c.fields))
				s.want(fmt.Sprintf("refused %d %s -> RST_STREAM %d %s", id, c.want, id, code))
			}
			s.feed(s.headers(1, true, "x=y"))
			s.want("trailers 1 end: |x=y")
		})
	}
}

// TestConnectionFaults are faults that end the connection, wherever a stream stands.
func TestConnectionFaults(t *testing.T) {
	raw := func(ty FrameType, flags FrameFlags, id StreamID, payload string) []byte {
		return append(FrameHeader{uint32(len(payload)), ty, flags, id}.Append(nil), payload...)
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		code  ErrCode
	}{
		{"a frame that is too large", FrameHeader{MinMaxFrameSize + 1, FrameData, 0, 1}.Append(nil), FrameSizeError},
		{"a block that is interrupted", append(raw(FrameHeaders, 0, 1, ""), PingFrame{}.Append(nil)...), ProtocolError},
		{"a block continued elsewhere", append(raw(FrameHeaders, 0, 1, ""), raw(FrameContinuation, FlagEndHeaders, 3, "")...), ProtocolError},
		{"a block interrupted by the unknown", append(raw(FrameHeaders, 0, 1, ""), raw(0x77, 0, 1, "")...), ProtocolError},
		{"HPACK that is none", raw(FrameHeaders, FlagEndHeaders, 1, "\x80"), CompressionError},
		{"HPACK that stops short", raw(FrameHeaders, FlagEndHeaders, 1, "\x40\x05ab"), CompressionError},
		{"a table that is too large", raw(FrameHeaders, FlagEndHeaders, 1, "\x3f\xe2\x1f"), CompressionError},
		{"a window that gets too large", WindowUpdateFrame{0, maxWindow}.Append(nil), FlowControlError},
		{"an update of nought", WindowUpdateFrame{0, 0}.Append(nil), ProtocolError},
		{"GOAWAY that grows", append(GoAwayFrame{Last: 1}.Append(nil), GoAwayFrame{Last: 3}.Append(nil)...), ProtocolError},
		{"a priority update for nothing", PriorityUpdateFrame{0, nil}.Append(nil), ProtocolError},
		{"a priority update for a push", PriorityUpdateFrame{2, nil}.Append(nil), ProtocolError},
		{"the scheme of priorities changes", AppendSettings(nil, Setting{SettingNoRFC7540Priorities, 1}), ProtocolError},
		{"extended CONNECT is taken back", AppendSettings(nil, Setting{SettingEnableConnectProtocol, 1}, Setting{SettingEnableConnectProtocol, 0}), ProtocolError},
		{"DATA padded beyond itself", raw(FrameData, FlagPadded, 1, "\x01"), ProtocolError},
	} {
		s := newScript(t, Server, nil)
		if c.bytes[3] == byte(FrameData) {
			opened(s)
			s.outcome()
		}
		s.feed(c.bytes)
		if got := bare(s.err); got != "connection "+c.code.String() {
			t.Errorf("%s: %v", c.name, s.err)
		}
		if out := s.sent(); !strings.Contains(out, "GOAWAY ") || !strings.HasSuffix(out, c.code.String()) {
			t.Errorf("%s: sent %s", c.name, out)
		}
		if n, ev, err := s.c.Feed([]byte("x"), 0); n != 0 || ev != nil || err != s.err {
			t.Errorf("%s: after the end: %d, %v, %v", c.name, n, ev, err)
		}
	}
}

func TestPreface(t *testing.T) {
	cfg := DefaultConfig()
	for _, c := range []struct {
		in   []byte
		code string
	}{
		{[]byte("GET / HTTP/1.1\r\n\r\n"), "connection PROTOCOL_ERROR"},
		{[]byte(ClientPreface[:23] + "x"), "connection PROTOCOL_ERROR"},
		{append([]byte(ClientPreface), PingFrame{}.Append(nil)...), "connection PROTOCOL_ERROR"},
		{append([]byte(ClientPreface), AppendSettingsAck(nil)...), "connection PROTOCOL_ERROR"},
		{append([]byte(ClientPreface), AppendSettings(nil)...), "none"},
	} {
		conn := NewConn(Server, &cfg, NewPool(), 0)
		var err error
		for _, b := range c.in {
			if _, _, err = conn.Feed([]byte{b}, 0); err != nil {
				break
			}
		}
		if bare(err) != c.code {
			t.Errorf("%q: %v, want %s", c.in, err, c.code)
		}
	}
}

func TestClientStates(t *testing.T) {
	open := func(s *script) *Stream {
		st, err := s.c.AppendRequest(&RequestHead{Method: []byte("GET"), Scheme: "https", Authority: []byte("a"), Path: []byte("/")}, nil, true)
		if err != nil {
			s.t.Fatal(err)
		}
		s.outcome()
		return st
	}
	for _, c := range []struct {
		name string
		feed func(s *script) []byte
		want string
	}{
		{"a response", func(s *script) []byte { return s.headers(1, true, ":status=200|a=b") }, "headers 1 end: 200|a=b"},
		{"interim responses", func(s *script) []byte {
			return bytes.Join([][]byte{s.headers(1, false, ":status=100"), s.headers(1, false, ":status=103|link=x"), s.headers(1, false, ":status=200"),
				DataFrame{1, false, []byte("x")}.Append(nil), s.headers(1, true, "grpc-status=0")}, nil)
		}, "headers 1: 100, headers 1: 103|link=x, headers 1: 200, data 1: x, trailers 1 end: |grpc-status=0"},
		{"metadata behind a response of gRPC", func(s *script) []byte {
			return bytes.Join([][]byte{s.headers(1, false, ":status=200|content-type=application/grpc"), s.headers(1, true, "grpc-status=0|server=s|content-length=1")}, nil)
		}, "headers 1: 200|content-type=application/grpc, trailers 1 end: |grpc-status=0|server=s"},
		{"the same behind another", func(s *script) []byte {
			return bytes.Join([][]byte{s.headers(1, false, ":status=200|content-type=application/grpc-web"), s.headers(1, true, "grpc-status=0|server=s|content-length=1")}, nil)
		}, "headers 1: 200|content-type=application/grpc-web, trailers 1 end: |grpc-status=0"},
		{"an interim end", func(s *script) []byte { return s.headers(1, true, ":status=100") }, "reset 1 by us PROTOCOL_ERROR -> RST_STREAM 1 PROTOCOL_ERROR"},
		{"DATA first", func(*script) []byte { return DataFrame{1, true, nil}.Append(nil) }, "reset 1 by us PROTOCOL_ERROR -> RST_STREAM 1 PROTOCOL_ERROR"},
		{"nobody asked", func(s *script) []byte { return s.headers(3, true, ":status=200") }, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"a stream of the server's", func(s *script) []byte { return s.headers(2, true, ":status=200") }, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"a push", func(*script) []byte { return PushPromiseFrame{1, true, 2, nil}.Append(nil) }, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"a server that lets push", func(*script) []byte { return AppendSettings(nil, Setting{SettingEnablePush, 1}) }, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"a priority update", func(*script) []byte { return PriorityUpdateFrame{1, nil}.Append(nil) }, "-> GOAWAY 0 PROTOCOL_ERROR !! connection PROTOCOL_ERROR"},
		{"refused", func(*script) []byte { return ResetFrame{1, RefusedStream}.Append(nil) }, "reset 1 by peer REFUSED_STREAM"},
		{"after the end", func(s *script) []byte {
			return append(s.headers(1, true, ":status=200"), s.headers(1, true, ":status=200")...)
		}, "headers 1 end: 200 -> GOAWAY 0 STREAM_CLOSED !! connection STREAM_CLOSED"},
		{"a malformed response", func(s *script) []byte { return s.headers(1, true, ":status=200|Upper=x") }, "reset 1 by us PROTOCOL_ERROR -> RST_STREAM 1 PROTOCOL_ERROR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Client, nil)
			open(s)
			s.feed(c.feed(s))
			s.want(c.want)
		})
	}
}

// TestContentLength: DATA is held against Content-Length (RFC 9113 §8.1.1), where it means anything.
func TestContentLength(t *testing.T) {
	const malformed = "reset 1 by us PROTOCOL_ERROR -> RST_STREAM 1 PROTOCOL_ERROR"
	body := func(n int, end bool) []byte { return DataFrame{1, end, zeros[:n]}.Append(nil) }
	for _, c := range []struct {
		method, status string
		length         string
		frames         [][]byte
		ok             bool
	}{
		{"GET", "200", "3", [][]byte{body(3, true)}, true},
		{"GET", "200", "3", [][]byte{body(1, false), body(2, false), body(0, true)}, true},
		{"GET", "200", "3", [][]byte{body(4, false)}, false},
		{"GET", "200", "3", [][]byte{body(2, true)}, false},
		{"GET", "200", "3", [][]byte{body(2, false), body(2, true)}, false},
		{"GET", "200", "0", [][]byte{body(0, true)}, true},
		{"GET", "200", "0", [][]byte{body(1, true)}, false},
		{"HEAD", "200", "3", [][]byte{body(0, true)}, true},
		{"HEAD", "200", "3", [][]byte{body(3, true)}, false},
		{"GET", "304", "3", [][]byte{body(0, true)}, true},
		{"GET", "304", "3", [][]byte{body(3, true)}, false},
		{"CONNECT", "200", "3", [][]byte{body(5, true)}, true},
	} {
		s := newScript(t, Client, nil)
		_, err := s.c.AppendRequest(&RequestHead{Method: []byte(c.method), Scheme: "https", Authority: []byte("a:1"), Path: []byte("/")}, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		s.outcome()
		s.feed(append([][]byte{s.headers(1, false, ":status="+c.status+"|content-length="+c.length)}, c.frames...)...)
		if got := s.outcome(); strings.HasSuffix(got, malformed) == c.ok {
			t.Errorf("%+v: %.100s", c, got)
		}
	}
	for _, frames := range []func(s *script) [][]byte{
		func(s *script) [][]byte { return [][]byte{s.headers(1, true, get+"|content-length=1")} },
		func(s *script) [][]byte {
			return [][]byte{s.headers(1, false, get+"|content-length=2"), DataFrame{1, false, []byte("x")}.Append(nil), s.headers(1, true, "a=b")}
		},
	} {
		s := newScript(t, Server, nil)
		s.feed(frames(s)...)
		if out := s.sent(); out != "RST_STREAM 1 PROTOCOL_ERROR" {
			t.Errorf("sent %s", out)
		}
	}
}

// TestPaddedData: padding counts for the windows and is given back at once.
func TestPaddedData(t *testing.T) {
	s := newScript(t, Server, nil)
	s.consume = false
	opened(s)
	frame := append(FrameHeader{1 + 4 + 200, FrameData, FlagPadded | FlagEndStream, 1}.Append(nil), 200)
	frame = append(append(frame, "data"...), zeros[:200]...)
	for _, b := range frame {
		s.feed([]byte{b})
	}
	s.want("headers 1: GET https a.example /|host=a.example, data 1: d, data 1: a, data 1: t, data 1 end: a")
	st := s.streams[1]
	if st.recv.held != 4 || st.recv.consumed != 201 || s.c.recv.held != 4 || s.c.recv.consumed != 201 {
		t.Errorf("stream %+v, connection %+v", st.recv, s.c.recv)
	}
	s.c.Release(st)
	if s.c.recv.held != 0 || s.c.recv.consumed != 205 {
		t.Errorf("released: connection %+v", s.c.recv)
	}
}
