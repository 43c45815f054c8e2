package lifecycle

import "fmt"

// refuse answers a request that does not fit what is going on.
func (m *Machine) refuse(r RequestID, format string, args ...any) {
	m.do(Answer{Request: r, Err: fmt.Sprintf(format, args...), State: true})
}

func (m *Machine) draining() (n int) {
	for _, w := range m.workers {
		if w.State == Draining {
			n++
		}
	}
	return n
}

func (m *Machine) askUpgrade(r RequestID) {
	switch {
	case m.stopping:
		m.refuse(r, "ringway is about to end")
	case m.upgrading || m.wantUp != nil:
		m.refuse(r, "an upgrade is under way already")
	case !m.served:
		m.refuse(r, "the first worker is being started")
	case m.draining() >= m.limits.Draining:
		m.refuse(r, "%d workers of earlier upgrades still drain", m.draining())
	case m.reload != 0:
		m.wantUp = &r // it is next
	default:
		m.beginUpgrade(r)
	}
}

func (m *Machine) beginUpgrade(r RequestID) {
	m.upgrading, m.upgrade = true, r
	m.next = m.spawn(true, true)
}

// takeOver: the next worker is ready, so it is the current one from now on. The one before hands over, and may be told to
// go on until it has.
func (m *Machine) takeOver() {
	before := m.current
	m.current, m.next = m.next, nil
	m.failures, m.backoff = 0, 0
	m.answerAll(&m.onReady, "")
	switch {
	case before == nil: // it had died, and was not replaced yet
		m.alone()
	case before.State == Ready:
		m.old = before
		before.enter(Yielding, m.now)
		m.do(HandOver{From: before.ID, To: m.current.ID})
		m.timer(TimerHandOver, before, m.limits.HandOver)
	default: // its replacement was starting
		if before.State == Starting {
			m.end(before)
		}
		m.alone()
	}
}

// handedOver: the old worker has given what it can. If it could not, it matters why: a new worker that is dead brings the
// old one back, with all its connections; one that answers, and accepts when it is told to, serves, and what is left drains.
func (m *Machine) handedOver(w *Worker, err string) {
	if w == nil || w != m.old || w.State != Yielding {
		return
	}
	if err != "" {
		m.do(Probe{m.current.ID})
		return
	}
	m.finish(w)
}

func (m *Machine) probed(w *Worker, alive bool) {
	switch {
	case w == nil || w != m.current || m.old == nil:
	case alive && m.old.State == Yielding && w.State == Ready:
		m.do(Resume{w.ID}) // to answer is not yet to serve: until it says Resumed the old one stays
	case !alive && w.State != Ending:
		m.kill(w, "it does not answer since the hand-over failed")
	}
}

// resumed: the new worker accepts although the hand-over failed, so what the old one could not give drains with it. A new
// worker that cannot is wedged, and its end brings the old one back.
func (m *Machine) resumed(w *Worker) {
	if w != nil && w == m.current && w.State == Ready && m.old != nil && m.old.State == Yielding {
		m.finish(m.old)
	}
}

func (m *Machine) finish(old *Worker) {
	m.old = nil
	m.drain(old)
	m.upgraded()
}

// alone: the new worker serves for good, and nobody has told it so by handing over, at least not to the end.
func (m *Machine) alone() {
	m.do(Resume{m.current.ID})
	m.upgraded()
}

// upgraded: the new worker serves for good.
func (m *Machine) upgraded() {
	m.upgrading = false
	m.become, m.tries = true, 0
	m.do(Promote{})
	m.do(Answer{Request: m.upgrade})
	m.do(Notify{NoticeReady})
}

// rollBack: the new worker has died before it had everything. What it was given and had not taken over is the old one's
// still.
func (m *Machine) rollBack(reason string) {
	m.current, m.old = m.old, nil
	if m.current.State == Yielding {
		m.current.enter(Ready, m.now)
		m.do(Resume{m.current.ID})
	}
	m.upgradeFailed(reason)
}

func (m *Machine) upgradeFailed(reason string) {
	m.upgrading = false
	m.do(Demote{})
	m.do(Answer{Request: m.upgrade, Err: "the new worker: " + reason})
}
