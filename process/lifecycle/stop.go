package lifecycle

// drain has a worker finish, and kills it if that takes longer than it said.
func (m *Machine) drain(w *Worker) {
	w.enter(Draining, m.now)
	m.do(Drain{w.ID})
	if w.DrainTimeout > 0 {
		after := w.DrainTimeout + m.limits.DrainGrace
		w.Deadline = m.now.Add(after)
		m.timer(TimerDrain, w, after)
	}
}

// terminate: everybody who serves drains, everybody who does not serve yet ends.
func (m *Machine) terminate() {
	if m.stopping {
		m.quit()
		return
	}
	next := m.next
	m.stop()
	for _, w := range m.workers {
		switch w.State {
		case Ready, Yielding:
			m.drain(w)
		case Starting:
			if w == next { // it accepts nothing before it is told to
				m.end(w)
				continue
			}
			// It may accept already, and its word of that be on its way. Then it drains, and ready sees to the time; else it ends at once.
			m.do(Drain{w.ID})
			m.timer(TimerStop, w, m.limits.StopGrace)
		}
	}
}

func (m *Machine) quit() {
	m.stop()
	for _, w := range m.workers {
		if w.State != Ending {
			m.end(w)
		}
	}
}

func (m *Machine) end(w *Worker) {
	w.enter(Ending, m.now)
	m.do(Stop{w.ID})
	m.timer(TimerStop, w, m.limits.StopGrace)
}

// stop gives up whatever is under way.
func (m *Machine) stop() {
	if m.stopping {
		return
	}
	m.stopping, m.backoff, m.become = true, 0, false
	m.do(Notify{NoticeStopping})
	if m.wantUp != nil {
		m.refuse(*m.wantUp, "ringway is about to end")
		m.wantUp = nil
	}
	if m.upgrading {
		m.refuse(m.upgrade, "ringway is about to end")
		m.upgrading = false
	}
	for _, r := range m.waiting {
		m.refuse(r.Request, "ringway is about to end")
	}
	for _, r := range m.onReady {
		m.refuse(r, "ringway is about to end")
	}
	m.waiting, m.onReady = nil, nil
	m.current, m.next, m.old = nil, nil, nil
}
