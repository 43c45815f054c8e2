package loop

// RWMutex is a lock that many readers or one writer hold across yields. The zero value is unlocked. Readers and writers
// stand in one queue: a reader that comes behind a waiting writer waits for it, so that neither kind starves.
type RWMutex struct {
	readers int
	writing bool
	q       waitq
}

// What a waiter of an RWMutex asks for.
const (
	toRead = iota
	toWrite
)

// Lock waits until the task is the only holder. If it is cancelled meanwhile, Lock returns the cause and the task holds
// nothing.
func (m *RWMutex) Lock(t *Task) error {
	if m.TryLock() {
		return nil
	}
	return m.await(t, toWrite)
}

// RLock waits until no writer holds the lock or waits before this reader. If the task is cancelled meanwhile, RLock
// returns the cause and the task holds nothing.
func (m *RWMutex) RLock(t *Task) error {
	if m.TryRLock() {
		return nil
	}
	return m.await(t, toRead)
}

// TryLock takes the lock for writing if nobody holds it or waits.
func (m *RWMutex) TryLock() bool {
	if m.writing || m.readers > 0 || !m.q.empty() {
		return false
	}
	m.writing = true
	return true
}

// TryRLock takes the lock for reading if no writer holds it and nobody waits.
func (m *RWMutex) TryRLock() bool {
	if m.writing || !m.q.empty() {
		return false
	}
	m.readers++
	return true
}

// Unlock ends writing.
func (m *RWMutex) Unlock() {
	if !m.writing {
		panic("loop: Unlock of an RWMutex that is not locked for writing")
	}
	m.writing = false
	m.next()
}

// RUnlock ends one reader's hold.
func (m *RWMutex) RUnlock() {
	if m.readers == 0 {
		panic("loop: RUnlock of an RWMutex that is not locked for reading")
	}
	m.readers--
	m.next()
}

func (m *RWMutex) await(t *Task, what int) error {
	t.place.n = what
	granted, err := t.place.await(t, &m.q)
	switch {
	case err == nil:
	case !granted:
		m.next() // who stood behind may be let in now
	case what == toWrite:
		m.Unlock()
	default:
		m.RUnlock()
	}
	return err
}

// next lets in who may hold the lock now: a writer, or readers up to the next writer.
func (m *RWMutex) next() {
	for w := m.q.first; w != nil && !m.writing; w = m.q.first {
		if w.n == toWrite {
			if m.readers > 0 {
				return
			}
			m.writing = true
		} else {
			m.readers++
		}
		w.leave()
		w.claim()
	}
}
