package message

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// stream is frames as they lie on the wire, and which byte has which descriptors beside it.
type stream struct {
	bytes []byte
	fds   map[int][]int
	next  int
}

func (s *stream) add(seq Seq, m Message) {
	h := Header{Type: m.Type(), Seq: seq, Length: uint32(len(Body(m))), Descriptors: uint32(count(m))}
	s.bytes = h.Append(s.bytes)
	for left := count(m); left > 0; left -= min(left, Batch) {
		if s.fds == nil {
			s.fds = map[int][]int{}
		}
		for range min(left, Batch) {
			s.fds[len(s.bytes)] = append(s.fds[len(s.bytes)], s.next)
			s.next++
		}
		s.bytes = append(s.bytes, 0)
	}
	s.bytes = append(s.bytes, Body(m)...)
}

// feed gives all bytes to d, no piece reaching across a cut, as a kernel may deliver them.
func (s *stream) feed(d *Decoder, cuts func(at int) bool) (frames []Frame, err error) {
	for at := 0; at < len(s.bytes); {
		end := at + 1
		for end < len(s.bytes) && end-at < d.Want() && !cuts(end) && s.fds[end] == nil {
			end++
		}
		f, err := d.Feed(s.bytes[at:end], s.fds[at])
		if err != nil {
			return frames, err
		}
		if f != nil {
			frames = append(frames, *f)
		}
		at = end
	}
	return frames, nil
}

func never(int) bool { return false }

func conversation() *stream {
	s := &stream{}
	s.add(1, &Hello{Role: RoleMaster, Min: 1, Max: 1, Product: "ringway"})
	s.add(2, &Ack{})
	s.add(3, &Listeners{Sockets: make([]Socket, 2*Batch+5)})
	s.add(4, &HandOver{Give: true})
	s.add(5, &Listeners{Sockets: make([]Socket, Batch)})
	return s
}

// TestDecoderSplitAnywhere cuts a conversation at every byte: the frames are the same.
func TestDecoderSplitAnywhere(t *testing.T) {
	s := conversation()
	want, err := s.feed(NewDecoder(0), never)
	if err != nil || len(want) != 5 {
		t.Fatalf("%d frames, %v", len(want), err)
	}
	total := 0
	for _, f := range want {
		for _, fd := range f.Descriptors {
			if fd != total {
				t.Fatalf("descriptor %d where %d belongs", fd, total)
			}
			total++
		}
		if _, err := Parse(f.Type, f.Body, len(f.Descriptors)); err != nil {
			t.Fatal(err)
		}
	}
	same := func(cuts func(int) bool) {
		t.Helper()
		d := NewDecoder(0)
		got, err := s.feed(d, cuts)
		if err != nil || !d.Between() || len(d.Release()) > 0 || d.Last() != 5 {
			t.Fatal(err, d.Last())
		}
		if !slices.EqualFunc(got, want, func(a, b Frame) bool {
			return a.Header == b.Header && bytes.Equal(a.Body, b.Body) && slices.Equal(a.Descriptors, b.Descriptors)
		}) {
			t.Fatal("other frames")
		}
	}
	for i := range s.bytes {
		same(func(at int) bool { return at == i })
	}
	same(func(int) bool { return true })
}

