package simtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// h2End is one end of a connection of HTTP/2 that the scenario plays, a client's or an origin's. Frames and fields are read and
// written by golang.org/x/net, and windows and states are kept here, so that the gateway's own codec is not what judges it.
type h2End struct {
	s      *scenario
	c      *conn.Conn
	server bool
	stingy bool // it gives windows back only when they are used up
	waits  bool // for the gateway's settings, before anything is asked
	quit   bool // this side has broken off
	rude   bool // this side breaks the rules: complaints about it are due

	fr     *http2.Framer
	out    bytes.Buffer // frames that have to be sent
	fields *hpack.Encoder
	block  bytes.Buffer
	turn   loop.Mutex
	news   loop.Cond // of what is to be sent, windows, settings and the end
	shut   bool      // nothing more is sent
	err    error

	refusing   bool   // an origin refuses what comes
	leaving    bool   // it has said that it will end, and
	lastServed uint32 // which stream is the last that it looks at

	streams map[uint32]*h2Stream
	order   []*h2Stream // the same as they were opened
	open    int
	last    uint32 // stream that was opened

	// What the gateway allows this end.
	settled     bool // its settings have come
	room        int64
	firstRoom   int64 // of a stream
	frame       int
	most        int  // streams at a time
	tunnels     bool // extended CONNECT
	goneAway    bool
	lastAllowed uint32

	// What this end allows the gateway.
	left      int64   // bytes on the connection
	width     int64   // what left can be at most
	owed      int64   // bytes that were taken, and not given back
	firstLeft int64   // of a stream: the most that the gateway may still believe in
	changes   int     // of it
	said      int64   // the same, as the last settings had it
	unacked   []int64 // by how much each of the settings that are on their way makes it smaller
	streamsAt int     // a time
	pings     uint64
	pongs     uint64
	onPong    func()
}

// Why a stream ends early.
var (
	errLost    = errors.New("the connection has ended")
	errReset   = errors.New("the gateway has reset the stream")
	errRefused = errors.New("the gateway has refused the stream")
	errGivenUp = errors.New("this side has given the stream up")
)

// newEnd makes an end of a fresh connection and says how it wants to be spoken to.
func (s *scenario) newEnd(c *conn.Conn, server bool) *h2End {
	e := &h2End{s: s, c: c, server: server, streams: map[uint32]*h2Stream{}, room: 65535, firstRoom: 65535, frame: 16384, most: 1 << 20,
		left: 65535, width: 65535, firstLeft: 65535, said: 65535, lastAllowed: 1<<31 - 1, streamsAt: 1 << 20, waits: s.calm || s.rnd.IntN(2) == 0}
	e.stingy = s.tight || s.rnd.IntN(3) == 0
	e.fr = http2.NewFramer(&e.out, bufio.NewReader(c))
	e.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	e.fields = hpack.NewEncoder(&e.block)
	if !server {
		e.out.WriteString(http2.ClientPreface)
	}
	e.introduce()
	return e
}

// introduce sends the first settings. Windows are not so small that a body takes more than some hundred frames.
func (e *h2End) introduce() {
	r := e.s.rnd
	window := e.window()
	all := []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: uint32(window)}}
	if r.IntN(3) == 0 {
		n := uint32(16384 + r.IntN(1<<20))
		all = append(all, http2.Setting{ID: http2.SettingMaxFrameSize, Val: n})
		e.fr.SetMaxReadFrameSize(n)
	} else {
		e.fr.SetMaxReadFrameSize(16384)
	}
	if r.IntN(3) == 0 {
		n := uint32(r.IntN(1 << r.IntN(17)))
		all = append(all, http2.Setting{ID: http2.SettingHeaderTableSize, Val: n})
		e.fr.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(max(n, 4096))
	}
	switch {
	case !e.server:
		all = append(all, http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	default:
		if r.IntN(2) == 0 {
			e.streamsAt = 1 + r.IntN(1<<r.IntN(6))
			all = append(all, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(e.streamsAt)})
		}
		if e.s.calm || r.IntN(8) > 0 {
			all = append(all, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
		}
	}
	e.set(all...)
	if !e.s.tight && r.IntN(2) == 0 {
		e.widen(1 + r.IntN(1<<r.IntN(21)))
	}
}

// window draws the window of a stream. Some are larger than the connection's.
func (e *h2End) window() int {
	if e.s.tight || e.s.rnd.IntN(4) == 0 {
		return 1 << 20
	}
	return 1 + max(e.s.rnd.IntN(1<<e.s.rnd.IntN(21)), 1<<min(e.s.biggest-4, 12))
}

