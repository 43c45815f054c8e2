package lifecycle

import "time"

// Snapshot is what of a machine outlives the program, in a form that JSON keeps. It is taken when Become is carried out, so
// nothing is under way in it: no upgrade, no reload, nobody waits.
type Snapshot struct {
	LastID   WorkerID
	Current  WorkerID
	Failures int
	Workers  []Worker
}

// Snapshot is the state to go on from in another program.
func (m *Machine) Snapshot() Snapshot {
	return Snapshot{LastID: m.lastID, Current: id(m.current), Failures: m.failures, Workers: m.Workers()}
}

// Restore makes the machine that a Snapshot was taken of, and returns what is to be done for it: timers do not outlive a
// program.
func Restore(l Limits, s Snapshot, now time.Time) (*Machine, []Action) {
	m := New(l)
	m.now, m.lastID, m.failures, m.served = now, s.LastID, s.Failures, true
	for _, w := range s.Workers {
		m.lastID = max(m.lastID, w.ID)
		m.workers = append(m.workers, &w)
	}
	m.current = m.find(s.Current)
	for _, w := range m.workers {
		switch {
		case w.State == Draining && !w.Deadline.IsZero():
			m.timer(TimerDrain, w, max(w.Deadline.Sub(now), 0))
		case w.State == Ending:
			m.timer(TimerStop, w, l.StopGrace)
		}
	}
	m.do(Notify{NoticeReady})
	return m, m.out
}