// TestDecoderRefuses breaks a stream in each way there is. No descriptor is ever lost.
func TestDecoderRefuses(t *testing.T) {
	one := func(seq Seq, m Message) *stream { s := &stream{}; s.add(seq, m); return s }
	for _, c := range []struct {
		name  string
		spoil func() *stream
		want  error
	}{
		{"foreign magic", func() *stream { s := one(1, &Ack{}); s.bytes[0] = 'G'; return s }, ErrForeign},
		{"replayed", func() *stream { s := one(1, &Ack{}); s.add(1, &Stop{}); return s }, ErrReplayed},
		{"number nought", func() *stream { return one(0, &Ack{}) }, ErrReplayed},
		{"one is missing", func() *stream { s := one(1, &Ack{}); s.add(3, &Stop{}); return s }, ErrGap},
		{"body beyond the bound", func() *stream {
			return &stream{bytes: Header{Type: TypeAck, Seq: 1, Length: MaxBody + 1}.Append(nil)}
		}, ErrTooLarge},
		{"descriptors beyond the bound", func() *stream {
			return &stream{bytes: Header{Type: TypeAck, Seq: 1, Descriptors: MaxDescriptors + 1}.Append(nil)}
		}, ErrTooLarge},
		{"descriptors beside a header", func() *stream { s := one(1, &Ack{}); s.fds = map[int][]int{4: {7}}; return s }, ErrStray},
		{"descriptors beside a body", func() *stream {
			s := one(1, &Failed{Text: "x"})
			s.fds = map[int][]int{HeaderLen + 2: {7, 8}}
			return s
		}, ErrStray},
		{"a batch short of one", func() *stream { s := one(1, &HandOver{}); s.fds = nil; return s }, ErrTruncated},
		{"a batch with one more", func() *stream { s := one(1, &HandOver{}); s.fds[HeaderLen] = []int{0, 1}; return s }, ErrStray},
		{"a carrier that says something", func() *stream { s := one(1, &HandOver{}); s.bytes[HeaderLen] = 1; return s }, ErrStray},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, d := c.spoil(), NewDecoder(0)
			frames, err := s.feed(d, never)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if d.Between() || d.Want() != 0 {
				t.Error("a broken stream wants more")
			}
			accounted(t, s, d, frames)
		})
	}
}

// accounted sees that every descriptor that was fed is in a frame or with the decoder.
func accounted(t *testing.T, s *stream, d *Decoder, frames []Frame) {
	t.Helper()
	var fed, got []int
	for _, fds := range s.fds {
		fed = append(fed, fds...)
	}
	for _, f := range frames {
		got = append(got, f.Descriptors...)
	}
	got = append(got, d.Release()...)
	slices.Sort(fed)
	slices.Sort(got)
	if !slices.Equal(fed, got) {
		t.Errorf("descriptors %v were fed, %v came out", fed, got)
	}
}

// TestDecoderBoundsMemory: a header that promises much makes nobody allocate it.
func TestDecoderBoundsMemory(t *testing.T) {
	d := NewDecoder(0)
	if _, err := d.Feed(Header{Type: TypeConfig, Seq: 1, Length: MaxBody}.Append(nil), nil); err != nil {
		t.Fatal(err)
	}
	if n := d.Want(); n > maxRead || n == 0 {
		t.Errorf("%d bytes are wanted at once", n)
	}
	if cap(d.frame.Body) > maxRead {
		t.Errorf("%d bytes are reserved for a promise", cap(d.frame.Body))
	}
	if d.Between() {
		t.Error("an end here is no truncation?")
	}
}

// FuzzDecoder feeds any bytes, with descriptors beside some, whole and cut at every byte: the outcome is the same and no
// descriptor is lost.
func FuzzDecoder(f *testing.F) {
	s := conversation()
	f.Add(s.bytes[:200], uint16(0), 0)
	small := &stream{}
	small.add(1, &HandOver{})
	small.add(2, &Drain{})
	f.Add(small.bytes, uint16(HeaderLen), 1)
	f.Fuzz(func(t *testing.T, b []byte, at uint16, n int) {
		s := &stream{bytes: b, fds: map[int][]int{}}
		for i := range min(max(n, 0), 2*Batch) {
			s.fds[int(at)] = append(s.fds[int(at)], i)
		}
		if int(at) >= len(b) {
			s.fds = nil
		}
		whole := NewDecoder(0)
		want, wantErr := s.feed(whole, never)
		pieces := NewDecoder(0)
		got, err := s.feed(pieces, func(int) bool { return true })
		if len(got) != len(want) || (err == nil) != (wantErr == nil) || whole.Between() != pieces.Between() {
			t.Fatalf("whole: %d frames, %v; in pieces: %d, %v", len(want), wantErr, len(got), err)
		}
		if err == nil {
			accounted(t, s, whole, want)
			accounted(t, s, pieces, got)
		}
	})
}
