package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// sectionsTo feeds a server one HEADERS frame after another, each with its own stream, and tells what comes of them.
type sectionsTo struct {
	*Conn
	id StreamID
}

func newSectionsTo(t *testing.T, pool *Pool) *sectionsTo {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Faults.Burst, cfg.Control.Burst, cfg.Resets.Burst = 1<<20, 1<<20, 1<<20
	s := &sectionsTo{Conn: NewConn(Server, &cfg, pool, 0)}
	t.Cleanup(s.Close)
	s.feed(t, FrameHeader{Type: FrameSettings, Flags: FlagAck}.Append(AppendSettings([]byte(ClientPreface))))
	return s
}

// feed gives the connection bytes and describes the events, whose streams are let go.
func (s *sectionsTo) feed(t *testing.T, b []byte) (told string) {
	t.Helper()
	for {
		n, ev, err := s.Feed(b, 0)
		b = b[n:]
		if err != nil {
			return told + err.Error()
		}
		if ev == nil {
			s.Wrote(len(s.Pending()))
			return told
		}
		told += fmt.Sprintf("%d %v %s;", ev.Kind, ev.EndStream, ev.Reason)
		if m := ev.Message; m != nil {
			told += fmt.Sprintf("%s %s %s %s?%s %d %v", m.MethodToken, m.Scheme, m.Authority, m.Path, m.Query, m.ContentLength, m.TooLarge)
			for name, value := range m.All() {
				told += fmt.Sprintf(" %s=%s", name, value)
			}
		}
		if ev.Stream != nil {
			s.Release(ev.Stream)
		}
	}
}

// ask feeds one section, cut into frames of at most most bytes.
func (s *sectionsTo) ask(t *testing.T, section []byte, most int) string {
	t.Helper()
	if s.id == 0 {
		s.id = 1
	} else {
		s.id += 2
	}
	var b []byte
	for kind, flags := FrameHeaders, FlagEndStream; ; kind, flags = FrameContinuation, 0 {
		n := min(len(section), most)
		if n == len(section) {
			flags |= FlagEndHeaders
		}
		b = append(FrameHeader{Length: uint32(n), Type: kind, Flags: flags, Stream: s.id}.Append(b), section[:n]...)
		if section = section[n:]; flags.Has(FlagEndHeaders) {
			return s.feed(t, b)
		}
	}
}

// A section that comes again means what it meant, and from the third time on is taken from memory; as soon as HPACK's table has
// changed the same bytes mean what they mean by then.
func TestRepeatedSection(t *testing.T) {
	pool := NewPool()
	pool.Poison = true
	s := newSectionsTo(t, pool)
	var text bytes.Buffer
	e := hpack.NewEncoder(&text)
	encode := func(fields ...string) []byte {
		text.Reset()
		for i := 0; i < len(fields); i += 2 {
			_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		return bytes.Clone(text.Bytes())
	}
	fields := []string{":method", "GET", ":scheme", "https", ":path", "/a?b", ":authority", "a.example", "cookie", "c=d", "cookie", "e=f", "x-last", "1"}
	want := s.ask(t, encode(fields...), 1<<14)
	again := encode(fields...)
	if !leavesTable(again) {
		t.Fatalf("% x", again)
	}
	for i := range 5 {
		if got := s.ask(t, again, 1<<14-i*(1<<14-3)/4); got != want {
			t.Errorf("%d: %s\nwant %s", i, got, want)
		}
		if remembered := s.repeated.message != nil; remembered != (i > 0) {
			t.Errorf("%d: remembered: %v", i, remembered)
		}
	}
	copy(s.repeated.message.store[bytes.Index(s.repeated.message.store, []byte("/a?b")):], "/x?y")
	if got := s.ask(t, again, 1<<14); got == want {
		t.Error("it is decoded all the same")
	}
	s.ask(t, encode(append(fields[:8:8], "x-last", "2")...), 1<<14) // the newest entry of the table from here on
	if s.repeated.message != nil {
		t.Error("it is remembered although the table has changed")
	}
	changed := s.ask(t, again, 1<<14)
	if changed == want {
		t.Errorf("the table has changed, and the section has not: %s", changed)
	}
	if got := s.ask(t, again, 1<<14) + s.ask(t, again, 1<<14); got != changed+changed {
		t.Errorf("%s\nwant %s", got, changed)
	}
	if due := s.Deadline(); s.repeated.message == nil || due != int64(repeatedRest) {
		t.Errorf("due at %d", due)
	}
	if _, err := s.Tick(int64(repeatedRest)); err != nil || s.repeated.message != nil || s.Deadline() != 0 {
		t.Errorf("at rest it is remembered; due at %d, %v", s.Deadline(), err)
	}
	if got := s.ask(t, again, 1<<14) + s.ask(t, again, 1<<14); got != changed+changed {
		t.Errorf("%s\nwant %s", got, changed)
	}
}

// What is wrong with a section is found however often it comes.
func TestRepeatedFaultySection(t *testing.T) {
	s := newSectionsTo(t, NewPool())
	good := []byte{0x82, 0x87, 0x84, 0x40, 0x04, 'h', 'o', 's', 't', 0x01, 'h'}
	s.ask(t, good, 1<<14)
	for what, section := range map[string][]byte{"no :path": {0x82, 0x87, 0xbe}, "twice :method": {0x82, 0x82, 0x87, 0x84, 0xbe}, "no host": {0x82, 0x87, 0x84}} {
		first := s.ask(t, section, 1<<14)
		for range 4 {
			if got := s.ask(t, section, 1<<14); got != first || s.Err() != nil {
				t.Errorf("%s: %s, before %s; %v", what, got, first, s.Err())
			}
		}
	}
	if got, want := s.ask(t, []byte{0x82, 0x87, 0x84, 0xbe}, 1<<14), "1 true ;GET https h /?"; len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("%s, want %s", got, want)
	}
	for range 3 { // an index that leads nowhere ends the connection
		s.ask(t, []byte{0x82, 0x87, 0x84, 0xff, 0x70}, 1<<14)
	}
	if s.Err() == nil {
		t.Error("an index beyond the table is taken")
	}
}

