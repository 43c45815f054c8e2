package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// world carries actions out as a machine's driver would, with workers that crash, hang and refuse at random, and events
// that arrive in any order that is possible.
type world struct {
	t       *testing.T
	r       *rand.Rand
	m       *Machine
	now     time.Time
	pending []timed // what will happen
	alive   map[WorkerID]bool
	asked   map[RequestID]bool // true once it was answered
	hostile bool               // workers fail
	accepts map[WorkerID]bool  // who has said so: by Resumed, or as the other side of a hand-over that went well
	giving  map[WorkerID]WorkerID
	exits   int
	log     []string
}

type timed struct {
	at    time.Time
	event Event
}

func (w *world) later(max time.Duration, e Event) {
	w.pending = append(w.pending, timed{w.now.Add(time.Duration(w.r.Int64N(int64(max)))), e})
}

// bad happens in a hostile world, now and then.
func (w *world) bad() bool { return w.hostile && w.r.IntN(3) == 0 }

// handle gives an event to the machine and carries out what it says.
func (w *world) handle(e Event) {
	w.log = append(w.log, fmt.Sprintf("%T%+v", e, e))
	if end, ok := e.(WorkerEnded); ok {
		if !w.alive[end.Worker] {
			return
		}
		delete(w.alive, end.Worker)
	}
	switch e := e.(type) {
	case Resumed:
		w.accepts[e.Worker] = w.alive[e.Worker]
	case HandedOver:
		w.accepts[w.giving[e.Worker]] = e.Err == ""
	}
	for _, a := range w.m.Handle(w.now, e) {
		w.log = append(w.log, "    "+a.String())
		w.carryOut(a)
	}
	w.check()
}

func (w *world) carryOut(a Action) {
	const soon = 50 * time.Millisecond
	switch a := a.(type) {
	case Spawn:
		w.alive[a.Worker] = true
		w.start(a.Worker)
	case Kill:
		w.later(soon, WorkerEnded{Worker: a.Worker, Reason: "signal: killed"})
	case Stop:
		if !w.bad() {
			w.later(soon, WorkerEnded{Worker: a.Worker, Clean: true})
		}
	case Drain:
		if w.m.Phase() != "stopping" && !w.accepts[w.m.Current()] {
			w.fail("worker %d drains, and it is not known that %d accepts", a.Worker, w.m.Current())
		}
		if !w.bad() {
			w.later(time.Second, WorkerEnded{Worker: a.Worker, Clean: true})
		}
	case HandOver:
		w.giving[a.From] = a.To
		switch {
		case !w.bad():
			w.later(soon, HandedOver{Worker: a.From})
		case w.r.IntN(2) == 0:
			w.later(soon, HandedOver{a.From, "broken"})
		}
		if w.bad() {
			w.later(soon, WorkerEnded{Worker: []WorkerID{a.From, a.To}[w.r.IntN(2)], Reason: "crash"})
		}
	case Resume:
		if w.bad() {
			w.later(soon, WorkerWedged{a.Worker, "cannot resume"})
		} else {
			w.later(soon, Resumed(a))
		}
	case Probe:
		w.later(soon, Probed{a.Worker, w.alive[a.Worker] && !w.bad()})
	case StartReload:
		if done, ok := w.asked[a.Request]; !ok || done {
			w.fail("reload of request %d, which nobody waits for", a.Request)
		}
		w.asked[a.Request] = true
		w.later(soon, ReloadDone{a.Token})
		if w.bad() {
			w.later(soon, WorkerEnded{Worker: a.Worker, Reason: "crash"})
		}
	case SetTimer:
		w.pending = append(w.pending, timed{w.now.Add(a.After), Fired{a.Timer}})
	case Answer:
		if done, ok := w.asked[a.Request]; !ok || done {
			w.fail("answer to request %d, which nobody waits for", a.Request)
		}
		w.asked[a.Request] = true
	case Become:
		if w.r.IntN(2) == 0 {
			var actions []Action
			w.m, actions = Restore(w.m.limits, w.m.Snapshot(), w.now)
			for _, a := range actions {
				w.carryOut(a)
			}
		} else {
			w.later(soon, NotBecome{})
		}
	case Exit:
		w.exits++
	}
}

