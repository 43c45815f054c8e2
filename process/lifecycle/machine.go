package lifecycle

import (
	"fmt"
	"time"
)

// Limits are the machine's times and bounds.
type Limits struct {
	Ready      time.Duration // a worker has to be ready by then
	HandOver   time.Duration // the old worker has to have given its connections by then
	DrainGrace time.Duration // beyond the worker's own drain timeout
	StopGrace  time.Duration // between being told to end and being killed
	BackoffMin time.Duration // before the second restart in a row; the first has none
	BackoffMax time.Duration
	Stable     time.Duration // a worker that served this long begins a new row
	Become     time.Duration // before the master tries again to become the new program
	Draining   int           // old workers that may still drain when an upgrade begins
	Reloads    int           // reloads that may wait
}

// DefaultLimits are those that a master has if nobody says otherwise.
func DefaultLimits() Limits {
	return Limits{
		Ready: 30 * time.Second, HandOver: 15 * time.Second, DrainGrace: 5 * time.Second, StopGrace: 3 * time.Second,
		BackoffMin: 100 * time.Millisecond, BackoffMax: 10 * time.Second, Stable: 10 * time.Second, Become: time.Second, Draining: 4, Reloads: 16,
	}
}

// maxTries bounds how often a master tries to become the new program.
const maxTries = 5

// State is what a worker is doing.
type State string

// The states, in the order in which a worker goes through them; each may be followed by dead.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Yielding State = "yielding" // hands its connections to the next; goes on to draining, or back to ready
	Draining State = "draining"
	Ending   State = "ending" // was told to end at once, or killed
)

// Worker is a worker that lives.
type Worker struct {
	ID           WorkerID
	State        State
	Since        time.Time // in this state
	Served       time.Time // when it became ready; zero if it never did
	Fresh        bool      // was started with the configuration on disk, not the one confirmed before
	DrainTimeout time.Duration
	Deadline     time.Time // of a drain; zero for none
	Failure      string    // what it said, or what was done to it, before it ended
}

// Machine is the state of a master. Methods are called by one goroutine.
type Machine struct {
	limits Limits
	now    time.Time
	out    []Action

	lastID   WorkerID
	lastTok  uint64
	workers  []*Worker
	current  *Worker // who serves, or is to; nil in a backoff
	next     *Worker // who is to replace it
	old      *Worker // who hands over to current
	served   bool    // some worker has been ready
	failures int     // in a row
	backoff  uint64  // the token of the timer that ends it; 0: none
	stopping bool
	exited   bool

	reload    uint64 // the token of the reload under way; 0: none
	waiting   []Reload
	onReady   []RequestID // reloads that started current afresh
	upgrade   RequestID
	upgrading bool       // from Spawn to the end of the hand-over
	wantUp    *RequestID // an upgrade that waits for a reload
	become    bool       // the master is to become the promoted program
	tries     int        // of that which failed
}

// New makes a machine in which nothing has happened.
func New(l Limits) *Machine { return &Machine{limits: l} }

// Workers are copies of those that live, in the order in which they were started.
func (m *Machine) Workers() (all []Worker) {
	for _, w := range m.workers {
		all = append(all, *w)
	}
	return all
}

// Current is the worker that serves or is to serve; 0 while there is none.
func (m *Machine) Current() WorkerID { return id(m.current) }

func id(w *Worker) WorkerID {
	if w == nil {
		return 0
	}
	return w.ID
}

// Phase is what the master is doing, in one word.
func (m *Machine) Phase() string {
	switch {
	case m.exited:
		return "ended"
	case m.stopping:
		return "stopping"
	case m.upgrading || m.wantUp != nil:
		return "upgrading"
	case !m.served:
		return "starting"
	case m.current == nil, m.current.State == Starting:
		return "restarting"
	case m.reload != 0:
		return "reloading"
	}
	return "running"
}

