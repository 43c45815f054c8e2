package loop

// waiter is one place in the queue of a sync object: of a task that waits for nothing else (every task has one built
// in), or of a case of a Select, which holds its ticket.
type waiter struct {
	next, prev *waiter
	queue      *waitq // where it stands; nil: nowhere
	task       *Task
	ticket     Ticket // of a Select; the zero Ticket for a plain wait
	parcel     any    // the record around the waiter, for queues that move values
	n          int    // what it asks for, where that differs
	granted    bool
}

// waitq is a queue of waiters, first come first served. The zero value is empty.
type waitq struct{ first, last *waiter }

func (q *waitq) empty() bool { return q.first == nil }

func (q *waitq) push(w *waiter) {
	if w.queue != nil {
		panic("loop: a case stands in one Select at a time")
	}
	w.queue, w.prev, w.next = q, q.last, nil
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	q.last = w
}

// pushFirst is push before all others.
func (q *waitq) pushFirst(w *waiter) {
	if w.queue != nil {
		panic("loop: a case stands in one Select at a time")
	}
	w.queue, w.prev, w.next = q, nil, q.first
	if q.first != nil {
		q.first.prev = w
	} else {
		q.last = w
	}
	q.first = w
}

// leave takes w out of its queue; one that stands nowhere is left alone.
func (w *waiter) leave() {
	q := w.queue
	if q == nil {
		return
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	w.queue, w.prev, w.next = nil, nil, nil
}

// grant gives the first waiter that still wants it what it waits for, makes its task runnable and returns it. A place
// of a Select that another case has won is passed over.
func (q *waitq) grant() *waiter {
	for w := q.first; w != nil; w = q.first {
		w.leave()
		if w.claim() {
			return w
		}
	}
	return nil
}

// grantAll is grant until nobody waits.
func (q *waitq) grantAll() {
	for q.grant() != nil {
	}
}

// claim wakes the task that waits at w; false says that it no longer wants what it waited for.
func (w *waiter) claim() bool {
	if w.ticket.task != nil {
		return w.ticket.Take()
	}
	w.granted = true
	w.task.loop.Ready(w.task)
	return true
}

// await parks t in q until it is granted or the task is cancelled. Both may be true: then the caller passes the grant
// on, or says that it has it.
func (w *waiter) await(t *Task, q *waitq) (granted bool, err error) { return w.awaitAt(t, q, false) }

// awaitAt is await, before all others if it is ahead.
func (w *waiter) awaitAt(t *Task, q *waitq, ahead bool) (granted bool, err error) {
	if t.cause != nil {
		return false, t.cause
	}
	w.task, w.granted = t, false
	if ahead {
		q.pushFirst(w)
	} else {
		q.push(w)
	}
	for !w.granted {
		if err = t.Park(w); err != nil {
			break
		}
	}
	w.leave()
	return w.granted, err
}

// awaitUncancelled is await that only a grant ends.
func (w *waiter) awaitUncancelled(t *Task, q *waitq) {
	w.task, w.granted = t, false
	q.push(w)
	for !w.granted {
		_ = t.ParkUncancelled(nil) // the cause stays with the task
	}
}

// CancelWait gives the place up at once, so that nothing is granted to a task that no longer waits.
func (w *waiter) CancelWait(t *Task) {
	w.leave()
	t.loop.Ready(t)
}
