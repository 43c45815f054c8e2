package loop

import (
	"os"
	"time"
)

// ErrTimeout is what waits return inside a Timeout that has expired. It is os.ErrDeadlineExceeded for errors.Is, and a
// net.Error whose Timeout is true.
var ErrTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string   { return "timed out" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Is(target error) bool {
	return target == os.ErrDeadlineExceeded
}

// frame is one Timeout that a task is in.
type frame struct {
	timer Timer
	task  *Task
	outer *frame
	scope *Scope // the task's innermost scope when it began: those opened later are inside
	depth int
	at    int64 // when it ends, or one around it does
}

// Timeout calls f in the task t. When d has passed, waits inside f return ErrTimeout, as those of a cancelled task return
// the cause; scopes that f has opened are cancelled with it. Code that does not wait is not interrupted: if f succeeds
// all the same, Timeout returns nil.
//
// Timeouts nest: inside, whichever ends first counts. When Timeout returns, its expiry is forgotten, and that of one around
// it is not. A Cancel of the task outlasts every Timeout, and its cause takes the place of ErrTimeout.
func Timeout(t *Task, d time.Duration, f func() error) error {
	fr := t.enter()
	defer t.leave(fr)
	l := t.loop
	if d <= 0 {
		fr.Expire(&fr.timer)
	} else {
		l.StartTimer(&fr.timer, d)
	}
	fr.bound(timerEnd(l.now, d))
	return f()
}

// Deadline is Timeout for a point in time.
func Deadline(t *Task, at time.Time, f func() error) error {
	return Timeout(t, at.Sub(clock)-time.Duration(t.loop.now), f)
}

// TimeLeft is the time until the first of the Timeouts ends that the task is in; false says that it is in none. It is
// negative when that has passed.
func (t *Task) TimeLeft() (time.Duration, bool) {
	if t.frames == nil {
		return 0, false
	}
	return time.Duration(t.frames.at - t.loop.now), true
}

func (f *frame) bound(at int64) {
	if f.at = at; f.outer != nil {
		f.at = min(at, f.outer.at)
	}
}

// enter puts a frame around what the task does next.
func (t *Task) enter() *frame {
	l := t.loop
	var f *frame
	if n := len(l.frames) - 1; n >= 0 {
		f = l.frames[n]
		l.frames = l.frames[:n]
	} else {
		f = new(frame)
		f.timer.Expirer = f
	}
	f.task, f.outer, f.scope, f.depth = t, t.frames, t.scopes, 1
	if f.outer != nil {
		f.depth = f.outer.depth + 1
	}
	t.frames = f
	return f
}

// leave ends the innermost frame, and the expiry if it is that frame's.
func (t *Task) leave(f *frame) {
	l := t.loop
	l.StopTimer(&f.timer)
	t.frames = f.outer
	if t.expired == f {
		t.cause, t.expired = nil, nil
	}
	f.task, f.outer, f.scope = nil, nil, nil
	if len(l.frames) < maxIdleRecords {
		l.frames = append(l.frames, f)
	}
}

// Expire interrupts the task. If a frame further in has done so before, the expiry is this one's from here on, since it
// lasts longer.
func (f *frame) Expire(*Timer) {
	t := f.task
	for s := t.scopes; s != f.scope; s = s.outer {
		s.cancelFromOutside(ErrTimeout)
	}
	switch {
	case t.cause == nil:
		t.expired = f
		t.interrupt(ErrTimeout)
	case t.expired != nil && t.expired.depth > f.depth:
		t.expired = f
	}
}