// Handle takes an event and returns what is to be done about it.
func (m *Machine) Handle(now time.Time, e Event) []Action {
	m.now, m.out = now, nil
	if m.exited {
		return nil
	}
	switch e := e.(type) {
	case Begin:
		m.current = m.spawn(false, true)
	case Adopted:
		m.adopt(e)
	case WorkerReady:
		m.ready(m.find(e.Worker), e.DrainTimeout)
	case WorkerTuned:
		if w := m.find(e.Worker); w != nil {
			w.DrainTimeout = e.DrainTimeout
		}
	case WorkerFailed:
		m.failed(m.find(e.Worker), e.Reason)
	case WorkerWedged:
		if w := m.find(e.Worker); w != nil {
			m.kill(w, e.Reason)
		}
	case WorkerEnded:
		m.ended(m.find(e.Worker), e.Reason, e.Clean)
	case HandedOver:
		m.handedOver(m.find(e.Worker), e.Err)
	case Probed:
		m.probed(m.find(e.Worker), e.Alive)
	case Resumed:
		m.resumed(m.find(e.Worker))
	case Reload:
		m.askReload(e)
	case ReloadDone:
		m.reloadDone(e.Token)
	case Upgrade:
		m.askUpgrade(e.Request)
	case NotBecome:
		if m.tries++; m.tries < maxTries {
			m.timer(TimerBecome, nil, m.limits.Become)
		}
	case Reopen:
		for _, w := range m.workers {
			if w.State != Ending { // one that drains may go on for days, and be what keeps a rotated file open
				m.do(ReopenLogs{w.ID})
			}
		}
	case Terminate:
		m.terminate()
	case Quit:
		m.quit()
	case Fired:
		m.fired(e.Timer)
	}
	m.settle()
	return m.out
}

func (m *Machine) do(a Action) { m.out = append(m.out, a) }

func (m *Machine) find(id WorkerID) *Worker {
	for _, w := range m.workers {
		if w.ID == id {
			return w
		}
	}
	return nil
}

func (w *Worker) enter(s State, now time.Time) { w.State, w.Since = s, now }

func (m *Machine) timer(k TimerKind, w *Worker, after time.Duration) {
	m.do(SetTimer{Timer{Kind: k, Worker: id(w)}, after})
}

// token is a number that was not used before.
func (m *Machine) token() uint64 { m.lastTok++; return m.lastTok }

func (m *Machine) spawn(new, fresh bool) *Worker {
	m.lastID++
	w := &Worker{ID: m.lastID, State: Starting, Since: m.now, Fresh: fresh}
	m.workers = append(m.workers, w)
	m.do(Spawn{w.ID, new, fresh})
	m.timer(TimerReady, w, m.limits.Ready)
	return w
}

func (m *Machine) adopt(e Adopted) {
	m.lastID = max(m.lastID, e.Worker)
	w := &Worker{ID: e.Worker, State: Ready, Since: m.now, DrainTimeout: e.DrainTimeout}
	m.workers, m.current, m.served = append(m.workers, w), w, true
	m.do(Notify{NoticeReady})
}

// ready: a worker serves. It is the current one, after a start or restart, or the next one of an upgrade.
func (m *Machine) ready(w *Worker, drain time.Duration) {
	if w == nil || w.State != Starting {
		return // it was given up in the meantime
	}
	w.DrainTimeout = drain
	w.enter(Ready, m.now)
	w.Served = m.now
	if m.stopping {
		m.drain(w)
		return
	}
	if w == m.next {
		m.takeOver()
		return
	}
	m.served, m.backoff = true, 0
	m.answerAll(&m.onReady, "")
	m.do(Notify{NoticeReady})
}

func (m *Machine) answerAll(requests *[]RequestID, err string) {
	for _, r := range *requests {
		m.do(Answer{Request: r, Err: err})
	}
	*requests = nil
}

// failed: the worker ends by itself, and is killed if it does not.
func (m *Machine) failed(w *Worker, reason string) {
	if w == nil || w.State == Ending {
		return
	}
	w.Failure = reason
	w.enter(Ending, m.now)
	m.timer(TimerStop, w, m.limits.StopGrace)
}

