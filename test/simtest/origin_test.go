package simtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// Accept serves a connection of the gateway's.
func (s *scenario) Accept(c *conn.Conn) {
	if s.originsH2 {
		s.acceptH2(c)
		return
	}
	s.peers.Go("origin", func(t *loop.Task) {
		defer c.Close()
		c.SetReadTimeout(10 * time.Minute)
		c.SetWriteTimeout(5 * time.Minute)
		br := bufio.NewReader(c)
		for {
			q, err := http.ReadRequest(br)
			if err == nil && q.Header.Get("Upgrade") != "" {
				s.goOver(t, c, br, q)
				return
			}
			if err != nil || !s.answer(t, c, q) {
				return
			}
		}
	})
}

// deed is what an origin does with a request.
type deed int

const (
	proper  deed = iota
	early        // answers without reading the body, and closes
	mute         // closes without an answer
	broken       // resets in the middle of the response
	hasty        // does so without having read the body
	rubbish      // answers with what is no response
	absent       // never answers
)

// drawDeed is proper most of the time; some seeds have a vice that half of all requests meet.
func (s *scenario) drawDeed() deed {
	switch {
	case s.calm:
		return proper
	case s.vice != proper && s.rnd.IntN(2) == 0:
		return s.vice
	case s.rnd.IntN(8) > 0:
		return proper
	}
	return early + deed(s.rnd.IntN(6))
}

// answer answers one request, and reports whether the connection goes on.
func (s *scenario) answer(t *loop.Task, c *conn.Conn, q *http.Request) bool {
	id, err := strconv.Atoi(q.Header.Get("X-Id"))
	if err != nil || id >= len(s.calls) {
		s.problem("an origin got a request without a number: %v", q.Header)
		return false
	}
	call := s.calls[id]
	call.arrivals++
	d := s.drawDeed()
	if d != early && d != hasty {
		if q.Header.Get("Expect") != "" {
			if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return false
			}
		}
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return false // the request broke off, which the gateway must have seen too
		}
		if !bytes.Equal(body, pattern(id, call.sends)) {
			s.problem("request %d (%s) reached the origin with %d bytes of another body, want %d", id, q.Method, len(body), call.sends)
		}
		if sum := q.Trailer.Get("X-Sum"); call.trails && sum != strconv.Itoa(id) {
			s.problem("request %d (%s) reached the origin with trailers %v", id, q.Method, q.Trailer)
		}
		call.bodies++
	}
	if s.rnd.IntN(3) == 0 {
		if t.Sleep(upTo(s.rnd, time.Duration(1+s.rnd.IntN(3000))*time.Millisecond)) != nil {
			return false
		}
	}
	switch d {
	case mute:
		return false
	case absent:
		_ = t.Sleep(10 * time.Minute)
		return false
	case rubbish:
		_, _ = io.WriteString(c, []string{"\x00\x01\x02", "HTTP/9.9 hello\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "nonsense\r\n"}[s.rnd.IntN(4)])
		return false
	}
	goesOn := s.respond(t, c, q, call, d)
	return goesOn && d == proper
}

// respond sends the call's body in one of the three framings.
func (s *scenario) respond(t *loop.Task, c *conn.Conn, q *http.Request, call *call, d deed) bool {
	body := pattern(call.id, call.gets)
	last := d == early || d == hasty || s.rnd.IntN(6) == 0
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Id: %d\r\nX-Size: %d\r\n", call.id, len(body))
	framing := s.rnd.IntN(3)
	if last && (s.calm || s.rnd.IntN(2) == 0) || framing == 2 { // an end that is not announced may cost the next request
		head += "Connection: close\r\n"
		last = true
	}
	var out bytes.Buffer
	switch {
	case framing == 0 || q.Method == http.MethodHead:
		fmt.Fprintf(&out, "%sContent-Length: %d\r\n\r\n", head, len(body))
		if q.Method != http.MethodHead {
			out.Write(body)
		}
	case framing == 1:
		trailer := ""
		if s.rnd.IntN(2) == 0 {
			head, trailer = fmt.Sprintf("%sX-Trails: %d\r\nTrailer: X-Sum\r\n", head, call.id), fmt.Sprintf("X-Sum: %d\r\n", call.id)
		}
		out.WriteString(head + "Transfer-Encoding: chunked\r\n\r\n")
		for rest := body; len(rest) > 0; {
			n := 1 + s.rnd.IntN(min(len(rest), 1<<s.rnd.IntN(18)))
			fmt.Fprintf(&out, "%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		out.WriteString("0\r\n" + trailer + "\r\n")
	default:
		out.WriteString(head + "\r\n")
		out.Write(body)
	}
	data := out.Bytes()
	if d == broken || d == hasty {
		data = data[:s.rnd.IntN(len(data))]
	}
	if !s.dribble(t, c, data) {
		return false
	}
	if d == broken || d == hasty {
		c.Abort()
	}
	return !last
}

// dribble writes data, often in pieces with pauses.
func (s *scenario) dribble(t *loop.Task, c io.Writer, data []byte) bool {
	pieces := 1
	if s.rnd.IntN(2) == 0 {
		pieces = 1 + s.rnd.IntN(5)
	}
	for ; len(data) > 0; pieces-- {
		n := len(data)
		if pieces > 1 {
			n = 1 + s.rnd.IntN(len(data))
		}
		if _, err := c.Write(data[:n]); err != nil {
			return false
		}
		if data = data[n:]; len(data) > 0 && s.rnd.IntN(2) == 0 {
			if t.Sleep(upTo(s.rnd, 300*time.Millisecond)) != nil {
				return false
			}
		}
	}
	return true
}
