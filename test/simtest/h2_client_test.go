package simtest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// tries is how many connections a client makes for requests that the gateway gives back.
const tries = 16

// converseH2 makes up to most requests over connections of HTTP/2, many at a time, and returns how many it made. What the gateway
// gives back, unseen, is asked again on the next connection.
func (s *scenario) converseH2(t *loop.Task, most int) int {
	n := 1 + s.rnd.IntN(most)
	var calls []*call
	heavy := s.heavy && s.rnd.IntN(4) == 0
	for range n * (1 + s.rnd.IntN(s.crowd)) {
		q := s.newCall()
		if heavy && len(calls) < 4 { // together more than the window of a connection
			q.method, q.sends = "PUT", 48<<10+s.size()
		}
		if s.rnd.IntN(8) == 0 {
			q.method, q.sends = "TUNNEL", s.size()
		}
		calls = append(calls, q)
	}
	for try := 0; len(calls) > 0; try++ {
		err := errRefused
		if try < tries {
			var c *conn.Conn
			if c, err = conn.Dial(s.net, &s.gateway, 30*time.Second); err == nil {
				calls = s.overH2(t, c, calls)
				continue
			}
		}
		if end(calls, "no connection"); s.calm {
			s.problem("a client of HTTP/2 gives up at connection %d: %v", try, err)
		}
		break
	}
	return n
}

// overH2 makes calls over a connection and gives those that the gateway has not looked at.
func (s *scenario) overH2(t *loop.Task, c *conn.Conn, calls []*call) (again []*call) {
	e := s.newEnd(c, false)
	reader := s.peers.Go("h2 reader", func(t *loop.Task) {
		if !s.calm && s.rnd.IntN(24) == 0 { // it does not hear at all, PINGs included
			_ = t.Sleep(10 * time.Minute)
		}
		e.read()
	})
	writer := s.peers.Go("h2 writer", e.write)
	mood := s.peers.Go("h2 mood", e.clientMood)
	var streams []loop.Handle
	for _, q := range calls {
		streams = append(streams, s.peers.Go("h2 request", func(t *loop.Task) { e.ask(t, q) }))
	}
	for _, h := range streams {
		_ = t.Join(h)
	}
	s.peers.Cancel(mood, errGivenUp)
	_ = t.Join(mood)
	if e.err == nil && s.rnd.IntN(2) == 0 {
		_ = e.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
		e.shut = true
		e.news.Broadcast()
		_ = t.Join(writer)
		if since := s.w.Now(); s.rnd.IntN(2) == 0 { // now that nothing is asked for any more the gateway ends the connection
			if _ = t.Join(reader); s.calm && s.w.Now()-since > int64(time.Minute) {
				s.problem("the gateway has not ended a connection %v after its client went away", time.Duration(s.w.Now()-since))
			}
		}
	}
	_ = c.Close()
	_ = t.Join(reader)
	e.news.Broadcast()
	_ = t.Join(writer)
	for _, q := range calls {
		if q.ended != "" {
			continue
		}
		if q.arrivals > 0 {
			s.problem("request %d (%s) was given back, and reached an origin", q.id, q.method)
		}
		again = append(again, q)
	}
	return again
}

// clientMood is what a client does with its connection meanwhile. In a calm world that must cost nothing.
func (e *h2End) clientMood(t *loop.Task) {
	s, r := e.s, e.s.rnd
	for {
		if t.Sleep(upTo(r, 3*time.Second)) != nil || e.err != nil {
			return
		}
		switch n := r.IntN(8); {
		case s.tight && n < 2: // settings would wake whoever has missed a window
		case n < 2:
			e.set(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(e.window())})
		case n == 2:
			e.ping(nil)
		case n == 3: // it asks for nothing more, and wants all answers
			_ = e.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
			e.goneAway = true
			e.news.Broadcast()
			return
		case n == 4 && !s.calm:
			e.quit = true
			e.abort()
			return
		case n == 5 && !s.calm: // it ends its side
			e.quit, e.shut = true, true
			e.news.Broadcast()
			return
		}
	}
}