// set sends settings. A smaller window binds the gateway only when it has acknowledged it.
func (e *h2End) set(all ...http2.Setting) {
	shrinks := int64(0)
	for _, x := range all {
		if x.ID == http2.SettingInitialWindowSize {
			d := int64(x.Val) - e.said
			e.said = int64(x.Val)
			if shrinks = min(d, 0); d > 0 {
				e.allow(d)
			}
		}
	}
	e.unacked = append(e.unacked, shrinks)
	_ = e.fr.WriteSettings(all...)
	e.news.Broadcast()
}

// allow changes what the gateway may send on every stream.
func (e *h2End) allow(d int64) {
	e.firstLeft, e.changes = e.firstLeft+d, e.changes+1
	for _, st := range e.order {
		st.left += d
		st.giveBack(0)
	}
}

// widen lets the gateway have n bytes more on the way on the whole connection.
func (e *h2End) widen(n int) {
	e.left, e.width = e.left+int64(n), e.width+int64(n)
	_ = e.fr.WriteWindowUpdate(0, uint32(n))
	e.news.Broadcast()
}

// returns says whether to raise a window of which so much is left, out of so much.
func (e *h2End) returns(left, of int64) bool {
	if e.stingy {
		return left <= 0
	}
	return left <= of/2 || e.s.rnd.IntN(2) == 0
}

// leastReturn is what windows are raised by, unless all has been taken that came: less is what attackers do.
const leastReturn = 64

// giveBack returns n bytes that were taken to the connection's window: at once, or when the gateway may run out of it.
func (e *h2End) giveBack(n int) {
	if e.owed += int64(n); e.owed >= leastReturn && e.err == nil && e.returns(e.left, e.width) {
		_ = e.fr.WriteWindowUpdate(0, uint32(e.owed))
		e.left, e.owed = e.left+e.owed, 0
		e.news.Broadcast()
	}
}

// ping asks for a sign of life, and does f when it comes.
func (e *h2End) ping(f func()) {
	e.pings++
	e.onPong = f
	var data [8]byte
	binary.BigEndian.PutUint64(data[:], e.pings)
	_ = e.fr.WritePing(false, data)
	e.news.Broadcast()
}

// wait waits for news of one kind.
func (e *h2End) wait(news *loop.Cond) error {
	t := e.s.peers.Current()
	if err := e.turn.Lock(t); err != nil {
		return err
	}
	defer e.turn.Unlock()
	return news.Wait(t, &e.turn)
}

// write sends what there is to be sent, as a task, until the end.
func (e *h2End) write(t *loop.Task) {
	for e.err == nil {
		if e.out.Len() == 0 {
			if e.shut {
				_ = e.c.CloseWrite()
				return
			}
			if e.wait(&e.news) != nil {
				return
			}
			continue
		}
		data := slices.Clone(e.out.Bytes())
		e.out.Reset()
		e.c.SetWriteTimeout(5 * time.Minute)
		if !e.s.dribble(t, e.c, data) {
			e.lost()
			return
		}
		e.news.Broadcast()
	}
}

// lost ends everything that has not come to its end.
func (e *h2End) lost() {
	if e.err != nil {
		return
	}
	e.err = errLost
	for _, st := range e.order {
		st.fail(errLost)
	}
	e.news.Broadcast()
}

// abort breaks the connection off.
func (e *h2End) abort() {
	e.c.Abort()
	e.lost()
}

// sendFields sends a section of fields, in one frame or in several.
func (e *h2End) sendFields(id uint32, fields [][2]string, end bool) {
	r := e.s.rnd
	e.block.Reset()
	for _, f := range fields {
		_ = e.fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: r.IntN(16) == 0})
	}
	block := e.block.Bytes()
	first := min(len(block), e.frame/2)
	if r.IntN(6) == 0 {
		first = r.IntN(first + 1)
	}
	p := http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:first], EndStream: end, EndHeaders: first == len(block)}
	if r.IntN(6) == 0 {
		p.PadLength = uint8(r.IntN(256))
	}
	if !e.server && r.IntN(6) == 0 {
		p.Priority = http2.PriorityParam{Weight: uint8(r.IntN(256))}
	}
	_ = e.fr.WriteHeaders(p)
	for block = block[first:]; len(block) > 0; {
		n := 1 + r.IntN(len(block))
		if n < len(block)/4 { // CONTINUATION without end is an attack
			n = len(block)
		}
		_ = e.fr.WriteContinuation(id, n == len(block), block[:n])
		block = block[n:]
	}
	e.news.Broadcast()
}
