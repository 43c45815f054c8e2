package loop

import "iter"

// coroutine is the one seam to Go's coroutines: iter.Pull's next resumes, its yield suspends, and both are a direct
// switch between two goroutines that never passes the scheduler (about 35 ns each way). It must be resumed on the
// thread that made it.
type coroutine struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
}

// start prepares body; it first runs at the first resume.
func (c *coroutine) start(body func()) {
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		body()
	})
}

// resume runs the coroutine until it suspends; false says that its body has ended.
func (c *coroutine) resume() bool {
	_, ok := c.next()
	return ok
}

// suspend returns to whoever resumed; false says that the coroutine is being stopped and must return.
func (c *coroutine) suspend() bool { return c.yield(struct{}{}) }
