package loop

import "errors"

// ErrChanClosed is what a Send to a closed Chan gets.
var ErrChanClosed = errors.New("channel closed")

// maxParcels is how many records of waits a Chan keeps for the next ones.
const maxParcels = 256

// Chan carries values between tasks of one loop, in order. With a capacity, that many wait in it; without, a Send and a
// Recv meet. To cross loops, Post.
type Chan[T any] struct {
	ring   []T
	head   int
	n      int
	closed bool
	recvq  waitq
	sendq  waitq // if somebody stands here, the ring is full
	idle   []*parcel[T]
}

// parcel is a waiter of a Chan with the value that it brings or gets. ok says that the value was moved; without it the
// wait ended because the channel was closed.
type parcel[T any] struct {
	w  waiter
	v  T
	ok bool
}

func (p *parcel[T]) init() { p.w.parcel = p }

// NewChan makes a channel in which capacity values can wait.
func NewChan[T any](capacity int) *Chan[T] { return &Chan[T]{ring: make([]T, capacity)} }

// Len is the number of values that wait in the channel.
func (c *Chan[T]) Len() int { return c.n }

// Cap is the number of values that can wait in the channel.
func (c *Chan[T]) Cap() int { return len(c.ring) }

// Send waits until v is in the channel or taken. A closed channel gives ErrChanClosed. If the task is cancelled
// meanwhile, Send returns the cause and v was not sent; if v had been taken already, it returns nil, and the cancel meets
// the task's next wait.
func (c *Chan[T]) Send(t *Task, v T) error {
	if c.TrySend(v) {
		return nil
	}
	if c.closed {
		return ErrChanClosed
	}
	p := c.take()
	p.v = v
	granted, err := p.w.await(t, &c.sendq)
	if granted {
		if err = nil; !p.ok {
			err = ErrChanClosed
		}
	}
	c.put(p)
	return err
}

// Recv waits for a value. When the channel is closed and empty, ok is false. If the task is cancelled meanwhile, Recv
// returns the cause and took nothing; if a value had been handed to it already, Recv returns that, and the cancel meets
// the task's next wait.
func (c *Chan[T]) Recv(t *Task) (v T, ok bool, err error) {
	if v, ok = c.TryRecv(); ok || c.closed {
		return v, ok, nil
	}
	p := c.take()
	granted, err := p.w.await(t, &c.recvq)
	if granted {
		v, ok, err = p.v, p.ok, nil
	}
	c.put(p)
	return v, ok, err
}

// TrySend sends v if that needs no wait; false says that nobody takes it now, or that the channel is closed.
func (c *Chan[T]) TrySend(v T) bool {
	if c.closed {
		return false
	}
	if w := c.recvq.grant(); w != nil {
		p := w.parcel.(*parcel[T])
		p.v, p.ok = v, true
		return true
	}
	if c.n == len(c.ring) {
		return false
	}
	c.push(v)
	return true
}

// TryRecv takes a value if one is there; Closed tells an empty channel from one that has ended.
func (c *Chan[T]) TryRecv() (v T, ok bool) {
	if c.n > 0 {
		v = c.pop()
		if w := c.sendq.grant(); w != nil {
			c.push(taken[T](w))
		}
		return v, true
	}
	if w := c.sendq.grant(); w != nil {
		return taken[T](w), true
	}
	return v, false
}

// Close ends sending: who waits to send gets ErrChanClosed, who waits to receive hears of the end. What is in the channel
// can still be received. Closing again does nothing.
func (c *Chan[T]) Close() {
	c.closed = true
	c.recvq.grantAll()
	c.sendq.grantAll()
}

// Closed reports whether Close was called.
func (c *Chan[T]) Closed() bool { return c.closed }

// taken gives the value that a waiting Send brought.
func taken[T any](w *waiter) T {
	p := w.parcel.(*parcel[T])
	p.ok = true
	return p.v
}

func (c *Chan[T]) push(v T) {
	i := c.head + c.n
	if i >= len(c.ring) {
		i -= len(c.ring)
	}
	c.ring[i] = v
	c.n++
}

func (c *Chan[T]) pop() T {
	var none T
	v := c.ring[c.head]
	c.ring[c.head] = none
	if c.head++; c.head == len(c.ring) {
		c.head = 0
	}
	c.n--
	return v
}

func (c *Chan[T]) take() *parcel[T] {
	if n := len(c.idle) - 1; n >= 0 {
		p := c.idle[n]
		c.idle = c.idle[:n]
		return p
	}
	p := new(parcel[T])
	p.init()
	return p
}

func (c *Chan[T]) put(p *parcel[T]) {
	var none T
	p.v, p.ok, p.w.task = none, false, nil
	if len(c.idle) < maxParcels {
		c.idle = append(c.idle, p)
	}
}

// RecvCase is a Recv in a Select. It may be used again after that.
type RecvCase[T any] struct {
	Value T
	OK    bool // false: the channel is closed and empty
	c     *Chan[T]
	p     parcel[T]
}

// RecvCase gives a case that receives.
func (c *Chan[T]) RecvCase() *RecvCase[T] {
	r := &RecvCase[T]{c: c}
	r.p.init()
	return r
}

// Try is for Select.
func (r *RecvCase[T]) Try(*Task) bool {
	r.Value, r.OK = r.c.TryRecv()
	return r.OK || r.c.closed
}

// Enqueue is for Select.
func (r *RecvCase[T]) Enqueue(k Ticket) { r.p.w.enqueue(k, &r.c.recvq) }

// Dequeue is for Select.
func (r *RecvCase[T]) Dequeue() {
	var none T
	r.p.w.leave()
	if r.p.w.ticket.Won() {
		r.Value, r.OK = r.p.v, r.p.ok
	}
	r.p.v, r.p.ok = none, false
}

// SendCase is a Send in a Select. It may be used again after that, with another Value.
type SendCase[T any] struct {
	Value T
	Err   error // ErrChanClosed, if that is why the case was taken
	c     *Chan[T]
	p     parcel[T]
}

// SendCase gives a case that sends v. A closed channel makes it ready, with Err set.
func (c *Chan[T]) SendCase(v T) *SendCase[T] {
	s := &SendCase[T]{Value: v, c: c}
	s.p.init()
	return s
}

// Try is for Select.
func (s *SendCase[T]) Try(*Task) bool {
	s.Err = nil
	if s.c.closed {
		s.Err = ErrChanClosed
		return true
	}
	return s.c.TrySend(s.Value)
}

// Enqueue is for Select.
func (s *SendCase[T]) Enqueue(k Ticket) {
	s.p.v = s.Value
	s.p.w.enqueue(k, &s.c.sendq)
}

// Dequeue is for Select.
func (s *SendCase[T]) Dequeue() {
	var none T
	s.p.w.leave()
	if s.p.w.ticket.Won() && !s.p.ok {
		s.Err = ErrChanClosed
	}
	s.p.v, s.p.ok = none, false
}
