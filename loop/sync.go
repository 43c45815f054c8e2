package loop

// The objects of the sync files belong to one loop and to its tasks: they wait by yielding, and cost no atomic operation.
// What they share:
//
//   - Who waits is served in the order of coming, and what is released is handed to the first who waits: nobody who came
//     later gets between.
//   - Only a wait can be cancelled: what needs no wait succeeds also in a task that was cancelled.
//   - A cancelled wait returns the cause and leaves the object as if it had never come.
//   - They are not to be copied after their first use.

// Mutex is a lock that tasks of one loop hold across yields. The zero value is unlocked.
type Mutex struct {
	held bool
	q    waitq
}

// Lock waits until the lock is the task's. If the task is cancelled meanwhile, Lock returns the cause and the task does
// not hold the lock; had it been handed over already, it goes on to the next who waits.
func (m *Mutex) Lock(t *Task) error {
	if !m.held {
		m.held = true
		return nil
	}
	granted, err := t.place.await(t, &m.q)
	if err != nil && granted {
		m.Unlock()
	}
	return err
}

// TryLock takes the lock if nobody holds it.
func (m *Mutex) TryLock() bool {
	if m.held {
		return false
	}
	m.held = true
	return true
}

// Unlock hands the lock to the first task that waits for it. It need not be called by the task that locked.
func (m *Mutex) Unlock() {
	if !m.held {
		panic("loop: Unlock of a Mutex that is not locked")
	}
	if m.q.grant() == nil {
		m.held = false
	}
}

// lockUncancelled is Lock for who must hold the lock afterwards.
func (m *Mutex) lockUncancelled(t *Task) {
	if !m.TryLock() {
		t.place.awaitUncancelled(t, &m.q)
	}
}

// Cond lets tasks wait for a condition that others make true under a Mutex. The zero value is ready. Since nothing runs
// beside a task that does not yield, a Mutex is only needed where the condition is looked at across yields.
type Cond struct{ q waitq }

// Wait unlocks m, waits for Signal or Broadcast, and locks m again. It may return without reason: the caller looks at its
// condition again. If the task is cancelled meanwhile, Wait returns the cause, with m locked too; a Signal that it had
// got goes on to the next who waits.
func (c *Cond) Wait(t *Task, m *Mutex) error {
	m.Unlock()
	defer func() {
		if t.loop.unwinds { // the caller's deferred Unlock runs, though nobody will ever hand the lock over
			m.held = true
		}
	}()
	granted, _ := t.place.await(t, &c.q)
	m.lockUncancelled(t)
	if t.cause != nil && granted {
		c.Signal()
	}
	return t.cause
}

// Signal wakes the first task that waits, if there is one.
func (c *Cond) Signal() { c.q.grant() }

// Broadcast wakes every task that waits.
func (c *Cond) Broadcast() { c.q.grantAll() }

// Once lets something that waits be done once. The zero value is ready.
type Once struct {
	mu   Mutex
	done bool
}

// Do calls f unless it has succeeded before; who comes while f runs waits for its end. If f fails or panics, its caller
// gets that, and the next who waits tries again with its own f. If a waiting task is cancelled, Do returns the cause;
// that f which runs goes on.
func (o *Once) Do(t *Task, f func() error) error {
	if o.done {
		return nil
	}
	if err := o.mu.Lock(t); err != nil {
		return err
	}
	defer o.mu.Unlock()
	if o.done {
		return nil
	}
	if err := f(); err != nil {
		return err
	}
	o.done = true
	return nil
}
