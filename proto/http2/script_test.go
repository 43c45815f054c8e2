package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// script plays the peer of a Conn, frame by frame, and notes what comes of it.
type script struct {
	t       testing.TB
	c       *Conn
	enc     *hpack.Encoder
	block   bytes.Buffer
	dec     *hpack.Decoder
	now     int64
	err     error
	events  []string
	streams map[StreamID]*Stream
	release bool // release streams as soon as they are closed
	consume bool
}

// newScript makes a Conn whose peer has sent its preface and acknowledged SETTINGS.
func newScript(t testing.TB, role Role, change func(*Config)) *script {
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	pool := NewPool()
	pool.Poison = true
	s := &script{t: t, c: NewConn(role, &cfg, pool, 0), streams: map[StreamID]*Stream{}, dec: hpack.NewDecoder(4096, nil), consume: true}
	s.enc = hpack.NewEncoder(&s.block)
	if role == Server {
		s.feed([]byte(ClientPreface))
	}
	s.feed(AppendSettings(nil), AppendSettingsAck(nil))
	if s.err != nil {
		t.Fatal(s.err)
	}
	s.c.Wrote(len(s.c.Pending()))
	s.events = nil
	return s
}

// fields encodes a field section.
func (s *script) fields(list string) []byte {
	s.block.Reset()
	p := pairs(list)
	for i := 0; i < len(p); i += 2 {
		_ = s.enc.WriteField(hpack.HeaderField{Name: p[i], Value: p[i+1]})
	}
	return bytes.Clone(s.block.Bytes())
}

func (s *script) headers(id StreamID, end bool, list string) []byte {
	return HeadersFrame{Stream: id, EndStream: end, EndHeaders: true, Fragment: s.fields(list)}.Append(nil)
}

// feed gives frames to the Conn, which must take all of them unless it fails.
func (s *script) feed(frames ...[]byte) {
	b := bytes.Join(frames, nil)
	for s.err == nil {
		n, ev, err := s.c.Feed(b, s.now)
		b = b[n:]
		if s.err = err; err != nil {
			return
		}
		if ev == nil {
			if len(b) > 0 {
				s.t.Fatalf("%d bytes are left", len(b))
			}
			return
		}
		s.note(ev)
	}
}

func (s *script) note(ev *Event) {
	s.events = append(s.events, describeEvent(ev))
	if ev.Stream == nil {
		return
	}
	if ev.Kind == EventHeaders {
		s.streams[ev.Stream.ID()] = ev.Stream
	}
	if ev.Kind == EventData && s.consume {
		s.c.Consumed(ev.Stream, len(ev.Data))
	}
	if s.release && ev.Stream.State() == Closed {
		s.c.Release(ev.Stream)
		delete(s.streams, ev.Stream.ID())
	}
}

func describeEvent(ev *Event) string {
	id := StreamID(0)
	if ev.Stream != nil {
		id = ev.Stream.ID()
	}
	end := ""
	if ev.EndStream {
		end = " end"
	}
	switch ev.Kind {
	case EventHeaders, EventTrailers:
		name := "headers"
		if ev.Kind == EventTrailers {
			name = "trailers"
		}
		return fmt.Sprintf("%s %d%s: %s", name, id, end, describeMessage(ev.Message))
	case EventData:
		return fmt.Sprintf("data %d%s: %s", id, end, ev.Data)
	case EventReset:
		where := "by peer"
		if ev.Local {
			where = "by us"
		}
		return fmt.Sprintf("reset %d %s %s", id, where, ev.Code)
	case EventRefused:
		text := fmt.Sprintf("refused %d %s %s", ev.ID, ev.Code, ev.Reason)
		if m := ev.Message; m != nil {
			text += fmt.Sprintf(" (%s %s %s)", m.MethodToken, m.Authority, m.Path)
		}
		return text
	case EventGoAway:
		return fmt.Sprintf("goaway %d %s %s", ev.Last, ev.Code, ev.Data)
	case EventSettings:
		return "settings"
	case EventPingAck:
		return fmt.Sprintf("pong %x", ev.Ping)
	case EventWindow:
		return fmt.Sprintf("window %d", id)
	case EventPriority:
		return fmt.Sprintf("priority %d", id)
	case EventStalled:
		return fmt.Sprintf("stalled %d", id)
	}
	return "none"
}

// sent is what the Conn wants to send, as x/net reads it.
func (s *script) sent() string {
	list, _ := describeFrames(s.t, s.dec, s.c.Pending())
	s.c.Wrote(len(s.c.Pending()))
	return strings.Join(list, ", ")
}

func describeFrames(t testing.TB, dec *hpack.Decoder, b []byte) (list []string, data []byte) {
	framer := xhttp2.NewFramer(nil, bytes.NewReader(b))
	framer.ReadMetaHeaders = dec
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			if err.Error() != "EOF" {
				t.Fatalf("%x: x/net says %v", b, err)
			}
			return list, data
		}
		text, id := "", f.Header().StreamID
		switch f := f.(type) {
		case *xhttp2.MetaHeadersFrame:
			text = fmt.Sprintf("HEADERS %d", id)
			for _, field := range f.Fields {
				text += "|" + field.Name + "=" + field.Value
			}
			if f.StreamEnded() {
				text += " end"
			}
		case *xhttp2.DataFrame:
			text = fmt.Sprintf("DATA %d: %d", id, len(f.Data()))
			data = append(data, f.Data()...)
			if f.StreamEnded() {
				text += " end"
			}
		case *xhttp2.RSTStreamFrame:
			text = fmt.Sprintf("RST_STREAM %d %s", id, f.ErrCode)
		case *xhttp2.SettingsFrame:
			text = "SETTINGS"
			if f.IsAck() {
				text = "SETTINGS ack"
			}
		case *xhttp2.PingFrame:
			text = fmt.Sprintf("PING %x", f.Data)
			if f.IsAck() {
				text += " ack"
			}
		case *xhttp2.GoAwayFrame:
			text = fmt.Sprintf("GOAWAY %d %s", f.LastStreamID, f.ErrCode)
		case *xhttp2.WindowUpdateFrame:
			text = fmt.Sprintf("WINDOW_UPDATE %d %d", id, f.Increment)
		default:
			text = f.Header().Type.String()
		}
		list = append(list, text)
	}
}

// outcome is the events, the frames to be sent, and the error.
func (s *script) outcome() string {
	text := strings.Join(s.events, ", ")
	s.events = nil
	if out := s.sent(); out != "" {
		text += " -> " + out
	}
	if s.err != nil {
		text += " !! " + bare(s.err)
	}
	return strings.TrimSpace(text)
}

func (s *script) want(want string) {
	s.t.Helper()
	if got := s.outcome(); got != want {
		s.t.Errorf("got  %s\nwant %s", got, want)
	}
}
