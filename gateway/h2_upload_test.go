package gateway

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/loop"
)

// hinders is a body that lets much run between what sends its first part and what sends the rest.
type hinders struct {
	exchange.Body
	l     *loop.Loop
	begun bool
}

// Next starts more tasks than the loop runs in one of its turns, so that it takes what has come before they are through.
func (h *hinders) Next() ([]byte, error) {
	if !h.begun {
		h.begun = true
		for range 3 * loop.DefaultConfig(0, nil).Budget {
			h.l.Spawn("hindrance", hindrance{})
		}
	}
	return h.Body.Next()
}

type hindrance struct{}

func (hindrance) Run(*loop.Task) {
	for begin := time.Now(); time.Since(begin) < 100*time.Microsecond; {
	}
}

// TestRoomBeforeWait: a window that opens between the sending of what fits and the start of the task for the rest is not missed.
func TestRoomBeforeWait(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		at := frames(t, func(k *framed, nth int) {
			told := false
			for {
				switch f := k.next().(type) {
				case nil:
					return
				case *http2.MetaHeadersFrame:
					if f.StreamEnded() {
						k.answer(f.StreamID, "settings are there")
					}
				case *http2.DataFrame:
					if !told {
						told = true
						_ = k.WriteWindowUpdate(f.StreamID, 1<<20)
					}
					if f.StreamEnded() {
						k.answer(f.StreamID, "whole")
					}
				}
			}
		}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		r := start(t, d, with{cluster: overH2 + ", timeouts: {write: 2s}"}, at)
		c := r.dial()
		if s, b := c.ask(""); b != "settings are there" {
			t.Errorf("%s %s", s, b)
		}
		r.filters(filterFunc(func(x *exchange.Exchange, next filter.Next) error {
			x.Request.Body = &hinders{Body: x.Request.Body, l: x.Task.Loop()}
			return next.Handle(x)
		}))
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n%s", strings.Repeat("abcdefghi\n", 90))
		if s, b := c.reply(); b != "whole" {
			t.Errorf("%s %s", s, b)
		}
		_ = c.Close()
	})
}
