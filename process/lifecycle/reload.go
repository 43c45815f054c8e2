package lifecycle

import "slices"

func (m *Machine) askReload(r Reload) {
	switch {
	case m.stopping:
		m.refuse(r.Request, "ringway is about to end")
	case !m.served:
		m.refuse(r.Request, "the first worker is being started")
	case r.Request == 0 && slices.Contains(m.waiting, r): // one signal is as good as two
	case len(m.waiting) >= m.limits.Reloads:
		m.refuse(r.Request, "%d reloads wait already", len(m.waiting))
	default:
		m.waiting = append(m.waiting, r)
	}
}

// startWaiting starts what waits, if it may start, and reports whether it did. An upgrade that was asked for during a reload
// comes next; what was asked for during an upgrade comes after it.
func (m *Machine) startWaiting() bool {
	if m.reload != 0 || m.upgrading {
		return false
	}
	if r := m.wantUp; r != nil {
		m.wantUp = nil
		m.beginUpgrade(*r)
		return true
	}
	if len(m.waiting) == 0 {
		return false
	}
	switch {
	case m.current == nil: // a backoff: the operator has mended what was wrong
		m.startFresh()
	case m.current.State == Ready:
		m.reload = m.token()
		m.do(Notify{NoticeReloading})
		m.do(StartReload{m.current.ID, m.waiting[0].Request, m.reload})
		m.waiting = m.waiting[1:]
	default:
		return false
	}
	return true
}

// startFresh ends a backoff with a worker that has the configuration on disk. What else was asked for only a worker could do.
func (m *Machine) startFresh() {
	for _, r := range m.waiting {
		if r.Special {
			m.refuse(r.Request, "no worker serves")
		} else {
			m.onReady = append(m.onReady, r.Request)
		}
	}
	m.waiting = nil
	if len(m.onReady) > 0 {
		m.backoff = 0
		m.current = m.spawn(false, true)
	}
}

func (m *Machine) reloadDone(token uint64) {
	if token != m.reload {
		return
	}
	m.reload = 0
	if !m.stopping {
		m.do(Notify{NoticeReady})
	}
}
