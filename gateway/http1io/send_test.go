package http1io

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// pieces is a body of given pieces, at whose end stands err (nil: io.EOF). At first it is not ready before every second.
type pieces struct {
	list     []string
	err      error
	trailers *header.Fields
	task     *loop.Task
	taken    int
	last     []byte
}

func (p *pieces) Next() ([]byte, error) {
	for i := range p.last { // the promise was until this call
		p.last[i] = '!'
	}
	if !p.Ready() {
		_ = p.task.Sleep(time.Millisecond)
	}
	if p.taken == len(p.list) {
		if p.err != nil {
			return nil, p.err
		}
		return nil, io.EOF
	}
	p.last = []byte(p.list[p.taken])
	p.taken++
	return p.last, nil
}

func (p *pieces) Ready() bool              { return p.taken%2 == 0 || p.taken > 20 }
func (p *pieces) Trailers() *header.Fields { return p.trailers }
func (p *pieces) Close()                   {}

const headText = "HTTP/1.1 200 OK\r\n\r\n"

func headBlock(r *rig, c *conn.Conn) *Out {
	b := r.n.Small()
	b.Len = copy(b.Bytes, headText)
	return &Out{Conn: c, Block: b, Timeout: patience, Task: r.l.Current()}
}

func bytesOf(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rand.IntN(26))
	}
	return string(b)
}

// decode is what the body on the wire stands for.
func decode(t *testing.T, wire string, chunked bool) (body, tail string) {
	t.Helper()
	if !chunked {
		return wire, ""
	}
	var d http1.ChunkDecoder
	d.Reset(&limits)
	in := []byte(wire)
	for {
		n, data, done, err := d.Next(in)
		if err != nil || n == 0 && !done {
			t.Fatalf("not a chunked body: %v, …%q", err, wire[max(0, len(wire)-60):])
		}
		body += string(data)
		if in = in[n:]; done {
			for name, value := range d.Trailers().All() {
				tail += string(name) + "=" + string(value)
			}
			return body, tail + string(in)
		}
	}
}

func TestSend(t *testing.T) {
	var trailers, many header.Fields
	trailers.Add("X-Sum", []byte("1"))
	wide := strings.Repeat("w", 7000)
	many.Add("X-Wide", []byte(wide))
	lists := map[string][]string{
		"empty": nil, "small": {"hello"}, "some": {"a", "b", "c", "d"}, "limit": {bytesOf(copyLimit)}, "past the limit": {bytesOf(copyLimit + 1)},
		"fills blocks": {bytesOf(4000), bytesOf(4000), bytesOf(4000), bytesOf(copyLimit), bytesOf(100)},
		"large":        {bytesOf(1 << 20), bytesOf(3 << 20)}, "mixed": {"x", bytesOf(100_000), "y", bytesOf(5000), bytesOf(5000), "z"},
		"many": strings.Split(strings.Repeat("ab,", 5000)+"c", ","),
	}
	for name, list := range lists {
		for _, test := range []struct {
			chunked  bool
			trailers *header.Fields
			tail     string
		}{{false, nil, ""}, {true, nil, ""}, {true, &trailers, "X-Sum=1"}, {true, &many, "X-Wide=" + wide}} {
			t.Run(fmt.Sprint(name, "/", test.chunked, len(test.tail)), func(t *testing.T) {
				eachDriver(t, conn.DefaultLimits(), func(r *rig) {
					c, peer := r.pair()
					want := strings.Join(list, "")
					done := r.start(func(task *loop.Task) {
						o := headBlock(r, c)
						o.Body, o.Chunked = &pieces{list: list, task: task, trailers: test.trailers}, test.chunked
						if err := o.Send(); err != nil || o.Sent != int64(len(want)) || o.Block != nil {
							r.Errorf("%v, sent %d of %d", err, o.Sent, len(want))
						}
						_ = c.Close()
					})
					got, err := io.ReadAll(peer)
					<-done
					wire, ok := strings.CutPrefix(string(got), headText)
					if body, tail := decode(t, wire, test.chunked); !ok || err != nil || body != want || tail != test.tail {
						t.Errorf("%v; %d bytes instead of %d, tail %.40q", err, len(body), len(want), tail)
					}
					_ = peer.Close()
				})
			})
		}
	}
}

func TestSendWithoutBody(t *testing.T) {
	eachDriver(t, conn.DefaultLimits(), func(r *rig) {
		c, peer := r.pair()
		r.do(func(*loop.Task) {
			if err := headBlock(r, c).Send(); err != nil {
				r.Error(err)
			}
			_ = c.Close()
		})
		if got, err := io.ReadAll(peer); string(got) != headText || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		_ = peer.Close()
	})
}

