package simtest

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"golang.org/x/net/http2"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// acceptH2 serves a connection of the gateway's with HTTP/2.
func (s *scenario) acceptH2(c *conn.Conn) {
	s.peers.Go("h2 origin", func(t *loop.Task) {
		e := s.newEnd(c, true)
		writer := s.peers.Go("h2 writer", e.write)
		mood := s.peers.Go("h2 mood", e.originMood)
		e.read()
		s.peers.Cancel(mood, errLost)
		_ = c.Close()
		_ = t.Join(mood)
		_ = t.Join(writer)
	})
}

// originMood is what an origin does with a connection meanwhile. In a calm world that must cost nothing.
func (e *h2End) originMood(t *loop.Task) {
	s, r := e.s, e.s.rnd
	for {
		if t.Sleep(upTo(r, 5*time.Second)) != nil || e.err != nil {
			return
		}
		switch n := r.IntN(16); {
		case s.tight && n < 3: // settings would wake whoever has missed a window
		case n < 2:
			e.set(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(e.window())})
		case n == 2:
			e.streamsAt = 1 + r.IntN(32)
			e.set(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(e.streamsAt)})
		case n == 3:
			e.ping(nil)
		case n == 4: // first it warns, and then it goes; nothing of what was sent meanwhile is lost
			_ = e.fr.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			e.ping(func() { e.goAway(e.last) })
			return
		case s.calm:
		case n < 7: // what comes from now on comes too late
			if e.leaving, e.lastServed = true, e.last; t.Sleep(upTo(r, time.Second)) != nil {
				return
			}
			e.goAway(e.lastServed)
			return
		case n < 9:
			e.refusing = !e.refusing
		case n == 9:
			e.abort()
			return
		}
	}
}

// goAway lets the connection end with stream last.
func (e *h2End) goAway(last uint32) {
	e.leaving, e.lastServed = true, last
	_ = e.fr.WriteGoAway(last, http2.ErrCodeNo, []byte("until tomorrow"))
	e.ends()
}

// ends ends the connection that is to end, once no stream is open.
func (e *h2End) ends() {
	e.shut = e.shut || e.open == 0
	e.news.Broadcast()
}

// serve is the life of a request at an origin.
func (e *h2End) serve(t *loop.Task, st *h2Stream) {
	if !e.answer(t, st) {
		st.reset(http2.ErrCodeInternal)
	}
	if e.leaving {
		e.ends()
	}
}

// answer answers a request, and reports whether what it has left of it is in order.
func (e *h2End) answer(t *loop.Task, st *h2Stream) bool {
	s, r := e.s, e.s.rnd
	method := st.head.PseudoValue("method")
	if method == "CONNECT" {
		e.goOver(t, st)
		return true
	}
	id, err := strconv.Atoi(field(st.head.Fields, "x-id"))
	if err != nil || id >= len(s.calls) || method != s.calls[id].method {
		s.problem("an origin got a request without a number, or of another method: %v", st.head.Fields)
		return false
	}
	call := s.calls[id]
	call.arrivals++
	d := s.drawDeed()
	if field(st.head.Fields, "expect") != "" || r.IntN(16) == 0 {
		st.sendFields([][2]string{{":status", []string{"100", "103"}[r.IntN(2)]}}, false)
	}
	if d != early && d != hasty {
		body, err := io.ReadAll(st)
		if err != nil {
			return false // the request broke off, which the gateway must have seen too
		}
		if !bytes.Equal(body, pattern(id, call.sends)) {
			s.problem("request %d (%s) reached the origin with %d bytes of another body, want %d", id, method, len(body), call.sends)
		}
		if sum := field(st.trailers, "x-sum"); call.trails && sum != strconv.Itoa(id) {
			s.problem("request %d (%s) reached the origin with trailers %v", id, method, st.trailers)
		}
		call.bodies++
	}
	if r.IntN(3) == 0 && t.Sleep(upTo(r, time.Duration(1+r.IntN(3000))*time.Millisecond)) != nil {
		return false
	}
	switch d {
	case mute:
		if r.IntN(4) == 0 {
			e.abort()
		}
		return false
	case absent:
		_ = t.Sleep(10 * time.Minute)
		return false
	case rubbish:
		e.talkRubbish(st)
		return false
	}
	return e.respond(t, st, call, d)
}

// talkRubbish breaks the rules, for the stream or for the connection.
func (e *h2End) talkRubbish(st *h2Stream) {
	e.rude = true
	switch e.s.rnd.IntN(6) {
	case 0:
		_ = e.fr.WriteData(st.id, false, []byte("before its head"))
	case 1:
		st.sendFields([][2]string{{":status", "twohundred"}}, false)
	case 2:
		st.sendFields([][2]string{{":status", "200"}, {"Upper", "case"}}, true)
	case 3:
		st.sendFields([][2]string{{":status", "200"}, {"x-id", field(st.head.Fields, "x-id")}, {"content-length", "10"}}, false)
		_ = st.send([]byte("too short"), true)
	case 4:
		_ = e.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, st.id, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	case 5:
		_ = e.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, []byte{0, 0, 0})
	}
	e.news.Broadcast()
}

// respond sends the call's body.
func (e *h2End) respond(t *loop.Task, st *h2Stream, call *call, d deed) bool {
	r := e.s.rnd
	body := pattern(call.id, call.gets)
	id := strconv.Itoa(call.id)
	fields := [][2]string{{":status", "200"}, {"x-id", id}, {"x-size", strconv.Itoa(len(body))}}
	trails := false
	if call.method == "HEAD" || r.IntN(2) == 0 {
		fields = append(fields, [2]string{"content-length", strconv.Itoa(len(body))})
	} else if r.IntN(2) == 0 {
		trails = true
		fields = append(fields, [2]string{"x-trails", id}, [2]string{"trailer", "x-sum"})
	}
	if call.method == "HEAD" {
		st.sent = true
		st.sendFields(fields, true)
		st.settle()
		return true
	}
	st.sendFields(fields, false)
	if d == broken || d == hasty {
		_ = st.send(body[:r.IntN(len(body)+1)], false)
		if r.IntN(4) == 0 {
			e.abort()
		}
		return false
	}
	if st.sendBody(t, body, trails, id) != nil {
		return false
	}
	if !st.ended { // it was answered without having been read
		st.reset(http2.ErrCodeNo)
	}
	return true
}

// goOver is what an origin does with an extended CONNECT.
func (e *h2End) goOver(t *loop.Task, st *h2Stream) {
	s, r := e.s, e.s.rnd
	if p := st.head.PseudoValue("protocol"); p != "websocket" {
		s.problem("the gateway asks for protocol %q", p)
	}
	if !s.calm && r.IntN(8) == 0 { // it will not
		st.sendFields([][2]string{{":status", "403"}, {"content-length", "2"}}, false)
		_ = st.send([]byte("no"), true)
		st.reset(http2.ErrCodeNo)
		return
	}
	st.sendFields([][2]string{{":status", "200"}}, false)
	s.serveLine(t, st, st, field(st.head.Fields, "x-tunnel"))
}