// slot waits until the gateway allows another stream, and reports false if it never will.
func (e *h2End) slot() bool {
	for e.err == nil && !e.goneAway && !e.shut {
		if e.open < e.most && (e.settled || !e.waits) {
			return true
		}
		if e.wait(&e.news) != nil {
			return false
		}
	}
	return false
}

// next opens the client's next stream, whose head must be sent before anything else happens.
func (e *h2End) next() *h2Stream {
	e.last += 2
	return e.newStream(e.last - 1)
}

// ask makes one call. One that has no end afterwards was not looked at.
func (e *h2End) ask(t *loop.Task, q *call) {
	s, r := e.s, e.s.rnd
	if t.Sleep(upTo(r, time.Duration(r.IntN(1000))*time.Millisecond)) != nil || !e.slot() {
		return
	}
	if q.method == "TUNNEL" {
		e.askTunnel(t, q)
		return
	}
	neglects := !s.calm && r.IntN(30) == 0
	if neglects {
		q.method, q.sends = "GET", 0
		q.gets = int(e.firstLeft) + 1 + s.size()
	}
	st, sender := e.sendRequest(q)
	if r.IntN(10) == 0 {
		giveUp := s.peers.Go("h2 give up", func(t *loop.Task) {
			if t.Sleep(upTo(r, time.Second)) == nil && !st.ended {
				st.reset(http2.ErrCodeCancel)
			}
		})
		defer func() { _ = t.Join(giveUp) }()
	}
	err := e.hear(t, st, q, neglects)
	if err != nil && e.err == nil && !st.over {
		st.reset(http2.ErrCodeCancel)
	}
	_ = t.Join(sender)
	if err == nil && !st.sent { // as when the request was answered early
		st.reset(http2.ErrCodeNo)
	}
	switch {
	case err == nil, errors.Is(err, errRefused):
	case errors.Is(err, errGivenUp):
		q.ended = "given up by the client"
	case e.quit:
		end([]*call{q}, "left by the client")
	default:
		s.broke([]*call{q}, fmt.Sprintf("stream broke off (%v)", err), err)
	}
}

// sendRequest sends the head at once, and the body in a task of its own.
func (e *h2End) sendRequest(q *call) (st *h2Stream, sender loop.Handle) {
	s, r := e.s, e.s.rnd
	st = e.next()
	fields := [][2]string{{":method", q.method}, {":scheme", "http"}, {":authority", "sim.test"}, {":path", fmt.Sprintf("/call/%d", q.id)},
		{"x-id", strconv.Itoa(q.id)}, {"x-filler", strings.Repeat(strconv.Itoa(r.IntN(40)), r.IntN(1<<r.IntN(9)))}}
	if r.IntN(3) == 0 {
		fields = append(fields, [2]string{"priority", fmt.Sprintf("u=%d, i", r.IntN(8))})
	}
	body := pattern(q.id, q.sends)
	uploads := q.method == "POST" || q.method == "PUT"
	if !uploads {
		st.sent, q.trails = true, false
		e.sendFields(st.id, fields, true)
		return st, sender
	}
	trails := false
	if r.IntN(2) == 0 {
		fields = append(fields, [2]string{"content-length", strconv.Itoa(len(body))})
	} else if r.IntN(2) == 0 {
		trails = true
		fields = append(fields, [2]string{"trailer", "x-sum"})
	}
	q.trails = trails
	e.sendFields(st.id, fields, false)
	return st, s.peers.Go("h2 sender", func(t *loop.Task) { _ = st.sendBody(t, body, trails, strconv.Itoa(q.id)) })
}

// sendBody sends a whole body, often in pieces with pauses.
func (st *h2Stream) sendBody(t *loop.Task, body []byte, trails bool, sum string) error {
	r := st.e.s.rnd
	for pieces := 1 + r.IntN(2)*r.IntN(5); pieces > 1 && len(body) > 0; pieces-- {
		n := r.IntN(len(body) + 1)
		if err := st.send(body[:n], false); err != nil {
			return err
		}
		body = body[n:]
		if r.IntN(2) == 0 {
			if err := t.Sleep(upTo(r, 300*time.Millisecond)); err != nil {
				return err
			}
		}
	}
	if !trails {
		return st.send(body, true)
	}
	if err := st.send(body, false); err != nil {
		return err
	}
	return st.sendTrailers([2]string{"x-sum", sum})
}