func TestSendFailures(t *testing.T) {
	broken := errors.New("broken")
	for _, chunked := range []bool{false, true} {
		eachDriver(t, conn.DefaultLimits(), func(r *rig) {
			c, peer := r.pair()
			r.do(func(task *loop.Task) {
				o := headBlock(r, c)
				o.Body, o.Chunked = &pieces{list: []string{"a", "b", bytesOf(9000), "c"}, err: broken, task: task}, chunked
				var source *SourceError
				if err := o.Send(); !errors.As(err, &source) || source.Err != broken || o.Sent != 9003 {
					r.Errorf("source: %v, sent %d", err, o.Sent)
				}
				c.Abort()
			})
			if got, _ := io.ReadAll(peer); strings.HasSuffix(string(got), "0\r\n\r\n") {
				t.Error("the body was ended as if it were whole")
			}
			_ = peer.Close()

			c, peer = r.pair()
			_ = peer.Close()
			r.do(func(task *loop.Task) {
				o := headBlock(r, c)
				o.Body, o.Chunked = &pieces{list: strings.Split(strings.Repeat(bytesOf(6000)+",", 500), ","), task: task}, chunked
				var source *SourceError
				if err := o.Send(); err == nil || errors.As(err, &source) {
					r.Errorf("sink: %v", err)
				}
				_ = c.Close()
			})

			c, peer = r.pair()
			r.do(func(task *loop.Task) { // a sink that takes nothing
				o := headBlock(r, c)
				o.Timeout = 30 * time.Millisecond
				o.Body, o.Chunked = &pieces{list: strings.Split(strings.Repeat(bytesOf(60000)+",", 500), ","), task: task}, chunked
				var source *SourceError
				if err := o.Send(); err == nil || errors.As(err, &source) {
					r.Errorf("slow sink: %v", err)
				}
				c.Abort()
			})
			_ = peer.Close()
		})
	}
}

// TestSpliced sends a body that comes from another connection, part of it received before.
func TestSpliced(t *testing.T) {
	const n = 3 << 20
	body := bytesOf(n)
	for _, early := range []int{0, 10, 40_000} {
		eachDriver(t, conn.DefaultLimits(), func(r *rig) {
			src, from := r.pair()
			dst, to := r.pair()
			go func() {
				_, _ = io.WriteString(from, body[:early])
				time.Sleep(5 * time.Millisecond)
				_, _ = io.WriteString(from, body[early:]+"NEXT")
			}()
			done := r.start(func(*loop.Task) {
				if early > 0 {
					_, _ = src.ReadBuf()
				}
				var b Body
				b.Start(src, http1.Length, n, Limits{HTTP1: &limits, Timeout: patience})
				o := headBlock(r, dst)
				o.Body = &b
				if err := o.Send(); err != nil || o.Sent != n || !b.Complete() || b.Read() != n {
					r.Errorf("%v, sent %d, complete %v", err, o.Sent, b.Complete())
				}
				if rest, err := readAll(src, 4); rest != "NEXT" || err != nil {
					r.Errorf("followed by %q, %v", rest, err)
				}
				_, _ = src.Close(), dst.Close()
			})
			got, err := io.ReadAll(to)
			<-done
			if string(got) != headText+body || err != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			_, _ = from.Close(), to.Close()
		})
	}
}

func TestSpliceFailures(t *testing.T) {
	eachDriver(t, conn.DefaultLimits(), func(r *rig) {
		for _, test := range []string{"source ends", "source is slow", "sink ends", "sink is slow"} {
			src, from := r.pair()
			dst, to := r.pair()
			sourceTime := patience
			if test == "source is slow" {
				sourceTime = 50 * time.Millisecond
			}
			done := r.start(func(*loop.Task) {
				var b Body
				b.Start(src, http1.Length, 1<<30, Limits{HTTP1: &limits, Timeout: sourceTime})
				o := headBlock(r, dst)
				o.Body, o.Timeout = &b, 100*time.Millisecond
				err := o.Send()
				var source *SourceError
				if err == nil || errors.As(err, &source) != strings.HasPrefix(test, "source") || b.Complete() {
					r.Errorf("%s: %v", test, err)
				}
				src.Abort()
				dst.Abort()
			})
			data := make([]byte, 300_000)
			if strings.HasPrefix(test, "sink") {
				data = make([]byte, 50<<20)
				if test == "sink ends" {
					_ = to.Close()
				}
			} else {
				go func() { _, _ = io.Copy(io.Discard, to) }()
			}
			_, _ = from.Write(data)
			if test == "source ends" {
				_ = from.Close()
			}
			<-done
			_, _ = from.Close(), to.Close()
		}
	})
}

func TestFit(t *testing.T) {
	eachDriver(t, conn.Limits{SmallBlocks: 4, LargeBlocks: 1}, func(r *rig) {
		r.do(func(*loop.Task) {
			for _, n := range []int{0, 1, conn.SmallBlock, conn.SmallBlock + 1, conn.LargeBlock} {
				b := r.n.Small()
				out := b.Bytes[:0]
				for i := range n {
					out = append(out, byte(i))
				}
				got, err := Fit(r.n, b, out)
				if err != nil || got.Len != n || (got != b) != (n > conn.SmallBlock) || string(got.Data()) != string(out) {
					r.Errorf("%d bytes: %v", n, err)
					continue
				}
				got.Put()
			}
			b := r.n.Small()
			if _, err := Fit(r.n, b, make([]byte, conn.LargeBlock+1)); err != ErrNoBlocks {
				r.Errorf("%v", err)
			}
		})
	})
}