func TestLeavesTable(t *testing.T) {
	long := append(append([]byte{0x04, 0x7f, 0x81, 0x01}, bytes.Repeat([]byte{'/'}, 0x7f+0x81)...), 0x82)
	for _, c := range []struct {
		section []byte
		want    bool
	}{
		{nil, true}, {[]byte{0x82, 0xbe}, true}, {[]byte{0xff, 0x00}, true}, {[]byte{0xff, 0x80, 0x01, 0x82}, true}, {[]byte{0xff, 0x80, 0x01, 0x42}, false},
		{[]byte{0x3f, 0x01}, false}, {[]byte{0x82, 0x40, 0x01, 'a', 0x01, 'b'}, false}, {[]byte{0x82, 0x44, 0x01, 'a'}, false},
		{[]byte{0x00, 0x01, 'a', 0x01, 'b', 0x82}, true}, {[]byte{0x00, 0x01, 'a', 0x01, 'b', 0x40, 0x01, 'c', 0x00}, false},
		{[]byte{0x04, 0x82, 0x40, 0x41, 0x82}, true}, {[]byte{0x04, 0x82, 0x40, 0x41, 0x42}, false}, {[]byte{0x14, 0x01, 'a'}, false},
		{[]byte{0x0f, 0x01, 0x01, 'a', 0x82}, true}, {long, true}, {append(long, 0x41, 0x00), false}, {[]byte{0x04, 0x00}, true},
	} {
		if got := leavesTable(c.section); got != c.want {
			t.Errorf("% x: %v", c.section, got)
		}
	}
}

// headersFor is a HEADERS frame with a whole section.
func headersFor(id StreamID, section []byte, flags FrameFlags) []byte {
	return append(FrameHeader{Length: uint32(len(section)), Type: FrameHeaders, Flags: flags | FlagEndHeaders, Stream: id}.Append(nil), section...)
}

// newAsking is a client's end whose server has said its settings.
func newAsking(t *testing.T) *sectionsTo {
	t.Helper()
	cfg := DefaultConfig()
	s := &sectionsTo{Conn: NewConn(Client, &cfg, NewPool(), 0)}
	t.Cleanup(s.Close)
	s.feed(t, FrameHeader{Type: FrameSettings, Flags: FlagAck}.Append(AppendSettings(nil)))
	return s
}

