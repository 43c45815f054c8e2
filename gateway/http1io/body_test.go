package http1io

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http1"
)

func drain(b *Body) (string, error) {
	var out []byte
	for {
		p, err := b.Next()
		if err != nil {
			return string(out), err
		}
		if len(p) == 0 {
			return string(out), errors.New("an empty piece was lent")
		}
		out = append(out, p...)
	}
}

func TestBodiesAtEveryCut(t *testing.T) {
	for _, test := range []struct {
		name    string
		framing http1.Framing
		length  int64
		wire    string
		want    string
		trailer string
	}{
		{"none", http1.NoBody, 0, "", "", ""},
		{"length", http1.Length, 11, "hello world", "hello world", ""},
		{"chunked", http1.Chunked, 0, "5\r\nhello\r\n1;a=b\r\n \r\n005\r\nworld\r\n0\r\n\r\n", "hello world", ""},
		{"empty chunked", http1.Chunked, 0, "0\r\n\r\n", "", ""},
		{"trailers", http1.Chunked, 0, "3\r\nabc\r\n0\r\nX-T: v\r\nHost: evil\r\n\r\n", "abc", "v"},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, conn.DefaultLimits(), func(r *rig) {
				c, peer := r.pair()
				all := test.wire + "NEXT"
				for cut := 1; cut < len(all); cut++ {
					feed(peer, all, cut)
					r.do(func(*loop.Task) {
						var b Body
						b.Start(c, test.framing, test.length, Limits{HTTP1: &limits, Timeout: patience})
						got, err := drain(&b)
						if got != test.want || err != io.EOF || !b.Complete() || b.Read() != int64(len(got)) {
							r.Errorf("cut at %d: %q, %v, complete %v", cut, got, err, b.Complete())
						}
						if f := b.Trailers(); test.trailer != "" {
							if v, _ := f.GetName("X-T"); string(v) != test.trailer {
								r.Errorf("cut at %d: trailer %q", cut, v)
							}
						}
						if rest, err := readAll(c, 4); rest != "NEXT" || err != nil {
							r.Errorf("cut at %d: followed by %q, %v", cut, rest, err)
						}
					})
				}
				r.l.On(func() { _ = c.Close() })
				_ = peer.Close()
			})
		})
	}
}

func TestBodyFailures(t *testing.T) {
	for _, test := range []struct {
		name    string
		framing http1.Framing
		length  int64
		max     int64
		wire    string
		got     string
		want    error
	}{
		{"until close", http1.UntilClose, 0, 0, "hello", "hello", io.EOF},
		{"short", http1.Length, 9, 0, "hello", "hello", io.ErrUnexpectedEOF},
		{"chunked short", http1.Chunked, 0, 0, "5\r\nhello\r\n", "hello", io.ErrUnexpectedEOF},
		{"chunked without last CRLF", http1.Chunked, 0, 0, "5\r\nhello\r\n0\r\n", "hello", io.ErrUnexpectedEOF},
		{"bad chunk", http1.Chunked, 0, 0, "5\r\nhello\r\nxyz\r\n", "hello", http1.ErrBadChunkSize},
		{"bad chunk end", http1.Chunked, 0, 0, "5\r\nhelloX", "hello", http1.ErrBadChunkEnd},
		{"just small enough", http1.Chunked, 0, 5, "5\r\nhello\r\n0\r\n\r\n", "hello", io.EOF},
		{"too large", http1.Chunked, 0, 5, "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", "abc", ErrTooLarge},
		{"too large until close", http1.UntilClose, 0, 4, "hello", "", ErrTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, conn.DefaultLimits(), func(r *rig) {
				c, peer := r.pair()
				_, _ = io.WriteString(peer, test.wire)
				_ = peer.Close()
				r.do(func(*loop.Task) {
					var b Body
					b.Start(c, test.framing, test.length, Limits{HTTP1: &limits, Size: test.max})
					got, err := drain(&b)
					if got != test.got || !errors.Is(err, test.want) || b.Complete() != (test.want == io.EOF) {
						r.Errorf("%q, %v, complete %v", got, err, b.Complete())
					}
					if _, again := b.Next(); again != err {
						r.Errorf("then %v", again)
					}
					b.Close()
					b.Close() // does nothing
					_ = c.Close()
				})
			})
		})
	}
}

func TestBodyDrain(t *testing.T) {
	eachDriver(t, conn.DefaultLimits(), func(r *rig) {
		c, peer := r.pair()
		feed(peer, strings.Repeat("x", 1000)+"NEXT"+strings.Repeat("y", 200_000))
		r.do(func(*loop.Task) {
			var b Body
			b.Start(c, http1.Length, 1000, Limits{HTTP1: &limits})
			if !b.Drain(1000) || !b.Complete() {
				r.Error("a short body was not drained")
			}
			if rest, err := readAll(c, 4); rest != "NEXT" {
				r.Errorf("followed by %q, %v", rest, err)
			}
			b.Start(c, http1.Length, 200_000, Limits{HTTP1: &limits})
			if b.Drain(1000) || b.Complete() {
				r.Error("a long body was drained")
			}
			b.Close()
			_ = c.Close()
		})
		_ = peer.Close()
	})
}

func TestPromptAndReady(t *testing.T) {
	eachDriver(t, conn.DefaultLimits(), func(r *rig) {
		c, peer := r.pair()
		_, _ = io.WriteString(peer, "hello")
		r.do(func(*loop.Task) {
			if _, err := c.ReadBuf(); err != nil {
				r.Error(err)
			}
			var b Body
			for _, test := range []struct {
				framing http1.Framing
				length  int64
				prompt  bool
				ready   bool
			}{{http1.NoBody, 0, true, true}, {http1.Length, 5, true, true}, {http1.Length, 4, true, true}, {http1.Length, 6, false, true},
				{http1.UntilClose, 0, false, true}} {
				b.Start(c, test.framing, test.length, Limits{HTTP1: &limits})
				if b.Prompt() != test.prompt || b.Ready() != test.ready {
					r.Errorf("%v of %d: prompt %v, ready %v", test.framing, test.length, b.Prompt(), b.Ready())
				}
			}
			b.Start(c, http1.Length, 6, Limits{HTTP1: &limits})
			if _, err := b.Next(); err != nil || b.Ready() {
				r.Errorf("ready after the last byte there is: %v", err)
			}
			b.Close()
			_ = c.Close()
		})
		_ = peer.Close()
	})
}
