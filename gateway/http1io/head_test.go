package http1io

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http1"
)

// readHead reads one request from c and what follows it, both while the input may have come in any pieces.
func readHead(r *rig, c *conn.Conn, head, after string) {
	r.Helper()
	var h Head
	var q http1.Request
	q.Reset()
	got, err := h.Read(c, &q, &limits)
	if err != nil || !got {
		r.Errorf("Read: %v, %v", got, err)
		return
	}
	if b := string(h.block.Data()); b != head {
		r.Errorf("the head is %.100q", b)
	}
	if rest, err := readAll(c, len(after)); rest != after || err != nil {
		r.Errorf("what follows is %q, %v", rest, err)
	}
	// Everything of the connection's buffer has gone back by now, so these must lie in the head's own block.
	v, _ := q.GetName("X-Last")
	if string(q.Authority) != "a.test" || string(q.Path) != "/p" || string(q.Query) != "q=1" || string(v) != "value" || q.HeadLen != len(head) {
		r.Errorf("authority %q, path %q, query %q, X-Last %q, %d bytes", q.Authority, q.Path, q.Query, v, q.HeadLen)
	}
	h.Free()
	h.Free() // does nothing
}

const start = "GET /p?q=1 HTTP/1.1\r\nHost: a.test\r\n"
const last = "X-Last: value\r\n\r\n"

func TestHeadAtEveryCut(t *testing.T) {
	head, after := start+last, "NEXT"
	eachDriver(t, conn.DefaultLimits(), func(r *rig) {
		c, peer := r.pair()
		for cut := 1; cut < len(head+after); cut++ {
			feed(peer, head+after, cut)
			r.do(func(*loop.Task) { readHead(r, c, head, after) })
		}
		all := make([]int, 0, len(head))
		for i := 1; i < len(head+after); i++ {
			all = append(all, i)
		}
		feed(peer, head+after, all...) // byte by byte
		r.do(func(*loop.Task) { readHead(r, c, head, after) })
		r.l.On(func() { _ = c.Close() })
		_ = peer.Close()
	})
}

func TestLargeHeads(t *testing.T) {
	eachDriver(t, conn.DefaultLimits(), func(r *rig) {
		c, peer := r.pair()
		for _, size := range []int{conn.SmallBlock - 1, conn.SmallBlock, conn.SmallBlock + 1, 20_000, limits.MaxHead} {
			head := start
			for len(head)+1000+len(last) < size {
				head += "X: " + strings.Repeat("x", 600) + "\r\n"
			}
			head += "X: " + strings.Repeat("x", size-len(head)-len(last)-5) + "\r\n" + last
			for _, cuts := range [][]int{nil, {100}, {size / 2}, {size - 1}, {conn.SmallBlock - 10}, {10, size / 3, size / 2, size - 2}} {
				feed(peer, head+"NEXT", cuts...)
				r.do(func(*loop.Task) { readHead(r, c, head, "NEXT") })
			}
		}
		r.l.On(func() { _ = c.Close() })
		_ = peer.Close()
	})
}

func TestHeadFailures(t *testing.T) {
	for _, test := range []struct {
		name, input string
		got         bool
		want        error
		large       int // blocks for large heads
	}{
		{"end before", "", false, io.EOF, 0},
		{"end within", start, true, io.EOF, 0},
		{"rubbish", "\x16\x03\x01\x02\x00\r\n\r\n", true, http1.ErrBadRequestLine, 0},
		{"large", start + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 40), true, http1.ErrHeadTooLarge, 1},
		{"no block", start + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 10) + last, true, ErrNoBlocks, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, conn.Limits{SmallBlocks: 4, LargeBlocks: test.large}, func(r *rig) {
				c, peer := r.pair()
				_, _ = io.WriteString(peer, test.input)
				_ = peer.Close()
				r.do(func(*loop.Task) {
					var h Head
					var q http1.Request
					q.Reset()
					got, err := h.Read(c, &q, &limits)
					if got != test.got || !errors.Is(err, test.want) {
						r.Errorf("%v, %v", got, err)
					}
					h.Free()
					_ = c.Close()
				})
			})
		})
	}
}

func TestHeadDeadline(t *testing.T) {
	eachDriver(t, conn.DefaultLimits(), func(r *rig) {
		c, peer := r.pair()
		stop := make(chan bool)
		go func() { // a byte at a time, for ever
			for _, b := range []byte(strings.Repeat("GET / HTTP/1.1", 1000)) {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
					_, _ = peer.Write([]byte{b})
				}
			}
		}()
		r.do(func(*loop.Task) {
			var h Head
			var q http1.Request
			q.Reset()
			c.SetReadTimeout(50 * time.Millisecond)
			if got, err := h.Read(c, &q, &limits); !got || !errors.Is(err, os.ErrDeadlineExceeded) {
				r.Errorf("%v, %v", got, err)
			}
			h.Free()
			_ = c.Close()
		})
		close(stop)
		_ = peer.Close()
	})
}
