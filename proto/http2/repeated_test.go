package http2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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

// A connection that remembers and one that never does tell the same of the same sections: of few different requests, some faulty, with
// fields that are never indexed, with tables that change their size and overflow.
func TestRepeatedSectionsAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var remembers, forgets *sectionsTo
	var text bytes.Buffer
	var e *hpack.Encoder
	var last [][]byte
	begin := func() {
		remembers, forgets = newSectionsTo(t, NewPool()), newSectionsTo(t, NewPool())
		e, last = hpack.NewEncoder(&text), nil
	}
	write := func(name, value string) {
		_ = e.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: r.IntN(100) == 0})
	}
	begin()
	recalled, began := 0, 1
	for range 30_000 {
		text.Reset()
		if r.IntN(50) == 0 {
			e.SetMaxDynamicTableSize(uint32(r.IntN(600)))
		}
		if n := len(last); n > 0 && r.IntN(2) == 0 { // the same bytes, whatever they mean now
			text.Write(last[n-1-r.IntN(n)*r.IntN(2)])
		} else {
			write(":method", []string{"GET", "POST"}[r.IntN(2)])
			write(":scheme", "https")
			switch path := []string{"/", "/a", "/b?c"}[r.IntN(20)/9]; r.IntN(20) {
			case 0:
			case 1, 2, 3, 4, 5, 6, 7, 8: // a literal without indexing, as nghttp2 has it
				text.WriteString(string([]byte{0x04, byte(len(path))}) + path)
			default:
				write(":path", path)
			}
			write(":authority", "a.example")
			for range r.IntN(3) {
				write([]string{"x-a", "x-b", "cookie", "Bad", "content-length"}[r.IntN(50)/10], []string{"1", "0"}[r.IntN(20)/19])
			}
		}
		section := bytes.Clone(text.Bytes())
		if last = append(last, section); len(last) > 4 {
			last = last[1:]
		}
		if remembers.repeated.is(section, kindRequest) && remembers.repeated.message != nil {
			recalled++
		}
		forgets.dropRepeated()
		most := 1 + r.IntN(60)
		got, want := remembers.ask(t, section, most), forgets.ask(t, section, most)
		if got != want {
			t.Fatalf("% x: %s\nwant %s", section, got, want)
		}
		if forgets.Err() != nil { // an index that leads nowhere by now
			began++
			begin()
		}
	}
	t.Logf("%d sections were recalled, on %d connections", recalled, began)
	if recalled < 1000 {
		t.Error("hardly anything was recalled")
	}
}
