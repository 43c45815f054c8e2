package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/ringway/ringway/process/lifecycle"
	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
)

// request is somebody who waits for what an operator asked for.
type request struct {
	reload *message.Reload // nil for an upgrade
	reply  chan link.Reply // has room for the one
}

// request has the machine decide on what somebody asks, and waits for the outcome.
func (m *master) request(ctx context.Context, reload *message.Reload, event func(lifecycle.RequestID) lifecycle.Event) link.Reply {
	r := &request{reload: reload, reply: make(chan link.Reply, 1)}
	var id lifecycle.RequestID
	err := m.ask(ctx, func() {
		if m.becoming != nil {
			r.reply <- link.Refuse(message.ReasonState, errors.New("the master is being replaced; ask again"))
			return
		}
		m.lastID++
		id = m.lastID
		m.requests[id] = r
		m.handle(event(id))
	})
	if err == nil {
		select {
		case reply := <-r.reply:
			return reply
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-m.ended:
			err = errEnding
		}
	}
	m.post(func() { delete(m.requests, id) })
	return link.Refuse(message.ReasonFailed, err)
}

// reply tells a request its outcome. Signals are told by the log.
func (m *master) reply(id lifecycle.RequestID, r link.Reply) {
	waiting := m.requests[id]
	delete(m.requests, id)
	if waiting == nil {
		return
	}
	select {
	case waiting.reply <- r:
	default: // it was told already
	}
}

// answer is the machine's word on a request.
func (m *master) answer(a lifecycle.Answer) {
	if a.Err != "" {
		reason := message.ReasonFailed
		if a.State {
			reason = message.ReasonState
		}
		m.log.Warn("not done", "request", a.Request, "err", a.Err)
		m.lastFailure = a.Err
		m.reply(a.Request, link.Refuse(reason, errors.New(a.Err)))
		return
	}
	if r := m.requests[a.Request]; r != nil && r.reload != nil {
		// A reload that started a worker afresh: there was none to compare with.
		c := m.children[m.machine.Current()]
		m.reply(a.Request, link.Reply{Message: &message.Reloaded{Hash: c.config.Hash(), Diff: "a worker was started with it"}})
		return
	}
	m.reply(a.Request, link.Reply{})
}

// workerHandler acts on what a worker says or asks.
func (m *master) workerHandler(c *child) link.Handler {
	return func(ctx context.Context, d *link.Delivery) link.Reply {
		switch msg := d.Message.(type) {
		case *message.Listen:
			return m.listen(ctx, c, msg)
		case *message.Ready:
			return m.onMaster(ctx, func() { m.ready(c, msg) })
		case *message.Failed:
			return m.onMaster(ctx, func() { m.handle(lifecycle.WorkerFailed{Worker: c.id, Reason: msg.Text}) })
		case *message.ReadConfig:
			config, err := m.o.Config()
			if err != nil {
				return link.Refuse(message.ReasonFailed, err)
			}
			return link.Reply{Message: &config}
		}
		return m.operate(ctx, d.Message)
	}
}

// onMaster has f called on the master's goroutine and acknowledges.
func (m *master) onMaster(ctx context.Context, f func()) link.Reply {
	if err := m.ask(ctx, f); err != nil {
		return link.Refuse(message.ReasonState, err)
	}
	return link.Reply{}
}

func (m *master) ready(c *child, r *message.Ready) {
	c.running = Running{Listeners: r.Listeners, DrainTimeout: r.DrainTimeout.Duration()}
	c.wants = nil
	m.log.Info("a worker is ready", "worker", c.id, "pid", c.proc.PID(), "took", time.Since(c.started))
	m.handle(lifecycle.WorkerReady{Worker: c.id, DrainTimeout: c.running.DrainTimeout})
}

// listen gives a worker its sockets. The descriptors are sent while the table may close them: so copies are.
func (m *master) listen(ctx context.Context, c *child, msg *message.Listen) (reply link.Reply) {
	err := m.ask(ctx, func() {
		sockets, fds, err := m.sockets.get(msg.Wanted)
		if err == nil {
			fds, err = duplicate(fds)
		}
		if e, ok := errors.AsType[*ListenError](err); ok {
			err = e.refusal()
		}
		if err != nil {
			reply = link.Refuse(message.ReasonFailed, err)
			return
		}
		for _, w := range msg.Wanted {
			c.wants = append(c.wants, w.ListenerKey)
		}
		reply = link.Reply{Message: &message.Listeners{Sockets: sockets}, Descriptors: fds, Sent: func(error) { closeAll(fds) }}
	})
	if err != nil {
		return link.Refuse(message.ReasonState, err)
	}
	return reply
}

