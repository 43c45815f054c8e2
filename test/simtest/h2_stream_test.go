package simtest

import (
	"io"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ringway/ringway/loop"
)

// h2Stream is one stream of an h2End: a request and its response. One task reads, one may write.
type h2Stream struct {
	e        *h2End
	id       uint32
	news     loop.Cond // of what was received
	head     *http2.MetaHeadersFrame
	trailers []hpack.HeaderField
	got      []byte // that nobody has taken
	room     int64  // that the gateway has for more
	left     int64  // that it may still send
	owed     int64  // bytes that were taken, and not given back
	ended    bool   // the gateway has sent all
	sent     bool   // this side has
	over     bool   // it counts no more
	stopped  bool   // nothing more is wanted, without an error
	err      error
}

func (e *h2End) newStream(id uint32) *h2Stream {
	st := &h2Stream{e: e, id: id, room: e.firstRoom, left: e.firstLeft}
	e.streams[id] = st
	e.order = append(e.order, st)
	e.open++
	return st
}

// settle counts the stream no more when both sides have ended.
func (st *h2Stream) settle() {
	if !st.over && (st.err != nil || st.ended && st.sent) {
		st.over = true
		st.e.open--
		st.e.news.Broadcast()
	}
}

// fail ends the stream early, unless the gateway has ended it. What nobody has taken counts as taken.
func (st *h2Stream) fail(err error) {
	if st.err == nil && !(st.ended && st.sent) {
		st.err = err
		if !st.ended {
			st.e.giveBack(len(st.got))
			st.got = nil
		}
	}
	st.settle()
	st.news.Broadcast()
	st.e.news.Broadcast()
}

// reset gives the stream up.
func (st *h2Stream) reset(code http2.ErrCode) {
	if st.over || st.e.err != nil {
		return
	}
	_ = st.e.fr.WriteRSTStream(st.id, code)
	st.e.news.Broadcast()
	st.fail(errGivenUp)
}

// takeReset judges the gateway's giving up.
func (st *h2Stream) takeReset(code http2.ErrCode) {
	e := st.e
	switch code {
	case http2.ErrCodeNo, http2.ErrCodeCancel, http2.ErrCodeInternal, http2.ErrCodeEnhanceYourCalm:
	case http2.ErrCodeRefusedStream:
		if e.server || st.head != nil {
			e.problem("the gateway refuses stream %d that it had opened or answered", st.id)
		}
		st.fail(errRefused)
		return
	default:
		if st.err != errGivenUp {
			e.problem("the gateway ends stream %d with %v", st.id, code)
		}
	}
	if code == http2.ErrCodeNo && st.ended && !st.sent { // the response is whole, and no more of the request is wanted
		st.stopped, st.sent = true, true
		st.settle()
		e.news.Broadcast()
		return
	}
	st.fail(errReset)
}

// takeFields takes a request's trailers, or a response's head or trailers.
func (st *h2Stream) takeFields(f *http2.MetaHeadersFrame) {
	e := st.e
	status, _ := strconv.Atoi(f.PseudoValue("status"))
	switch {
	case st.err != nil:
		return
	case st.ended:
		e.problem("the gateway sends fields after the end of stream %d", st.id)
	case st.head == nil && status >= 100 && status < 200:
		if f.StreamEnded() || status == 101 {
			e.problem("the gateway ends stream %d with status %d", st.id, status)
		}
		return
	case st.head == nil:
		if status < 200 || status > 599 {
			e.problem("the gateway answers stream %d with status %d", st.id, status)
		}
		st.head, st.ended = f, f.StreamEnded()
	default:
		if !f.StreamEnded() || len(f.PseudoFields()) > 0 {
			e.problem("the gateway sends fields amid stream %d: %v", st.id, f.Fields)
		}
		st.trailers, st.ended = f.RegularFields(), true
	}
	st.settle()
	st.news.Broadcast()
}