// kill ends a worker that does not end by itself. Whoever it was, ended goes on from there.
func (m *Machine) kill(w *Worker, why string) {
	if w.Failure == "" {
		w.Failure = why
	}
	w.enter(Ending, m.now)
	m.do(Kill{w.ID})
}

// ended: a process is gone.
func (m *Machine) ended(w *Worker, reason string, clean bool) {
	if w == nil {
		return
	}
	if w.Failure != "" {
		reason = w.Failure
	}
	m.remove(w)
	switch {
	case m.stopping:
	case w == m.next:
		m.next = nil
		m.do(Record{w.ID, reason})
		m.upgradeFailed(reason)
	case w == m.current && m.old != nil:
		m.do(Record{w.ID, reason})
		m.rollBack(reason)
	case w == m.current:
		m.do(Record{w.ID, reason})
		m.restart(w, reason)
	case w == m.old:
		m.old = nil
		m.do(Record{w.ID, reason})
		m.alone()
	case w.Failure != "", w.State == Draining && !clean:
		m.do(Record{w.ID, reason})
	}
}

func (m *Machine) remove(w *Worker) {
	for i := range m.workers {
		if m.workers[i] == w {
			m.workers = append(m.workers[:i:i], m.workers[i+1:]...)
			return
		}
	}
}

// restart replaces the current worker, which has ended. A first start that fails ends the master: there is nothing to
// save, and whoever started it is looking.
func (m *Machine) restart(w *Worker, reason string) {
	m.current = nil
	if !m.served {
		if w.Failure == "" { // a status alone says little
			reason = "the worker: " + reason
		}
		m.exit(reason)
		return
	}
	m.answerAll(&m.onReady, reason)
	if !w.Served.IsZero() && m.now.Sub(w.Served) >= m.limits.Stable {
		m.failures = 0
	}
	m.failures++
	if m.failures == 1 {
		m.current = m.spawn(false, false)
		return
	}
	m.backoff = m.token()
	m.do(SetTimer{Timer{Kind: TimerBackoff, Token: m.backoff}, m.pause()})
}

// pause doubles with every failure in a row.
func (m *Machine) pause() time.Duration {
	d := m.limits.BackoffMin
	for i := 2; i < m.failures && d < m.limits.BackoffMax; i++ {
		d *= 2
	}
	return min(d, m.limits.BackoffMax)
}

func (m *Machine) fired(t Timer) {
	w := m.find(t.Worker)
	switch {
	case t.Kind == TimerBackoff:
		if t.Token == m.backoff && m.backoff != 0 && !m.stopping {
			m.backoff = 0
			m.current = m.spawn(false, false)
		}
	case t.Kind == TimerBecome:
		m.become = m.tries > 0
	case w == nil:
	case t.Kind == TimerReady && w.State == Starting:
		m.kill(w, fmt.Sprintf("not ready within %v", m.limits.Ready))
	case t.Kind == TimerHandOver && w == m.old && w.State == Yielding:
		m.handedOver(w, fmt.Sprintf("not finished within %v", m.limits.HandOver))
	case t.Kind == TimerDrain && w.State == Draining:
		m.kill(w, "did not drain in time")
	case t.Kind == TimerStop && w.State == Ending:
		m.do(Kill{w.ID})
	case t.Kind == TimerStop && w.State == Starting:
		m.kill(w, "did not end in time")
	}
}

// settle does what had to wait for something else to end: reloads, the upgrade, the exec, the exit.
func (m *Machine) settle() {
	if m.stopping {
		if len(m.workers) == 0 {
			m.exit("")
		}
		return
	}
	for m.startWaiting() {
	}
	if m.become && m.idle() {
		m.become = false
		m.do(Become{})
	}
}

// idle: the current worker serves, and nothing is under way.
func (m *Machine) idle() bool {
	return m.current != nil && m.current.State == Ready && !m.upgrading && m.reload == 0 && m.wantUp == nil && len(m.waiting) == 0
}

func (m *Machine) exit(err string) {
	if m.exited {
		return
	}
	m.exited = true
	m.do(Exit{err})
}