// operate acts on what an operator may ask, by way of a worker's admin API or of the control socket.
func (m *master) operate(ctx context.Context, msg message.Message) link.Reply {
	switch msg := msg.(type) {
	case *message.Status:
		return m.status(ctx, msg.Brief)
	case *message.Reload:
		special := msg.Config != nil || msg.Preview || msg.IfHash != ""
		return m.request(ctx, msg, func(id lifecycle.RequestID) lifecycle.Event {
			return lifecycle.Reload{Request: id, Special: special}
		})
	case *message.Upgrade:
		return m.request(ctx, nil, func(id lifecycle.RequestID) lifecycle.Event { return lifecycle.Upgrade{Request: id} })
	case *message.Drain:
		return m.onMaster(ctx, func() { m.handle(lifecycle.Terminate{}) })
	case *message.Stop:
		return m.onMaster(ctx, func() { m.handle(lifecycle.Quit{}) })
	case *message.Reopen:
		return m.onMaster(ctx, func() { m.handle(lifecycle.Reopen{}) })
	case *message.Adopt:
		return link.Refuse(message.ReasonState, fmt.Errorf("%w: pid %d", ErrRunning, os.Getpid()))
	}
	return link.Refuse(message.ReasonForbidden, errNotAsked)
}

// MasterStatus is what a master tells of itself.
type MasterStatus struct {
	PID        int            `json:"pid"`
	Product    string         `json:"product"`
	Phase      string         `json:"phase"`
	Started    time.Time      `json:"started"`
	ConfigName string         `json:"config_name"`
	ConfigHash string         `json:"config_hash"`
	Workers    []WorkerStatus `json:"workers"`
	Listeners  []Listening    `json:"listeners"`
	Crashes    []Crash        `json:"crashes"`
	// LastFailure is why the last reload or upgrade was not done, if it was not.
	LastFailure string `json:"last_failure,omitempty"`
}

// WorkerStatus is what a master knows of a worker.
type WorkerStatus struct {
	ID         uint64    `json:"id"`
	PID        int       `json:"pid"`
	State      string    `json:"state"`
	Since      time.Time `json:"since"`
	Started    time.Time `json:"started"`
	Product    string    `json:"product"`
	ConfigHash string    `json:"config_hash"`
	// Service is what the worker's Service tells of itself; absent if the worker did not answer at once.
	Service json.RawMessage `json:"service,omitempty"`

	link *link.Link
}

// Listening is an address whose sockets the master holds.
type Listening struct {
	Address string `json:"address"`
	Bound   string `json:"bound"`
	Sockets int    `json:"sockets"`
}

// statusTimeout is how long a status waits for what workers tell of themselves.
const statusTimeout = time.Second

func (m *master) status(ctx context.Context, brief bool) link.Reply {
	var s MasterStatus
	if err := m.ask(ctx, func() { s = m.statusNow() }); err != nil {
		return link.Refuse(message.ReasonState, err)
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	for i := range s.Workers {
		if l := s.Workers[i].link; l != nil && !brief {
			if a, _, err := link.Ask[*message.StatusAnswer](ctx, l, &message.Status{}); err == nil {
				s.Workers[i].Service = a.JSON
			}
		}
	}
	body, err := json.Marshal(s)
	if err != nil {
		return link.Refuse(message.ReasonFailed, err)
	}
	return link.Reply{Message: &message.StatusAnswer{State: s.Phase, JSON: body}}
}

func (m *master) statusNow() MasterStatus {
	s := MasterStatus{PID: os.Getpid(), Product: m.o.Product, Phase: m.machine.Phase(), Started: m.started, ConfigName: m.config.Name,
		ConfigHash: m.config.Hash(), Crashes: slices.Clone(m.crashes), LastFailure: m.lastFailure}
	for _, w := range m.machine.Workers() {
		ws := WorkerStatus{ID: uint64(w.ID), State: string(w.State), Since: w.Since}
		if c := m.children[w.ID]; c != nil {
			ws.PID, ws.Started, ws.ConfigHash, ws.link = c.proc.PID(), c.started, c.config.Hash(), c.link
			if c.link != nil {
				ws.Product = c.link.Peer().Product
			}
		}
		s.Workers = append(s.Workers, ws)
	}
	for _, e := range m.sockets.entries {
		s.Listeners = append(s.Listeners, Listening{Address: e.key.Address, Bound: e.bound, Sockets: len(e.fds)})
	}
	return s
}
