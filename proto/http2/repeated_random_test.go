package http2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/ringway/ringway/proto/header"
)

// oneOfTwo is one end of two that are fed the same, of which one never remembers a section.
type oneOfTwo struct {
	c    *Conn
	open []*Stream
}

// feed gives the connection bytes and describes what comes of them. Messages are changed, as filters do.
func (o *oneOfTwo) feed(b []byte) (told string) {
	for {
		n, ev, err := o.c.Feed(b, 0)
		b = b[n:]
		if err != nil {
			return told + err.Error()
		}
		if ev == nil {
			o.c.Wrote(len(o.c.Pending()))
			return told
		}
		told += fmt.Sprintf("%d %v %s %d;", ev.Kind, ev.EndStream, ev.Reason, ev.Code)
		if m := ev.Message; m != nil {
			told += fmt.Sprintf("%v %s %s %s %s?%s %v %s %d %d %v", m.Method, m.MethodToken, m.Scheme, m.Authority, m.Path, m.Query, m.HasQuery, m.Protocol,
				m.Status, m.ContentLength, m.TooLarge)
			for name, value := range m.All() {
				told += fmt.Sprintf(" %s=%s", name, value)
			}
			v, ok := m.Get(header.ETag)
			told += fmt.Sprintf(" %s %v", v, ok)
			m.SetID(header.Cookie, []byte("changed"))
			m.Del("x-a")
		}
		switch {
		case ev.Stream == nil:
		case o.c.role == Server && ev.Kind == EventHeaders && !ev.EndStream:
			o.open = append(o.open, ev.Stream)
		case ev.EndStream || ev.Kind == EventReset:
			o.drop(ev.Stream.ID())
			o.c.Release(ev.Stream)
		}
	}
}

// drop strikes a stream off the open ones.
func (o *oneOfTwo) drop(id StreamID) (dropped *Stream) {
	for i, s := range o.open {
		if s.ID() == id {
			o.open = append(o.open[:i:i], o.open[i+1:]...)
			return s
		}
	}
	return nil
}

// twoEnds plays random sections to two connections.
type twoEnds struct {
	t        *testing.T
	r        *rand.Rand
	role     Role
	ends     [2]*oneOfTwo
	text     bytes.Buffer
	encoder  *hpack.Encoder
	last     [][]byte
	next     StreamID
	recalled int
	amid     int // streams that ended amid a section
}

func (w *twoEnds) begin() {
	pool := NewPool()
	pool.Poison = true
	for i, o := range w.ends {
		if o != nil {
			for _, s := range o.open {
				o.c.Release(s)
			}
			o.c.Close()
		}
		cfg := DefaultConfig()
		cfg.Faults.Burst, cfg.Control.Burst, cfg.Resets.Burst = 1<<20, 1<<20, 1<<20
		cfg.MaxConcurrentStreams, cfg.MaxHeaderList, cfg.MaxFields = 1000, 1024, 12
		w.ends[i] = &oneOfTwo{c: NewConn(w.role, &cfg, pool, 0)}
		preface := ""
		if w.role == Server {
			preface = ClientPreface
		}
		w.ends[i].feed(FrameHeader{Type: FrameSettings, Flags: FlagAck}.Append(AppendSettings([]byte(preface))))
	}
	w.encoder, w.last, w.next = hpack.NewEncoder(&w.text), nil, 1
}

// stream chooses whose section comes: trailers of an open one, or the head of a new one.
func (w *twoEnds) stream() (id StreamID, trailers bool) {
	if open := w.ends[0].open; len(open) > 0 && w.r.IntN(2) == 0 {
		return open[w.r.IntN(len(open))].ID(), true
	}
	if w.role == Server {
		id, w.next = w.next, w.next+2
		return id, false
	}
	for _, o := range w.ends {
		s, err := o.c.AppendRequest(&RequestHead{Method: []byte("GET"), Scheme: "http", Authority: []byte("h"), Path: []byte("/")}, nil, true)
		if err != nil {
			w.t.Fatal(err)
		}
		o.open = append(o.open, s)
		id = s.ID()
	}
	return id, false
}

