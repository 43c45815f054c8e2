package inbound

import (
	"testing"
	"time"

	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
)

// taking is a stream whose peer takes what the test says.
type taking struct {
	conn.Stream
	sent uint64
}

func (s *taking) Sent() uint64 { return s.sent }
func (*taking) Closed() bool   { return true }

// TestStreamRelaySlow: a relay is not at rest while a side takes some of what it was given, and is when that stops.
func TestStreamRelaySlow(t *testing.T) {
	l, err := loop.Start(loop.DefaultConfig(0, epoll.New))
	if err != nil {
		t.Fatal(err)
	}
	l.On(func() {
		a, b := new(taking), new(taking)
		r := &streamRelay{l: l, limit: time.Nanosecond, last: l.Now() - int64(time.Second)}
		r.timer.Expirer = r
		r.lanes = [2]lane{{r: r, src: a, dst: b, active: true}, {r: r, src: b, dst: a}}
		for range 3 {
			b.sent += 100
			r.last = l.Now() - int64(time.Second)
			if r.Expire(nil); r.why != 0 || !r.timer.Active() {
				t.Errorf("it ended: %v", r.why)
			}
		}
		r.last = l.Now() - int64(time.Second)
		if r.Expire(nil); r.why == 0 {
			t.Error("it goes on")
		}
		l.StopTimer(&r.timer)
	})
	l.Stop(time.Second)
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
}
