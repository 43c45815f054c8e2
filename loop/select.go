package loop

// Case is one operation that Select may carry out. A Case stands in one Select at a time. Its methods are called on the
// loop and must not wait.
type Case interface {
	// Try carries the operation out if that needs no wait, and reports whether it did.
	Try(t *Task) bool
	// Enqueue comes after a Try that could not: from here to Dequeue, when the operation becomes possible, the case calls
	// k.Take, and carries it out if that is true.
	Enqueue(k Ticket)
	// Dequeue ends the wait that Enqueue began: for the case that took effect, and for those that did not and may not any
	// more.
	Dequeue()
}

// Ticket is a waiting case's right to be the one that takes effect.
type Ticket struct {
	task  *Task
	seq   uint32
	index int32
}

// Take reports whether the case takes effect now: true for the first case of a Select that asks, and never after a
// cancel. It makes the task runnable.
func (k Ticket) Take() bool {
	s := &k.task.sel
	if !s.open || s.seq != k.seq {
		return false
	}
	s.open, s.won = false, k.index
	k.task.loop.Ready(k.task)
	return true
}

// Won reports, in Dequeue, whether the case is the one that took effect.
func (k Ticket) Won() bool {
	s := &k.task.sel
	return s.seq == k.seq && s.won == k.index
}

// Loop is the loop of the task that waits.
func (k Ticket) Loop() *Loop { return k.task.loop }

// selection is the state of a task's Select. A task waits in one at a time.
type selection struct {
	seq  uint32 // tells the tickets of one Select from those of others
	won  int32
	open bool
}

// enqueue gives a case's waiter a place in q.
func (w *waiter) enqueue(k Ticket, q *waitq) {
	w.ticket = k
	q.push(w)
}

// Select waits until one of the cases can be carried out, carries out that one only, and returns its index. Among those
// that can be at once it chooses without preference, the same way in every run of the same program. A nil case is never
// ready. If the task is cancelled meanwhile, Select returns -1 and the cause, and no case has taken effect; if one had
// already, Select returns that one, and the cancel meets the task's next wait.
func Select(t *Task, cases ...Case) (int, error) {
	if i := TrySelect(t, cases...); i >= 0 {
		return i, nil
	}
	if t.cause != nil {
		return -1, t.cause
	}
	s := &t.sel
	s.seq++
	s.won, s.open = -1, true
	for i, c := range cases {
		if c != nil {
			c.Enqueue(Ticket{t, s.seq, int32(i)})
		}
	}
	var err error
	for s.open {
		if err = t.Park(selectWait{}); err != nil {
			break
		}
	}
	s.open = false
	for _, c := range cases {
		if c != nil {
			c.Dequeue()
		}
	}
	if s.won >= 0 {
		return int(s.won), nil
	}
	return -1, err
}

// TrySelect carries out one of the cases if that needs no wait, and returns its index; -1 says that it would.
func TrySelect(t *Task, cases ...Case) int {
	i := t.loop.firstCase(len(cases))
	for range cases {
		if c := cases[i]; c != nil && c.Try(t) {
			return i
		}
		if i++; i == len(cases) {
			i = 0
		}
	}
	return -1
}

// firstCase says where a Select of n cases begins to look. It draws from a generator of the loop's own: a plain rotation
// would prefer one side for ever in a task that enters two selects by turns.
func (l *Loop) firstCase(n int) int {
	if n < 2 {
		return 0
	}
	x := l.draw // xorshift; Start seeds it with the loop's number
	x ^= x << 13
	x ^= x >> 17
	x ^= x << 5
	l.draw = x
	return int(uint64(x) * uint64(n) >> 32)
}

type selectWait struct{}

// CancelWait closes the selection at once: no case takes effect after a cancel.
func (selectWait) CancelWait(t *Task) {
	t.sel.open = false
	t.loop.Ready(t)
}

// EndCase waits in a Select for the end of a task. It may be used again after that.
type EndCase struct {
	h Handle
	w waiter
}

// EndCase gives a case that is ready when the run behind h has ended.
func (h Handle) EndCase() *EndCase { return &EndCase{h: h} }

// Try is for Select.
func (c *EndCase) Try(*Task) bool { return c.h.Done() }

// Enqueue is for Select.
func (c *EndCase) Enqueue(k Ticket) { c.w.enqueue(k, &c.h.t.ended) }

// Dequeue is for Select.
func (c *EndCase) Dequeue() { c.w.leave() }
