package http2

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
)

// listen serves on loopback until the test ends.
func (t *testServer) listen(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go t.serve(nc)
		}
	}()
	return l.Addr().String()
}

// priorKnowledge is HTTP/2 without TLS.
func priorKnowledge() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

func realClient() *http.Client {
	return &http.Client{Transport: &http.Transport{Protocols: priorKnowledge()}}
}

// TestRealClient sets net/http's client on a Conn: bodies of many sizes both ways, at once, with trailers.
func TestRealClient(t *testing.T) {
	cfg := DefaultConfig()
	addr := (&testServer{cfg: &cfg, answer: func(r *asked) answer {
		a := echo(r)
		a.fields = append(a.fields, "trailer", "x-sum")
		a.trailers = []string{"x-sum", strconv.Itoa(len(a.body))}
		if r.trailers != nil {
			v, _ := r.trailers.GetName("x-client")
			a.trailers = append(a.trailers, "x-client", string(v))
		}
		return a
	}}).listen(t)
	client := realClient()
	var group sync.WaitGroup
	for i := range 60 {
		size := i * i * 300
		group.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, size)
			req, _ := http.NewRequest("POST", "http://"+addr+"/"+strconv.Itoa(i)+"?q", io.NopCloser(bytes.NewReader(body)))
			req.Trailer = http.Header{"X-Client": {strconv.Itoa(i)}}
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Equal(got, body) || resp.Header.Get("x-path") != "/"+strconv.Itoa(i) {
				t.Errorf("%d bytes for %d, %v, %v", len(got), size, resp.Header, err)
			}
			if resp.Trailer.Get("x-sum") != strconv.Itoa(size) || resp.Trailer.Get("x-client") != strconv.Itoa(i) {
				t.Errorf("trailers %v for %d bytes", resp.Trailer, size)
			}
		})
	}
	group.Wait()
}

// TestRealServer sets a Conn as client on net/http's server: many requests at once, bodies both ways, trailers, HEAD, early resets.
func TestRealServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", r.Host)
		w.Header().Set("Trailer", "X-Sum")
		n, _ := io.Copy(w, r.Body)
		w.Header().Set("X-Sum", strconv.FormatInt(n, 10)+r.Trailer.Get("X-Client"))
	})
	server := &http.Server{Handler: handler, Protocols: priorKnowledge()}
	go server.Serve(l)
	defer server.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	cfg := DefaultConfig()
	p := &realServerTest{t: t, c: NewConn(Client, &cfg, NewPool(), 0), nc: nc, open: map[*Stream]*asked{}}
	p.c.pool.Poison = true
	for i := range 40 {
		p.ask("POST", i*i*200)
	}
	p.ask("HEAD", 0)
	reset, _ := p.c.AppendRequest(&RequestHead{Method: []byte("POST"), Scheme: "http", Authority: []byte("a"), Path: []byte("/")}, nil, false)
	p.c.Reset(reset, Cancel)
	p.c.Release(reset)
	p.run()
	if p.answered != 41 {
		t.Errorf("%d of 41 were answered", p.answered)
	}
	p.c.Drain()
	p.flush()
	if !p.c.Drained() {
		t.Error("not drained")
	}
}

type realServerTest struct {
	t        *testing.T
	c        *Conn
	nc       net.Conn
	open     map[*Stream]*asked
	answered int
}

func (p *realServerTest) ask(method string, size int) {
	body := bytes.Repeat([]byte{byte(size)}, size)
	s, err := p.c.AppendRequest(&RequestHead{Method: []byte(method), Scheme: "http", Authority: []byte("a.example"), Path: []byte("/x"), Query: []byte("y"), HasQuery: true},
		fieldsOf([]string{"trailer", "x-client", "TE", "trailers"}), method == "HEAD")
	if err != nil {
		p.t.Fatal(err)
	}
	p.open[s] = &asked{s: s, rest: body, answer: answer{body: body}}
	p.c.SetReady(s, size > 0)
	if method != "HEAD" && size == 0 {
		_ = p.c.AppendTrailers(s, fieldsOf([]string{"x-client", "!"}))
	}
}

// run goes on until every request is answered.
func (p *realServerTest) run() {
	buf := make([]byte, 8<<10)
	for len(p.open) > 0 {
		for s := p.c.Next(); s != nil; s = p.c.Next() {
			r := p.open[s]
			n, err := p.c.AppendData(s, r.rest, false)
			if r.rest = r.rest[n:]; err != nil || len(r.rest) == 0 {
				_ = p.c.AppendTrailers(s, fieldsOf([]string{"x-client", "!"}))
			}
		}
		p.flush()
		n, err := p.nc.Read(buf)
		if err != nil {
			p.t.Fatal(err)
		}
		for b := buf[:n]; ; {
			n, ev, err := p.c.Feed(b, 0)
			if err != nil {
				p.t.Fatal(err)
			}
			if b = b[n:]; ev == nil {
				break
			}
			p.event(ev)
		}
	}
}

func (p *realServerTest) flush() {
	n, err := p.nc.Write(p.c.Pending())
	p.c.Wrote(n)
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *realServerTest) event(ev *Event) {
	r := p.open[ev.Stream]
	switch ev.Kind {
	case EventHeaders:
		if v, _ := ev.Message.GetName("x-host"); ev.Message.Status != 200 || string(v) != "a.example" {
			p.t.Errorf("%s", describeMessage(ev.Message))
		}
	case EventData:
		r.body = append(r.body, ev.Data...)
		p.c.Consumed(ev.Stream, len(ev.Data))
	case EventTrailers:
		r.trailers = ev.Message
	case EventReset:
		p.t.Errorf("stream %d: %s %s", ev.Stream.ID(), ev.Code, ev.Reason)
	}
	if !ev.EndStream {
		return
	}
	if !bytes.Equal(r.body, r.answer.body) {
		p.t.Errorf("stream %d: %d bytes for %d", ev.Stream.ID(), len(r.body), len(r.answer.body))
	}
	if r.trailers != nil {
		if v, _ := r.trailers.GetName("x-sum"); string(v) != strconv.Itoa(len(r.body))+"!" {
			p.t.Errorf("stream %d: x-sum %q", ev.Stream.ID(), v)
		}
	} else if !ev.Stream.isHead {
		p.t.Errorf("stream %d: no trailers", ev.Stream.ID())
	}
	p.c.Release(ev.Stream)
	delete(p.open, ev.Stream)
	p.answered++
}
