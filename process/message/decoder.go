package message

import (
	"fmt"
	"slices"
)

// Frame is a message as it came: its header, its body undecoded, and its descriptors, which belong to who holds the frame.
type Frame struct {
	Header
	Body        []byte
	Descriptors []int
}

// Decoder puts frames together from pieces. Descriptors come beside bytes, so the reader must never take more bytes at
// once than Want says: then what came with them belongs to them.
type Decoder struct {
	last     Seq // of the frame before
	stage    stage
	head     []byte
	carriers int // still to come
	frame    Frame
}

type stage uint8

const (
	inHeader stage = iota
	inCarriers
	inBody
	broken
)

// maxRead bounds what Want asks for, so that a header that promises much makes nobody allocate it before it comes.
const maxRead = 256 << 10

// NewDecoder makes a decoder that has seen the frames up to last.
func NewDecoder(last Seq) *Decoder { return &Decoder{last: last} }

// Last is the number of the last complete frame.
func (d *Decoder) Last() Seq { return d.last }

// Between reports whether the bytes so far end with a frame: an end of the stream is then no truncation.
func (d *Decoder) Between() bool { return d.stage == inHeader && len(d.head) == 0 }

// Want is how many bytes may be fed next, at most.
func (d *Decoder) Want() int {
	switch d.stage {
	case inHeader:
		return HeaderLen - len(d.head)
	case inCarriers:
		return 1
	case inBody:
		return min(int(d.frame.Length)-len(d.frame.Body), maxRead)
	}
	return 0
}

// Feed takes 1 to Want bytes and the descriptors that came beside them, and returns a frame when it is complete. The bytes
// are copied. The descriptors are the decoder's at once: on an error, and at the end, Release gives back what no frame
// took away.
func (d *Decoder) Feed(b []byte, fds []int) (*Frame, error) {
	if d.stage == broken || len(b) == 0 || len(b) > d.Want() {
		panic(fmt.Sprintf("message: Feed of %d bytes, where %d are wanted", len(b), d.Want()))
	}
	d.frame.Descriptors = append(d.frame.Descriptors, fds...)
	if err := d.feed(b, len(fds)); err != nil {
		d.stage = broken
		return nil, err
	}
	if d.stage != inBody || len(d.frame.Body) < int(d.frame.Length) {
		return nil, nil
	}
	f := d.frame
	d.last, d.frame, d.stage = f.Seq, Frame{}, inHeader
	return &f, nil
}

func (d *Decoder) feed(b []byte, fds int) error {
	switch d.stage {
	case inCarriers:
		want := min(int(d.frame.Header.Descriptors)-(len(d.frame.Descriptors)-fds), Batch)
		if fds < want {
			return fmt.Errorf("%w: %d descriptors of a batch of %d came", ErrTruncated, fds, want)
		}
		if fds > want || b[0] != 0 {
			return fmt.Errorf("%w: a batch of %d has %d", ErrStray, want, fds)
		}
		if d.carriers--; d.carriers == 0 {
			d.stage = inBody
		}
		return nil
	case inBody:
		if fds > 0 {
			return fmt.Errorf("%w: in a body", ErrStray)
		}
		d.frame.Body = append(d.frame.Body, b...)
		return nil
	}
	if fds > 0 {
		return fmt.Errorf("%w: in a header", ErrStray)
	}
	if d.head = append(d.head, b...); len(d.head) < HeaderLen {
		return nil
	}
	return d.header()
}

func (d *Decoder) header() error {
	h, err := ParseHeader(d.head)
	d.head = d.head[:0]
	switch {
	case err != nil:
		return err
	case h.Seq <= d.last:
		return fmt.Errorf("%w: number %d after %d", ErrReplayed, h.Seq, d.last)
	case h.Seq != d.last+1:
		return fmt.Errorf("%w: number %d after %d", ErrGap, h.Seq, d.last)
	}
	d.frame.Header, d.carriers, d.stage = h, h.Carriers(), inCarriers
	if d.carriers == 0 {
		d.stage = inBody
	}
	return nil
}

// Release gives back the descriptors that no frame has taken away. They are the caller's to close.
func (d *Decoder) Release() []int {
	fds := slices.Clip(d.frame.Descriptors)
	d.frame.Descriptors = nil
	return fds
}
