package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ringway/ringway/process/lifecycle"
	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// tellTimeout is how long a worker may take to acknowledge what takes no time.
const tellTimeout = 5 * time.Second

// carryOut does what the machine says. What takes time goes on elsewhere and reports by an event.
func (m *master) carryOut(a lifecycle.Action) {
	switch a := a.(type) {
	case lifecycle.Spawn:
		m.spawn(a)
	case lifecycle.Kill:
		m.kill(a.Worker)
	case lifecycle.Stop:
		m.tell(a.Worker, &message.Stop{}, nil, m.wedge)
	case lifecycle.Drain:
		m.drain(a.Worker)
	case lifecycle.Resume:
		m.resume(a.Worker, func() { m.event(lifecycle.Resumed(a)) })
	case lifecycle.ReopenLogs:
		m.tell(a.Worker, &message.Reopen{}, nil, m.notReopened)
	case lifecycle.Probe:
		m.probe(a.Worker)
	case lifecycle.HandOver:
		m.handOver(a)
	case lifecycle.StartReload:
		m.startReload(a)
	case lifecycle.Promote:
		m.promote()
	case lifecycle.Demote:
		if m.tried != nil {
			m.tried.Close()
			m.tried = nil
		}
	case lifecycle.Become:
		m.become()
	case lifecycle.Answer:
		m.answer(a)
	case lifecycle.Record:
		m.record(a)
	case lifecycle.SetTimer:
		time.AfterFunc(a.After, func() { m.event(lifecycle.Fired{Timer: a.Timer}) })
	case lifecycle.Notify:
		m.notify(a.What)
	case lifecycle.Exit:
		m.exit = &a
	default:
		panic(fmt.Sprintf("process: action %T", a))
	}
}

func (m *master) kill(id lifecycle.WorkerID) {
	if c := m.children[id]; c != nil {
		if err := c.proc.Signal(sys.SIGKILL); err != nil {
			m.log.Error("cannot kill a worker", "worker", id, "err", err)
		}
	}
}

// drain has a worker finish. When all is to end, its copies of the sockets become the last ones: who connects from then on is
// refused, and does not wait in a queue that nobody serves.
func (m *master) drain(id lifecycle.WorkerID) {
	last := m.machine.Phase() == "stopping"
	if last {
		m.sockets.close()
	}
	m.tell(id, &message.Drain{Last: last}, nil, m.wedge)
}

// notReopened tells of a worker that cannot open its logs anew. One that is about to end, as after a drain, has no use for them.
func (m *master) notReopened(c *child, err error) {
	select {
	case <-c.gone:
	case <-m.ended:
	case <-time.After(endGrace):
		m.log.Error("a worker cannot reopen its logs", "worker", c.id, "err", err)
	}
}

// wedge is for a worker that does not do as it is told.
func (m *master) wedge(c *child, err error) {
	m.linkLost(c, err)
}

// resume has a worker accept; done hears when it does. One that does not say so in time is wedged. A worker that is to hand over hears
// of it when it has, or cannot: in the other order it would stop for good.
func (m *master) resume(id lifecycle.WorkerID, done func()) {
	var after <-chan struct{}
	if c := m.children[id]; c != nil {
		after = c.giving
	}
	m.tellAfter(after, id, &message.Resume{}, done, m.wedge)
}

// tell sends a worker what it acknowledges: then done, unless it is nil, is called, or failed if it does not. A worker without a link is being started and is
// killed by its timers.
func (m *master) tell(id lifecycle.WorkerID, msg message.Message, done func(), failed func(*child, error)) {
	m.tellAfter(nil, id, msg, done, failed)
}

// tellAfter is tell as soon as after is closed; nil is at once.
func (m *master) tellAfter(after <-chan struct{}, id lifecycle.WorkerID, msg message.Message, done func(), failed func(*child, error)) {
	c := m.children[id]
	if c == nil {
		return
	}
	if c.link == nil {
		switch msg.(type) {
		case *message.Stop, *message.Drain:
			m.kill(id) // it has not even said Hello
		}
		return
	}
	l := c.link
	m.telling.Add(1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), tellTimeout)
		defer cancel()
		if after != nil {
			select {
			case <-after:
			case <-l.Done():
			case <-ctx.Done():
			}
		}
		err := l.Tell(ctx, msg)
		m.telling.Done()
		if err != nil {
			failed(c, err)
		} else if done != nil {
			done()
		}
	}()
}

func (m *master) probe(id lifecycle.WorkerID) {
	c := m.children[id]
	if c == nil || c.link == nil {
		go m.event(lifecycle.Probed{Worker: id})
		return
	}
	l := c.link
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), tellTimeout)
		defer cancel()
		d, err := l.Call(ctx, &message.Status{})
		if err == nil {
			d.Descriptors.Close()
		}
		m.event(lifecycle.Probed{Worker: id, Alive: err == nil})
	}()
}