func (s *sectionsTo) request(t *testing.T) *Stream {
	t.Helper()
	stream, err := s.AppendRequest(&RequestHead{Method: []byte("GET"), Scheme: "http", Authority: []byte("h"), Path: []byte("/")}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	s.Wrote(len(s.Pending()))
	return stream
}

// A section whose stream ended amid it means to others what it always meant.
func TestRepeatedSectionOfAStreamThatEndsAmidIt(t *testing.T) {
	s := newAsking(t)
	s.feed(t, headersFor(s.request(t).ID(), []byte{0x88, 0x40, 0x01, 'a', 0x01, '1'}, FlagEndStream))
	section := []byte{0x88, 0xbe}
	want := s.feed(t, headersFor(s.request(t).ID(), section, FlagEndStream))
	for range 2 {
		stream := s.request(t)
		frame := headersFor(stream.ID(), section, FlagEndStream)
		s.feed(t, frame[:10])
		s.Release(stream)
		s.feed(t, frame[10:])
	}
	for range 3 {
		if got := s.feed(t, headersFor(s.request(t).ID(), section, FlagEndStream)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What was a head is no trailer section.
func TestRepeatedHeadAsTrailers(t *testing.T) {
	s := newAsking(t)
	var id StreamID
	for range 3 {
		id = s.request(t).ID()
		if _, ev, err := s.Feed(headersFor(id, []byte{0x88}, 0), 0); err != nil || ev == nil {
			t.Fatal(ev, err)
		}
	}
	if _, ev, err := s.Feed(headersFor(id, []byte{0x88}, FlagEndStream), 0); err != nil || ev == nil || ev.Kind != EventReset {
		t.Errorf("%+v, %v", ev, err)
	}
}

// A section that is refused changes the table like any other.
func TestRepeatedSectionAfterARefusedOne(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxConcurrentStreams = 1
	s := &sectionsTo{Conn: NewConn(Server, &cfg, NewPool(), 0)}
	t.Cleanup(s.Close)
	s.feed(t, FrameHeader{Type: FrameSettings, Flags: FlagAck}.Append(AppendSettings([]byte(ClientPreface))))
	s.ask(t, []byte{0x82, 0x87, 0x84, 0x41, 0x01, 'h', 0x40, 0x01, 'a', 0x01, '1'}, 1<<14)
	again := []byte{0x82, 0x87, 0x84, 0xbf, 0xbe} // :authority h, a 1
	for range 3 {
		s.ask(t, again, 1<<14)
	}
	if s.repeated == nil || s.repeated.message == nil {
		t.Fatal("it is not remembered")
	}
	s.id += 2
	_, ev, err := s.Feed(headersFor(s.id, again, 0), 0)
	if err != nil || ev == nil {
		t.Fatal(ev, err)
	}
	held := ev.Stream
	s.ask(t, []byte{0x82, 0x87, 0x84, 0x41, 0x01, 'i'}, 1<<14) // refused: 0xbf is a, 0xbe :authority now
	s.Release(held)
	if got := s.ask(t, again, 1<<14); !strings.Contains(got, "a pseudo-header field behind other fields") {
		t.Errorf("%s", got)
	}
}

// A section of too many fields is so each time, and paid for; one that stands for much is not kept.
func TestRepeatedLargeSections(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxFields, cfg.Faults.Burst = 8, 22
	s := &sectionsTo{Conn: NewConn(Server, &cfg, NewPool(), 0)}
	t.Cleanup(s.Close)
	s.feed(t, FrameHeader{Type: FrameSettings, Flags: FlagAck}.Append(AppendSettings([]byte(ClientPreface))))
	many := []byte{0x82, 0x87, 0x84, 0x01, 0x01, 'h', 0x90, 0x90, 0x90, 0x90, 0x90, 0x90}
	for i := range 4 {
		if got := s.ask(t, many, 1<<14); !strings.Contains(got, "-1 true host") {
			t.Errorf("%d: %s", i, got)
		}
	}
	if s.ask(t, many, 1<<14); s.Err() == nil {
		t.Error("what is too large is not paid for")
	}

	s = newSectionsTo(t, NewPool())
	long := bytes.Repeat([]byte{'x'}, 1000)
	s.ask(t, append(append([]byte{0x82, 0x87, 0x84, 0x01, 0x01, 'h', 0x40, 0x01, 'a'}, appendInt(nil, 0, 7, uint64(len(long)))...), long...), 1<<14)
	for range 3 {
		s.ask(t, []byte{0x82, 0x87, 0x84, 0x01, 0x01, 'h', 0xbe, 0xbe, 0xbe}, 1<<14)
	}
	if s.repeated != nil && s.repeated.message != nil {
		t.Errorf("%d bytes are kept for 9", len(s.repeated.message.store))
	}
}

// A message that repeats another draws the same conclusions.
func TestMessageRepeats(t *testing.T) {
	m, of := NewPool().message(), NewPool().message()
	cfg := DefaultConfig()
	for k, fields := range map[kind][]string{
		kindRequest: {":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/a?b", ":authority", "h",
			"cookie", "a", "cookie", "b", "priority", "u=1", "x-other", "1"},
		kindResponse: {":status", "204", "content-length", "5", "etag", "x"},
	} {
		of.reset(k)
		for i := 0; i < len(fields); i += 2 {
			of.field(fields[i], fields[i+1], &cfg)
		}
		m.reset(k)
		m.repeat(of)
		if a, b := m.finish(true), of.finish(true); a != b || string(m.Protocol) != string(of.Protocol) || m.ContentLength != of.ContentLength ||
			string(m.Scheme) != string(of.Scheme) || string(m.Path)+"?"+string(m.Query) != string(of.Path)+"?"+string(of.Query) || m.Len() != of.Len() {
			t.Errorf("%q, want %q: %+v, want %+v", a, b, m, of)
		}
		for name, want := range of.All() {
			if got, ok := m.GetName(string(name)); !ok || !bytes.Equal(got, want) {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
}

// What is remembered is due to be dropped when it has not come for a while, and goes back to the pool.
func TestRepeatedSectionRests(t *testing.T) {
	pool := NewPool()
	s := newSectionsTo(t, pool)
	s.id = 1
	for _, now := range []int64{1, 1000, 2000} {
		_, ev, err := s.Feed(headersFor(s.id, []byte{0x82, 0x87, 0x84, 0x01, 0x01, 'h'}, FlagEndStream), now)
		if err != nil || ev == nil {
			t.Fatal(ev, err)
		}
		s.Release(ev.Stream)
		s.id += 2
		if due := s.Deadline(); now > 1 && due != now+int64(repeatedRest) {
			t.Errorf("at %d it is due at %d", now, due)
		}
	}
	n := len(pool.messages)
	if s.Close(); len(pool.messages) != n+1 {
		t.Errorf("the pool has %d messages, and had %d", len(pool.messages), n)
	}
}
