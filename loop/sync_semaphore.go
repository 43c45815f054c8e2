package loop

import "errors"

// ErrWeight says that more was asked of a Semaphore than it has at all, so that a wait would never end.
var ErrWeight = errors.New("more than the semaphore has")

// Semaphore lends a number of units. Who asks for many is not passed by those who come later and ask for few.
type Semaphore struct {
	size int
	free int
	q    waitq
}

// NewSemaphore makes one with size units.
func NewSemaphore(size int) *Semaphore {
	if size < 0 {
		panic("loop: a Semaphore has no fewer than no units")
	}
	return &Semaphore{size: size, free: size}
}

// Acquire waits until n units are the task's. If the task is cancelled meanwhile, Acquire returns the cause and the task
// has none of them. More than the semaphore has is ErrWeight.
func (s *Semaphore) Acquire(t *Task, n int) error {
	if s.TryAcquire(n) {
		return nil
	}
	return s.acquire(t, n, false)
}

// AcquireFirst is Acquire before all that wait, for who ends sooner what those have yet to begin.
func (s *Semaphore) AcquireFirst(t *Task, n int) error {
	if s.fits(n) {
		s.free -= n
		return nil
	}
	return s.acquire(t, n, true)
}

// acquire waits for n units, at the end of the queue or ahead of it.
func (s *Semaphore) acquire(t *Task, n int, ahead bool) error {
	if n > s.size {
		return ErrWeight
	}
	t.place.n = n
	granted, err := t.place.awaitAt(t, &s.q, ahead)
	switch {
	case err == nil:
	case granted:
		s.Release(n)
	default:
		s.next() // who stood behind may ask for less
	}
	return err
}

// TryAcquire takes n units if they are free and nobody waits.
func (s *Semaphore) TryAcquire(n int) bool {
	if !s.fits(n) || !s.q.empty() {
		return false
	}
	s.free -= n
	return true
}

// fits reports whether n units are free.
func (s *Semaphore) fits(n int) bool {
	if n < 0 {
		panic("loop: fewer than no units asked of a Semaphore")
	}
	return n <= s.free
}

// Release gives n units back.
func (s *Semaphore) Release(n int) {
	if n < 0 || n > s.size-s.free {
		panic("loop: more units given back to a Semaphore than it lent")
	}
	s.free += n
	s.next()
}

// Free is the number of units that are not lent.
func (s *Semaphore) Free() int { return s.free }

// next lends to those who wait, in their order, while there is enough for the first.
func (s *Semaphore) next() {
	for w := s.q.first; w != nil && w.n <= s.free; w = s.q.first {
		w.leave()
		if w.claim() {
			s.free -= w.n
		}
	}
}

// AcquireCase is an Acquire in a Select. It may be used again after that.
type AcquireCase struct {
	s *Semaphore
	w waiter
}

// AcquireCase gives a case that acquires n units, which must not be more than the semaphore has.
func (s *Semaphore) AcquireCase(n int) *AcquireCase {
	if n > s.size {
		panic("loop: a case asks for more than the Semaphore has")
	}
	return &AcquireCase{s: s, w: waiter{n: n}}
}

// Try is for Select.
func (c *AcquireCase) Try(*Task) bool { return c.s.TryAcquire(c.w.n) }

// Enqueue is for Select.
func (c *AcquireCase) Enqueue(k Ticket) { c.w.enqueue(k, &c.s.q) }

// Dequeue is for Select.
func (c *AcquireCase) Dequeue() {
	c.w.leave()
	c.s.next()
}