// section is often one that came before, whatever its bytes mean now.
func (w *twoEnds) section(trailers bool) []byte {
	r := w.r
	w.text.Reset()
	if r.IntN(60) == 0 {
		w.encoder.SetMaxDynamicTableSize(uint32(r.IntN(600)))
	}
	write := func(name string, values ...string) {
		_ = w.encoder.WriteField(hpack.HeaderField{Name: name, Value: values[r.IntN(len(values))], Sensitive: r.IntN(150) == 0})
	}
	if n := len(w.last); n > 0 && r.IntN(4) > 0 {
		w.text.Write(w.last[n-1-r.IntN(n)*r.IntN(2)*r.IntN(2)])
	} else {
		switch {
		case trailers:
		case w.role == Client:
			write(":status", "200", "200", "200", "204", "100", "404")
		default:
			write(":method", "GET", "POST", "CONNECT")
			write(":scheme", "https")
			switch r.IntN(20) {
			case 0:
			case 1, 2, 3, 4, 5, 6, 7: // a literal without indexing, as nghttp2 has it
				w.text.WriteString("\x04\x02/a")
			default:
				write(":path", "/", "/a", "/b?c")
			}
			write(":authority", "a.example:1")
			if r.IntN(10) == 0 {
				write(":protocol", "websocket")
			}
		}
		for range r.IntN(4) {
			write([]string{"x-a", "x-b", "cookie", "te", "content-length", "etag", "host", "content-type"}[r.IntN(8)], "1", "0", "trailers", "a.example:1", "application/grpc")
		}
		for range r.IntN(30) / 29 * 12 {
			write("x-a", "1")
		}
	}
	section := bytes.Clone(w.text.Bytes())
	if w.last = append(w.last, section); len(w.last) > 3 {
		w.last = w.last[1:]
	}
	return section
}

// round feeds both one section, now and then in two pieces, between which the application may let go of the stream.
func (w *twoEnds) round() {
	id, trailers := w.stream()
	section := w.section(trailers)
	flags := FlagEndStream
	if !trailers && w.r.IntN(2) == 0 {
		flags = 0
	}
	b := headersFor(id, section, flags)
	cut, cancel := len(b), false
	if w.r.IntN(8) == 0 {
		cut, cancel = 9+w.r.IntN(len(section)+1), w.r.IntN(2) == 0
	}
	if m := w.ends[0].c.repeated; m != nil && m.message != nil && string(m.text[:m.length]) == string(section) {
		w.recalled++
	}
	w.ends[1].c.dropRepeated()
	var told [2]string
	for i, o := range w.ends {
		told[i] = o.feed(b[:cut])
		if cancel && cut < len(b) {
			if s := o.drop(id); s != nil {
				o.c.Release(s)
				w.amid++
			}
		}
		if cut < len(b) {
			told[i] += o.feed(b[cut:])
		}
	}
	if told[0] != told[1] {
		w.t.Fatalf("% x, trailers %v: %s\nwant %s", section, trailers, told[0], told[1])
	}
	if w.ends[0].c.Err() != nil || len(w.ends[0].open) > 60 {
		w.begin()
	}
}

// A connection that remembers and one that does not tell the same of the same sections: heads and trailers of few kinds, some faulty or too
// large, with fields that are never indexed, with tables that change their size and overflow, with streams that end amid them.
func TestRepeatedSectionsAtRandom(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		w := &twoEnds{t: t, r: rand.New(rand.NewPCG(1, uint64(role))), role: role}
		w.begin()
		for range 40_000 {
			w.round()
		}
		t.Logf("%d sections were recalled, %d streams ended amid one", w.recalled, w.amid)
		if w.recalled < 2000 || w.amid < 100 {
			t.Error("that is hardly any")
		}
	}
}