// start decides what a new worker does.
func (w *world) start(id WorkerID) {
	if !w.bad() {
		w.later(time.Second, WorkerReady{id, 10 * time.Second})
		if w.hostile && w.r.IntN(10) == 0 {
			w.later(5*time.Second, WorkerEnded{Worker: id, Reason: "crash"})
		}
		return
	}
	switch w.r.IntN(3) {
	case 0:
		w.later(time.Second, WorkerEnded{Worker: id, Reason: "crash"})
	case 1:
		w.later(time.Second, WorkerFailed{id, "refused"})
	} // or it hangs
}

// check holds what has to be true at any moment.
func (w *world) check() {
	serving := 0
	for _, k := range w.m.Workers() {
		if !w.alive[k.ID] {
			w.fail("worker %d is dead, and thought to be %s", k.ID, k.State)
		}
		if k.State == Ready {
			serving++
		}
	}
	if serving > 1 {
		w.fail("%d workers are ready at a time", serving)
	}
	if len(w.m.Workers()) != len(w.alive) && w.exits == 0 {
		w.fail("%d workers live, %d are known", len(w.alive), len(w.m.Workers()))
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.log[max(0, len(w.log)-60):] {
		w.t.Log(line)
	}
	w.t.Fatalf(format, args...)
}

// step lets the next thing happen, and reports whether there was one.
func (w *world) step() bool {
	next := -1
	for i := range w.pending {
		if next < 0 || w.pending[i].at.Before(w.pending[next].at) {
			next = i
		}
	}
	if next < 0 {
		return false
	}
	p := w.pending[next]
	w.pending = append(w.pending[:next], w.pending[next+1:]...)
	w.now = p.at
	w.handle(p.event)
	return true
}

func (w *world) ask() {
	r := RequestID(len(w.asked) + 1)
	switch w.r.IntN(4) {
	case 0:
		w.asked[r] = false
		w.handle(Upgrade{r})
	case 1:
		w.asked[r] = false
		w.handle(Reload{r, w.r.IntN(2) == 0})
	case 2:
		w.handle(Reopen{})
	}
}

// TestWorlds plays many lives of a master. In each, workers fail and operators ask at random; then the failures stop, and
// after a while one worker serves, nobody waits for an answer, and a Terminate ends it all.
func TestWorlds(t *testing.T) {
	for seed := range uint64(3000) {
		w := &world{t: t, r: rand.New(rand.NewPCG(seed, 7)), m: New(DefaultLimits()), now: time.Unix(0, 0), alive: map[WorkerID]bool{}, asked: map[RequestID]bool{},
			accepts: map[WorkerID]bool{}, giving: map[WorkerID]WorkerID{}}
		w.handle(Begin{})
		for w.m.Phase() == "starting" {
			w.step()
		}
		w.hostile = true
		for range 60 {
			w.ask()
			for range w.r.IntN(6) {
				w.step()
			}
		}
		w.hostile = false
		for end := w.now.Add(10 * time.Minute); w.now.Before(end) && w.step(); {
		}
		if w.m.Phase() != "running" || len(w.alive) != 1 || !w.alive[w.m.Current()] {
			w.fail("seed %d: it is %s, with the workers %+v", seed, w.m.Phase(), w.m.Workers())
		}
		for r, done := range w.asked {
			if !done {
				w.fail("seed %d: request %d was never answered", seed, r)
			}
		}
		w.hostile = seed%2 == 0
		w.handle(Terminate{})
		for w.step() {
		}
		if w.exits != 1 || len(w.alive) != 0 {
			w.fail("seed %d: %d exits, %d workers left", seed, w.exits, len(w.alive))
		}
	}
}
