package h2

import (
	"errors"
	"slices"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/proto/http2"
)

// asker is a task that waits for the server's settings.
type asker struct{ task *loop.Task }

// CancelWait ends the wait.
func (a *asker) CancelWait(t *loop.Task) { t.Loop().Ready(t) }

// TakesTunnels waits in the task until the server's settings are there, and reports whether they allow a tunnel on a stream
// (RFC 8441 §3).
func (c *Conn) TakesTunnels(t *loop.Task) (bool, error) {
	a := &asker{t}
	for {
		if c.err != nil {
			return false, c.err
		}
		if allowed, known := c.m.ExtendedConnect(); known {
			return allowed, nil
		}
		c.asking = append(c.asking, a)
		err := t.Park(a)
		if i := slices.Index(c.asking, a); i >= 0 {
			c.asking = slices.Delete(c.asking, i, i+1)
		}
		if err != nil {
			return false, err
		}
	}
}

// wakeUnsettled lets those look again that wait for the server's settings.
func (c *Conn) wakeUnsettled() {
	for _, a := range c.asking {
		c.loop.Ready(a.task)
	}
}

// Broken is what has ended the response early, or nil.
func (s *Stream) Broken() error { return s.err }

// Satisfied reports whether the server has ended its direction in good order, and then said that it needs nothing more
// (RFC 9113 §8.1).
func (s *Stream) Satisfied() bool {
	var r *ResetError
	return s.ended && errors.As(s.refusal, &r) && !r.Local && r.Code == http2.NoError
}