// hear reads the answer and judges it.
func (e *h2End) hear(t *loop.Task, st *h2Stream, q *call, neglects bool) error {
	s, r := e.s, e.s.rnd
	if err := st.await(); err != nil {
		return err
	}
	status, _ := strconv.Atoi(st.head.PseudoValue("status"))
	if changes := e.changes; neglects && status == 200 && int64(q.gets) > e.firstLeft {
		if err := t.Sleep(10 * time.Minute); err != nil {
			return err
		}
		if st.err == nil && st.ended && changes == e.changes {
			s.problem("request %d has all its %d bytes although nobody read for 10 minutes", q.id, q.gets)
		}
	} else if r.IntN(s.haste) == 0 {
		if err := t.Sleep(upTo(r, 2*time.Second)); err != nil {
			return err
		}
	}
	var body []byte
	part := make([]byte, 1+r.IntN(1<<r.IntN(18)))
	for slow := r.IntN(2) * r.IntN(20); ; {
		n, err := st.Read(part)
		body = append(body, part[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if slow > 0 {
			slow--
			if err := t.Sleep(upTo(r, 200*time.Millisecond)); err != nil {
				return err
			}
		}
	}
	res := &http.Response{StatusCode: status, Header: http.Header{}}
	for _, f := range st.head.RegularFields() {
		res.Header.Add(f.Name, f.Value)
	}
	if n := field(st.head.Fields, "content-length"); n != "" && n != strconv.Itoa(len(body)) && q.method != "HEAD" {
		s.problem("request %d was answered with content-length %s and %d bytes", q.id, n, len(body))
	}
	s.check(q, res, body)
	// What trailers there are the response's own head says: of a request that was tried again, two responses may be on their way.
	if sum, want := field(st.trailers, "x-sum"), field(st.head.Fields, "x-trails"); q.ended == "answered" && (sum != want || sum != "" && sum != strconv.Itoa(q.id)) {
		s.problem("request %d was answered with trailer %q, want %q", q.id, sum, want)
	}
	return nil
}

// askTunnel makes a call that goes over to another protocol.
func (e *h2End) askTunnel(t *loop.Task, q *call) {
	s := e.s
	for e.waits = true; !e.settled; {
		if !e.slot() {
			return
		}
	}
	if !e.tunnels {
		s.problem("the gateway offers no extended CONNECT")
	}
	st := e.next()
	line := fmt.Sprintf("tunnel %d %d %d", q.id, q.sends, q.gets)
	e.sendFields(st.id, [][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":authority", "sim.test"},
		{":path", "/tunnel"}, {"x-tunnel", line}}, false)
	if err := st.await(); err != nil {
		e.tunnelEnded(q, err)
		return
	}
	if status, _ := strconv.Atoi(st.head.PseudoValue("status")); status != 200 {
		if q.ended = "tunnel refused"; s.calm {
			s.problem("tunnel %d was refused in a calm world", q.id)
		}
		if status != http.StatusForbidden && status != http.StatusRequestTimeout && status < 500 {
			s.problem("the upgrade of tunnel %d is answered by %d", q.id, status)
		}
		st.reset(http2.ErrCodeCancel)
		return
	}
	if !s.calm && s.rnd.IntN(8) == 0 {
		q.cut = true
		s.dribble(t, st, pattern(q.id, q.sends)[:s.rnd.IntN(q.sends+1)])
		st.Abort()
		q.ended = "tunnel given up"
		return
	}
	err := s.bothWays(t, st, q.id, q.sends, func(last *int64) error {
		return s.verify(st, q, "client", pattern(q.id, q.gets), last)
	})
	if e.tunnelEnded(q, err); err == errEarly && q.arrivals > 0 {
		s.problem("tunnel %d: its stream ended early at the client, as if that were all", q.id)
	}
}

// tunnelEnded says what became of a tunnel.
func (e *h2End) tunnelEnded(q *call, err error) {
	switch {
	case err == nil:
		q.ended = "tunnel ended"
	case errors.Is(err, errRefused):
	default:
		if q.ended = "tunnel broke off"; e.s.calm {
			e.s.problem("tunnel %d broke off in a calm world: %v", q.id, err)
		}
	}
}