// takeData takes a part of the body, which must keep to the windows.
func (st *h2Stream) takeData(f *http2.DataFrame) {
	e := st.e
	n := int64(f.Length)
	if e.left -= n; e.left < 0 {
		e.problem("the gateway sends %d bytes more than the connection's window lets it", -e.left)
	}
	if st.err != nil {
		if st.err == errReset || st.err == errRefused {
			e.problem("the gateway sends %d bytes on stream %d, which it has ended", n, st.id)
		}
		e.giveBack(int(n))
		return
	}
	if st.left -= n; st.left < 0 && n > 0 {
		e.problem("the gateway sends %d bytes more than the window of stream %d lets it", -st.left, st.id)
	}
	if st.ended || st.head == nil {
		e.problem("the gateway sends %d bytes on stream %d before its head or behind its end", n, st.id)
	}
	st.got = append(st.got, f.Data()...)
	st.ended = f.StreamEnded()
	if padding := int(n) - len(f.Data()); padding > 0 {
		st.giveBack(padding)
		e.giveBack(padding)
	}
	st.giveBack(0)
	e.giveBack(0)
	st.settle()
	st.news.Broadcast()
}

// giveBack returns n bytes that were taken to the stream's window: at once, or when the gateway may run out of it.
func (st *h2Stream) giveBack(n int) {
	e := st.e
	st.owed += int64(n)
	if st.ended || st.err != nil || e.err != nil || st.owed == 0 || st.owed < leastReturn && len(st.got) > 0 {
		return
	}
	if st.left <= 0 || (st.left <= e.said/2 || st.owed >= leastReturn) && e.returns(st.left, e.said) {
		_ = e.fr.WriteWindowUpdate(st.id, uint32(st.owed))
		st.left, st.owed = st.left+st.owed, 0
		e.news.Broadcast()
	}
}

// await waits for the response's head.
func (st *h2Stream) await() error {
	for st.head == nil {
		if st.err != nil {
			return st.err
		}
		if err := st.e.wait(&st.news); err != nil {
			return err
		}
	}
	return nil
}

// Read reads the body.
func (st *h2Stream) Read(p []byte) (int, error) {
	for len(st.got) == 0 {
		switch {
		case st.ended:
			return 0, io.EOF
		case st.err != nil:
			return 0, st.err
		}
		if err := st.e.wait(&st.news); err != nil {
			return 0, err
		}
	}
	n := copy(p, st.got)
	st.got = st.got[n:]
	st.giveBack(n)
	st.e.giveBack(n)
	return n, nil
}

// Write sends a part of the body.
func (st *h2Stream) Write(p []byte) (int, error) {
	return len(p), st.send(p, false)
}

// CloseWrite ends the body.
func (st *h2Stream) CloseWrite() error { return st.send(nil, true) }

// Abort gives the stream up.
func (st *h2Stream) Abort() { st.reset(http2.ErrCodeCancel) }

// h2Queue is how many bytes of bodies may wait for the connection.
const h2Queue = 8 << 10

// send sends a part of the body, in frames of any size, as the gateway's windows let it.
func (st *h2Stream) send(p []byte, end bool) error {
	e, r := st.e, st.e.s.rnd
	for len(p) > 0 || end && !st.sent {
		switch {
		case st.err != nil:
			return st.err
		case st.stopped:
			return io.ErrClosedPipe
		case e.err != nil || e.shut:
			return errLost
		}
		room := int(max(min(int64(e.frame), e.room, st.room), 0))
		if len(p) > 0 && room == 0 || e.out.Len() > h2Queue {
			if err := e.wait(&e.news); err != nil {
				return err
			}
			continue
		}
		n := min(len(p), room)
		if n > 256 && r.IntN(3) == 0 {
			n = 1 + r.IntN(n)
		}
		last := end && n == len(p) && (n == 0 || r.IntN(2) == 0)
		pad := 0
		if room > n+256 && r.IntN(8) == 0 {
			pad = r.IntN(256)
			_ = e.fr.WriteDataPadded(st.id, last, p[:n], make([]byte, pad))
			pad++
		} else {
			_ = e.fr.WriteData(st.id, last, p[:n])
		}
		e.room, st.room = e.room-int64(n+pad), st.room-int64(n+pad)
		p, st.sent = p[n:], st.sent || last
		e.news.Broadcast()
		st.settle()
	}
	return nil
}

// sendFields sends a head, unless the stream has ended.
func (st *h2Stream) sendFields(fields [][2]string, end bool) {
	if st.err == nil && st.e.err == nil {
		st.e.sendFields(st.id, fields, end)
	}
}

// sendTrailers ends the body with fields.
func (st *h2Stream) sendTrailers(fields ...[2]string) error {
	switch {
	case st.err != nil:
		return st.err
	case st.stopped:
		return io.ErrClosedPipe
	}
	st.sent = true
	st.e.sendFields(st.id, fields, true)
	st.settle()
	return nil
}

// field is a field of the head or the trailers, or "".
func field(fields []hpack.HeaderField, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
