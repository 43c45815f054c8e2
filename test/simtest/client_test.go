package simtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// call is one request and what became of it.
type call struct {
	id       int
	method   string
	sends    int  // bytes of the request's body
	gets     int  // bytes of the response's
	arrivals int  // heads that reached an origin
	bodies   int  // times that the whole body did
	trails   bool // the request has trailers
	cut      bool // a side has reset a tunnel
	ended    string
}

// newCall draws a request.
func (s *scenario) newCall() *call {
	c := &call{id: len(s.calls), method: []string{"GET", "GET", "POST", "PUT", "HEAD"}[s.rnd.IntN(5)], gets: s.size()}
	if c.method == "POST" || c.method == "PUT" {
		if c.sends = s.size(); s.tight {
			c.sends += 48 << 10
		}
	}
	s.calls = append(s.calls, c)
	return c
}

// size draws the size of a body: small ones are as frequent as large ones.
func (s *scenario) size() int { return s.rnd.IntN(1 << s.rnd.IntN(s.biggest)) }

// client makes its requests over as many connections as that takes.
func (s *scenario) client(t *loop.Task) {
	for left := s.requests; left > 0; {
		if t.Sleep(upTo(s.rnd, 500*time.Millisecond)) != nil {
			return
		}
		if s.rnd.IntN(4) < s.share {
			left -= s.converseH2(t, left)
			continue
		}
		if s.rnd.IntN(4) == 0 {
			s.tunnel(t)
			left--
			continue
		}
		c, err := conn.Dial(s.net, &s.gateway, 30*time.Second)
		if err != nil {
			s.newCall().ended = "no connection"
			if left--; s.calm {
				s.problem("a client cannot connect: %v", err)
			}
			continue
		}
		if !s.calm && s.rnd.IntN(10) == 0 {
			s.neglect(t, c)
			left--
		} else {
			left -= s.converse(t, c, left)
		}
		_ = c.Close()
	}
}

// neglect asks for a body and reads nothing of it for longer than the gateway waits for any client: what does not fit between
// the two cannot have arrived after all.
func (s *scenario) neglect(t *loop.Task, c *conn.Conn) {
	c.SetReadTimeout(5 * time.Minute)
	c.SetWriteTimeout(5 * time.Minute)
	q := s.newCall()
	q.method, q.sends = "GET", 0
	var out bytes.Buffer
	s.write(&out, q, s.rnd.IntN(2) == 0)
	fits := s.world.Faults.Room
	if fits == 0 {
		fits = 256 << 10
	}
	q.gets = fits + s.size()
	defer end([]*call{q}, "neglected by the client")
	if _, err := c.Write(out.Bytes()); err != nil || t.Sleep(10*time.Minute) != nil {
		return
	}
	r, err := s.readHead(bufio.NewReader(c), q)
	if err != nil || r.StatusCode != 200 {
		return
	}
	if body, err := io.ReadAll(r.Body); err == nil {
		s.problem("request %d has all its %d bytes although nobody read for 10 minutes", q.id, len(body))
	}
}

// converse makes up to most requests over c and returns how many it made, at least one.
func (s *scenario) converse(t *loop.Task, c *conn.Conn, most int) int {
	c.SetReadTimeout(5 * time.Minute)
	c.SetWriteTimeout(5 * time.Minute)
	br := bufio.NewReader(c)
	for made := 0; ; {
		batch := []*call{s.newCall()}
		for len(batch) < most-made && s.rnd.IntN(4) == 0 { // pipelined
			batch = append(batch, s.newCall())
		}
		var out bytes.Buffer
		for i, q := range batch {
			s.write(&out, q, i == len(batch)-1 && made+len(batch) == most)
		}
		made += len(batch)
		data := out.Bytes()
		abort := !s.calm && s.rnd.IntN(12) == 0
		if abort {
			data = data[:s.rnd.IntN(len(data))]
		}
		if abort {
			s.dribble(t, c, data)
			end(batch, "given up by the client")
			if s.rnd.IntN(2) == 0 {
				c.Abort()
			}
			return made
		}
		// Answers are read while requests are sent: else two sides that both wait to send would wait for ever, and a refusal
		// before everything was sent would be missed.
		sent := false
		sender := s.peers.Go("sender", func(t *loop.Task) { sent = s.dribble(t, c, data) })
		all := s.readAll(t, c, br, batch, made > len(batch))
		if !all {
			_ = c.Close()
		}
		if t.Join(sender) != nil || !all || !sent || made == most {
			return made
		}
		if br.Buffered() > 0 {
			s.problem("%d bytes follow the answer to request %d", br.Buffered(), batch[len(batch)-1].id)
			return made
		}
	}
}