// handOver connects two workers. The one that takes has to be told first: it has to be there when the other gives.
func (m *master) handOver(a lifecycle.HandOver) {
	from, to := m.children[a.From], m.children[a.To]
	if from == nil || to == nil || from.link == nil || to.link == nil {
		go m.event(lifecycle.HandedOver{Worker: a.From, Err: "one of the two is gone"})
		return
	}
	if from.link.Peer().Features&to.link.Peer().Features&message.FeatureConnections == 0 {
		m.log.Info("connections stay with the old worker until they end", "worker", a.From)
		m.resume(a.To, func() { m.event(lifecycle.HandedOver{Worker: a.From}) }) // nobody else will
		return
	}
	fromLink, toLink, started := from.link, to.link, time.Now()
	given := make(chan struct{})
	from.giving = given
	go func() {
		err := m.connectWorkers(fromLink, toLink)
		close(given)
		text := ""
		if err != nil {
			text = err.Error()
			m.log.Warn("the hand-over failed", "from", a.From, "to", a.To, "err", err)
		} else {
			m.log.Info("handed over", "from", a.From, "to", a.To, "took", time.Since(started))
		}
		m.event(lifecycle.HandedOver{Worker: a.From, Err: text})
	}()
}

func (m *master) connectWorkers(from, to *link.Link) error {
	give, take, err := sys.SocketPair()
	if err != nil {
		return err
	}
	defer closeFiles(give, take)
	// The machine's timer ends a hand-over that hangs; this one only ends the goroutine.
	ctx, cancel := context.WithTimeout(context.Background(), 2*m.o.Limits.HandOver+tellTimeout)
	defer cancel()
	if err := to.Tell(ctx, &message.HandOver{}, sys.FileDescriptor(take)); err != nil {
		return err
	}
	take.Close() // or the giver would not see the taker die
	fd := sys.FileDescriptor(give)
	return from.Tell(ctx, &message.HandOver{Give: true}, fd)
}

func closeFiles(files ...*os.File) {
	for _, f := range files {
		f.Close() // closed twice is no harm
	}
}

// promote: workers are started from the program of the upgrade from now on, if there was one.
func (m *master) promote() {
	m.lastFailure = ""
	if m.tried == nil {
		return
	}
	m.image.Close()
	m.image, m.tried = m.tried, nil
}

func (m *master) notify(n lifecycle.Notice) {
	switch n {
	case lifecycle.NoticeReady:
		if err := m.pid.write(); err != nil {
			m.log.Error("nobody will find this master by its PID file", "err", err)
			m.pid.remove()
			m.pid = pidFile{}
		}
		m.told(m.notifier.Ready(os.Getpid(), fmt.Sprintf("serving, worker %d", m.machine.Current())))
	case lifecycle.NoticeReloading:
		m.told(m.notifier.Reloading("reloading"))
	case lifecycle.NoticeStopping:
		m.told(m.notifier.Stopping("draining"))
	}
}

// startReload passes a configuration on to the worker and the outcome on to who asked.
func (m *master) startReload(a lifecycle.StartReload) {
	done := lifecycle.ReloadDone{Token: a.Token}
	reload := &message.Reload{}
	if r := m.requests[a.Request]; r != nil && r.reload != nil {
		*reload = *r.reload
	} else if a.Request != 0 { // what was to be done has gone with who asked, and an empty message would mean the file
		m.log.Warn("not reloaded: whoever asked for it did not wait", "request", a.Request)
		go m.event(done)
		return
	}
	c := m.children[a.Worker]
	if c == nil || c.link == nil {
		m.reply(a.Request, link.Refuse(message.ReasonState, errors.New("the worker is gone")))
		go m.event(done)
		return
	}
	if reload.Config == nil {
		config, err := m.o.Config()
		if err != nil {
			m.log.Error("not reloaded, nothing has changed", "err", err)
			m.lastFailure = err.Error()
			m.reply(a.Request, link.Refuse(message.ReasonInvalid, err))
			go m.event(done)
			return
		}
		reload.Config = &config
	}
	l := c.link
	go func() {
		late := time.AfterFunc(m.o.ReloadTimeout, func() {
			m.post(func() {
				m.reply(a.Request, link.Refuse(message.ReasonFailed, fmt.Errorf("no answer within %v; the worker may reload yet", m.o.ReloadTimeout)))
				m.handle(done)
			})
		})
		answer, _, err := link.Ask[*message.Reloaded](context.Background(), l, reload)
		late.Stop()
		m.post(func() { m.reloaded(c, a, reload, answer, err) })
	}()
}

// reloaded takes over what a reload came to.
func (m *master) reloaded(c *child, a lifecycle.StartReload, asked *message.Reload, answer *message.Reloaded, err error) {
	c.wants = nil
	if err != nil {
		m.log.Error("not reloaded, nothing has changed", "err", err)
		m.lastFailure = err.Error()
		m.reply(a.Request, link.Refuse(message.ReasonFailed, err))
	} else {
		if !asked.Preview {
			c.config = *asked.Config
			c.running = Running{Listeners: answer.Listeners, DrainTimeout: answer.DrainTimeout.Duration()}
			m.lastFailure = ""
			m.handle(lifecycle.WorkerTuned{Worker: c.id, DrainTimeout: c.running.DrainTimeout})
			m.log.Debug("reloaded", "hash", answer.Hash, "changes", answer.Diff) // the worker says it as well
		}
		m.reply(a.Request, link.Reply{Message: answer})
	}
	m.handle(lifecycle.ReloadDone{Token: a.Token})
}