func end(batch []*call, how string) {
	for _, q := range batch {
		if q.ended == "" {
			q.ended = how
		}
	}
}

// write forms a request.
func (s *scenario) write(out *bytes.Buffer, q *call, last bool) {
	fmt.Fprintf(out, "%s /call/%d HTTP/1.1\r\nHost: sim.test\r\nX-Id: %d\r\n", q.method, q.id, q.id)
	if last {
		out.WriteString("Connection: close\r\n")
	}
	body := pattern(q.id, q.sends)
	switch {
	case q.method != "POST" && q.method != "PUT":
		out.WriteString("\r\n")
	case s.rnd.IntN(2) == 0:
		if s.rnd.IntN(6) == 0 {
			out.WriteString("Expect: 100-continue\r\n")
		}
		fmt.Fprintf(out, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		out.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for len(body) > 0 {
			n := 1 + s.rnd.IntN(len(body))
			fmt.Fprintf(out, "%x\r\n%s\r\n", n, body[:n])
			body = body[n:]
		}
		out.WriteString("0\r\n\r\n")
	}
}

// readAll reads the answers to batch in order, and reports whether the connection goes on; used says that others came before them.
func (s *scenario) readAll(t *loop.Task, c *conn.Conn, br *bufio.Reader, batch []*call, used bool) bool {
	for i, q := range batch {
		if _, err := br.Peek(1); err != nil && (used || i > 0) && s.closedBetween(batch[i:]) {
			return false
		}
		r, err := s.readHead(br, q)
		if err != nil {
			s.broke(batch, "no answer", err)
			return false
		}
		if !s.calm && s.rnd.IntN(20) == 0 {
			end(batch, "left by the client")
			return false
		}
		if s.rnd.IntN(s.haste) == 0 && t.Sleep(upTo(s.rnd, 2*time.Second)) != nil {
			return false
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.broke(batch, "answer broke off", err)
			return false
		}
		s.check(q, r, body)
		if r.Close {
			early := q.method == "HEAD" && r.Header.Get("X-Id") == "" // an error from before the method was known has a body
			if q == batch[len(batch)-1] && !early {
				if b, err := br.ReadByte(); err == nil {
					s.problem("byte %q follows the last answer, to request %d", b, q.id)
				}
			}
			end(batch, "closed before it was answered")
			return false
		}
	}
	return true
}

// closedBetween ends requests that a gateway which leaves has not taken: it may close a used connection of HTTP/1.1 without having been
// able to say so in the response before (RFC 9112 §9.6). What it did take, it has to answer.
func (s *scenario) closedBetween(batch []*call) bool {
	if !s.leaves || slices.ContainsFunc(batch, func(q *call) bool { return q.arrivals > 0 }) {
		return false
	}
	end(batch, "closed between two requests")
	return true
}

// readHead reads the head of the final response.
func (s *scenario) readHead(br *bufio.Reader, q *call) (*http.Response, error) {
	for {
		r, err := http.ReadResponse(br, &http.Request{Method: q.method})
		if err != nil || r.StatusCode >= 200 {
			return r, err
		}
	}
}

// broke ends what is open in a visible failure, which a calm world does not have.
func (s *scenario) broke(batch []*call, how string, err error) {
	if s.calm {
		s.problem("%s in a calm world: %v", how, err)
	}
	end(batch, how)
}

// own are the statuses that a gateway answers with itself.
var own = []int{400, 408, 413, 431, 502, 503, 504}

// check holds an answer against what the origin gives.
func (s *scenario) check(q *call, r *http.Response, body []byte) {
	got := r.Header.Get("X-Id")
	switch {
	case got == "" && slices.Contains(own, r.StatusCode):
		q.ended = fmt.Sprint(r.StatusCode)
		if s.calm {
			s.problem("request %d was answered with %d in a calm world: %s", q.id, r.StatusCode, body)
		}
		return
	case got != fmt.Sprint(q.id) || r.StatusCode != 200:
		s.problem("request %d was answered with status %d, X-Id %q", q.id, r.StatusCode, got)
	case q.method == "HEAD" && len(body) > 0:
		s.problem("request %d has %d bytes as answer to HEAD", q.id, len(body))
	case q.method != "HEAD" && !bytes.Equal(body, pattern(q.id, q.gets)):
		s.problem("request %d was answered with %d bytes of another body, want %d", q.id, len(body), q.gets)
	case q.arrivals == 0:
		s.problem("request %d was answered, but reached no origin", q.id)
	}
	q.ended = "answered"
}
