package lifecycle

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// step is one event and all that is to be done about it, separated by "; ".
type step struct {
	event Event
	want  string
}

// What most scripts begin with, and what several contain.
var (
	boot   = []step{{Begin{}, "spawn 1 fresh; timer ready 1 30s"}, {WorkerReady{1, time.Minute}, "notify ready"}}
	begin2 = step{Upgrade{7}, "spawn 2 new fresh; timer ready 2 30s"}
	ready2 = step{WorkerReady{2, time.Minute}, "handover 1>2; timer handover 1 15s"}
	given  = step{HandedOver{Worker: 1}, "drain 1; timer drain 1 1m5s; promote; answer r7; notify ready; become"}
)

func ended(w WorkerID, why string) Event { return WorkerEnded{Worker: w, Reason: why} }

func clean(w WorkerID) Event { return WorkerEnded{Worker: w, Reason: "exit status 0", Clean: true} }

func fire(k TimerKind, w WorkerID) Event { return Fired{Timer{Kind: k, Worker: w}} }

func run(t *testing.T, m *Machine, now time.Time, steps []step) {
	t.Helper()
	for i, s := range steps {
		var got []string
		for _, a := range m.Handle(now, s.event) {
			got = append(got, a.String())
		}
		if g := strings.Join(got, "; "); g != s.want {
			t.Fatalf("step %d, %T%+v (%s):\ngot  %s\nwant %s", i, s.event, s.event, m.Phase(), g, s.want)
		}
	}
}

// What follows an upgrade's steps so far.
var (
	up       = append(boot[:2:2], begin2)
	yielding = append(up[:3:3], ready2)
	upgraded = append(yielding[:4:4], given)
)

// transitions are every step of every way, and every failure at it.
var transitions = []struct {
	name  string
	after []step
	steps []step
	phase string
}{
	{"first start", nil, boot, "running"},
	{"first start: it cannot", boot[:1], []step{{WorkerFailed{1, "no such file"}, "timer stop 1 3s"}, {ended(1, "exit status 1"), "record 1: no such file; exit: no such file"}}, "ended"},
	{"first start: crash", boot[:1], []step{{ended(1, "signal: killed"), "record 1: signal: killed; exit: the worker: signal: killed"}}, "ended"},
	{"first start: hang", boot[:1], []step{{fire(TimerReady, 1), "kill 1"}, {ended(1, "signal: killed"), "record 1: not ready within 30s; exit: not ready within 30s"}}, "ended"},
	{"first start: asked for others", boot[:1], []step{{Upgrade{3}, "answer r3: the first worker is being started"}, {Reload{Request: 4}, "answer r4: the first worker is being started"}}, "starting"},
	{"first start: terminated", boot[:1], []step{{Terminate{}, "notify stopping; drain 1; timer stop 1 3s"}, {ended(1, "exit status 0"), "exit"}}, "ended"},
	{"first start: terminated while it says that it is ready", boot[:1], []step{{Terminate{}, "notify stopping; drain 1; timer stop 1 3s"}, {WorkerReady{1, time.Minute}, "drain 1; timer drain 1 1m5s"}, {fire(TimerStop, 1), ""}, {clean(1), "exit"}}, "ended"},
	{"first start: terminated, and does not end", boot[:1], []step{{Terminate{}, "notify stopping; drain 1; timer stop 1 3s"}, {fire(TimerStop, 1), "kill 1"}, {ended(1, "signal: killed"), "exit"}}, "ended"},
	{"first start: terminated twice", boot[:1], []step{{Terminate{}, "notify stopping; drain 1; timer stop 1 3s"}, {Terminate{}, "stop 1; timer stop 1 3s"}, {ended(1, "exit status 0"), "exit"}}, "ended"},
	{"adopted", nil, []step{{Adopted{9, time.Second}, "notify ready"}, {Upgrade{1}, "spawn 10 new fresh; timer ready 10 30s"}}, "upgrading"},

	{"crash", boot, []step{{ended(1, "signal: killed"), "record 1: signal: killed; spawn 2; timer ready 2 30s"}, {WorkerReady{2, 0}, "notify ready"}}, "running"},
	{"an exit nobody asked for is a crash", boot, []step{{clean(1), "record 1: exit status 0; spawn 2; timer ready 2 30s"}}, "restarting"},
	{"wedged", boot, []step{{WorkerWedged{1, "link: truncated"}, "kill 1"}, {ended(1, "signal: killed"), "record 1: link: truncated; spawn 2; timer ready 2 30s"}}, "restarting"},
	{"failed after it was ready, and does not end", boot, []step{{WorkerFailed{1, "loop 0 ended"}, "timer stop 1 3s"}, {fire(TimerStop, 1), "kill 1"}, {ended(1, "signal: killed"), "record 1: loop 0 ended; spawn 2; timer ready 2 30s"}}, "restarting"},
	{"restart hangs", boot, []step{{ended(1, "x"), "record 1: x; spawn 2; timer ready 2 30s"}, {fire(TimerReady, 2), "kill 2"}, {ended(2, "signal: killed"), "record 2: not ready within 30s; timer backoff 0 100ms"}}, "restarting"},
	{"timers that come too late", boot, []step{{fire(TimerReady, 1), ""}, {fire(TimerStop, 1), ""}, {fire(TimerDrain, 1), ""}, {fire(TimerHandOver, 1), ""}, {Fired{Timer{Kind: TimerBackoff, Token: 5}}, ""}, {fire(TimerReady, 8), ""}}, "running"},
	{"workers nobody knows", boot, []step{{ended(5, "x"), ""}, {WorkerReady{5, 0}, ""}, {WorkerFailed{5, "x"}, ""}, {WorkerWedged{5, "x"}, ""}, {HandedOver{5, ""}, ""}, {Probed{5, false}, ""}, {Resumed{5}, ""}}, "running"},
	{"ready twice", boot, []step{{WorkerReady{1, 0}, ""}}, "running"},

	{"reload", boot, []step{{Reload{Request: 1}, "notify reloading; reload 1 r1"}, {ReloadDone{1}, "notify ready"}}, "running"},
	{"reloads in a row", boot, []step{{Reload{Request: 1}, "notify reloading; reload 1 r1"}, {Reload{Request: 2}, ""}, {ReloadDone{1}, "notify ready; notify reloading; reload 1 r2"}, {ReloadDone{2}, "notify ready"}}, "running"},
	{"two signals are one", boot, []step{{Reload{Request: 1}, "notify reloading; reload 1 r1"}, {Reload{Request: 0}, ""}, {Reload{Request: 0}, ""}, {ReloadDone{1}, "notify ready; notify reloading; reload 1 r0"}, {ReloadDone{2}, "notify ready"}}, "running"},
	{"a reload that is done twice", boot, []step{{Reload{Request: 1}, "notify reloading; reload 1 r1"}, {ReloadDone{1}, "notify ready"}, {ReloadDone{1}, ""}}, "running"},
	{"reload kills the worker", boot, []step{{Reload{Request: 1}, "notify reloading; reload 1 r1"}, {ended(1, "x"), "record 1: x; spawn 2; timer ready 2 30s"}, {ReloadDone{1}, "notify ready"}}, "restarting"},
	{"reload in a restart waits for it", boot, []step{{ended(1, "x"), "record 1: x; spawn 2; timer ready 2 30s"}, {Reload{Request: 4}, ""}, {WorkerReady{2, 0}, "notify ready; notify reloading; reload 2 r4"}}, "reloading"},
	{"reload mends what crashes", boot, []step{{ended(1, "x"), "record 1: x; spawn 2; timer ready 2 30s"}, {ended(2, "x"), "record 2: x; timer backoff 0 100ms"},
		{Reload{Request: 4}, "spawn 3 fresh; timer ready 3 30s"}, {Fired{Timer{Kind: TimerBackoff, Token: 1}}, ""}, {WorkerReady{3, 0}, "answer r4; notify ready"}}, "running"},
	{"a preview when no worker serves", boot, []step{{ended(1, "x"), "record 1: x; spawn 2; timer ready 2 30s"}, {Reload{Request: 3, Special: true}, ""}, {ended(2, "x"), "record 2: x; timer backoff 0 100ms; answer r3: no worker serves"},
		{Reload{Request: 4, Special: true}, "answer r4: no worker serves"}, {Reload{Request: 5}, "spawn 3 fresh; timer ready 3 30s"}}, "restarting"},
	{"reload does not mend it", boot, []step{{ended(1, "x"), "record 1: x; spawn 2; timer ready 2 30s"}, {ended(2, "x"), "record 2: x; timer backoff 0 100ms"},
		{Reload{Request: 4}, "spawn 3 fresh; timer ready 3 30s"}, {ended(3, "y"), "record 3: y; answer r4: y; timer backoff 0 200ms"}}, "restarting"},
	{"a reload changes how long a drain takes", boot, []step{{WorkerTuned{1, time.Hour}, ""}, {WorkerTuned{5, 1}, ""}, {Terminate{}, "notify stopping; drain 1; timer drain 1 1h0m5s"}}, "stopping"},
	{"reopen", boot, []step{{Reopen{}, "reopen 1"}}, "running"},
	{"reopen: who drains too, but not who is about to end", upgraded, []step{{Reopen{}, "reopen 1; reopen 2"}, {fire(TimerDrain, 1), "kill 1"}, {Reopen{}, "reopen 2"}}, "running"},

	{"upgrade", boot, []step{begin2, ready2, given, {clean(1), ""}}, "running"},
	{"upgrade: crash before ready", up, []step{{ended(2, "exit status 2"), "record 2: exit status 2; demote; answer r7: the new worker: exit status 2"}}, "running"},
	{"upgrade: hang", up, []step{{fire(TimerReady, 2), "kill 2"}, {ended(2, "signal: killed"), "record 2: not ready within 30s; demote; answer r7: the new worker: not ready within 30s"}}, "running"},
	{"upgrade: it refuses", up, []step{{WorkerFailed{2, "line 3: unknown key"}, "timer stop 2 3s"}, {ended(2, "exit status 1"), "record 2: line 3: unknown key; demote; answer r7: the new worker: line 3: unknown key"}}, "running"},
	{"upgrade: it refuses and stays", up, []step{{WorkerFailed{2, "no"}, "timer stop 2 3s"}, {WorkerReady{2, 0}, ""}, {fire(TimerStop, 2), "kill 2"}, {ended(2, "signal: killed"), "record 2: no; demote; answer r7: the new worker: no"}}, "running"},
	{"upgrade: ready too late", up, []step{{fire(TimerReady, 2), "kill 2"}, {WorkerReady{2, 0}, ""}, {ended(2, "k"), "record 2: not ready within 30s; demote; answer r7: the new worker: not ready within 30s"}}, "running"},
	{"second upgrade", up, []step{{Upgrade{8}, "answer r8: an upgrade is under way already"}, ready2, {Upgrade{9}, "answer r9: an upgrade is under way already"}, given}, "running"},
	{"upgrade waits for a reload, others wait for it", boot, []step{{Reload{Request: 1}, "notify reloading; reload 1 r1"}, {Upgrade{7}, ""}, {Upgrade{8}, "answer r8: an upgrade is under way already"}, {Reload{Request: 2}, ""},
		{ReloadDone{1}, "notify ready; spawn 2 new fresh; timer ready 2 30s"}, ready2,
		{HandedOver{Worker: 1}, "drain 1; timer drain 1 1m5s; promote; answer r7; notify ready; notify reloading; reload 2 r2"}, {ReloadDone{2}, "notify ready; become"}}, "running"},
	{"reload during an upgrade that fails", up, []step{{Reload{Request: 2}, ""}, {ended(2, "x"), "record 2: x; demote; answer r7: the new worker: x; notify reloading; reload 1 r2"}}, "reloading"},
	{"upgrade: the old one crashes before the new one is ready", up, []step{{ended(1, "x"), "record 1: x; spawn 3; timer ready 3 30s"},
		{WorkerReady{2, 0}, "stop 3; timer stop 3 3s; resume 2; promote; answer r7; notify ready; become"}, {clean(3), ""}}, "running"},
	{"upgrade: the old one was replaced before the new one is ready", up, []step{{ended(1, "x"), "record 1: x; spawn 3; timer ready 3 30s"}, {WorkerReady{3, 0}, "notify ready"},
		{WorkerReady{2, 0}, "handover 3>2; timer handover 3 15s"}, {HandedOver{Worker: 3}, "drain 3; promote; answer r7; notify ready; become"}}, "running"},
	{"upgrade: both crash before ready", up, []step{{ended(1, "x"), "record 1: x; spawn 3; timer ready 3 30s"}, {ended(2, "y"), "record 2: y; demote; answer r7: the new worker: y"}, {WorkerReady{3, 0}, "notify ready"}}, "running"},
	{"upgrade cures a crash loop", boot, []step{{ended(1, "x"), "record 1: x; spawn 2; timer ready 2 30s"}, {ended(2, "x"), "record 2: x; timer backoff 0 100ms"},
		{Upgrade{7}, "spawn 3 new fresh; timer ready 3 30s"}, {WorkerReady{3, 0}, "resume 3; promote; answer r7; notify ready; become"}, {Fired{Timer{Kind: TimerBackoff, Token: 1}}, ""}}, "running"},

	{"hand-over: the new one crashes", yielding, []step{{ended(2, "signal: killed"), "record 2: signal: killed; resume 1; demote; answer r7: the new worker: signal: killed"}, {HandedOver{1, "peer is gone"}, ""}}, "running"},
	{"hand-over: it breaks, the new one is dead", yielding, []step{{HandedOver{1, "peer is gone"}, "probe 2"}, {Probed{2, false}, "kill 2"},
		{ended(2, "signal: killed"), "record 2: it does not answer since the hand-over failed; resume 1; demote; answer r7: the new worker: it does not answer since the hand-over failed"}}, "running"},
	{"hand-over: it breaks, the new one's end comes first", yielding, []step{{HandedOver{1, "peer is gone"}, "probe 2"}, {ended(2, "k"), "record 2: k; resume 1; demote; answer r7: the new worker: k"}, {Probed{2, false}, ""}}, "running"},
	{"hand-over: it breaks, the new one lives", yielding, []step{{HandedOver{1, "refused"}, "probe 2"}, {Probed{2, true}, "resume 2"}, {Resumed{2}, "drain 1; timer drain 1 1m5s; promote; answer r7; notify ready; become"}, {Probed{2, true}, ""}, {Resumed{2}, ""}}, "running"},
	{"hand-over: it hangs", yielding, []step{{fire(TimerHandOver, 1), "probe 2"}, {Probed{2, true}, "resume 2"}, {Resumed{2}, "drain 1; timer drain 1 1m5s; promote; answer r7; notify ready; become"}, {HandedOver{Worker: 1}, ""}}, "running"},
	{"hand-over: it hangs, and ends well at last", yielding, []step{{fire(TimerHandOver, 1), "probe 2"}, {Probed{2, true}, "resume 2"}, {HandedOver{Worker: 1}, "drain 1; timer drain 1 1m5s; promote; answer r7; notify ready; become"}, {Resumed{2}, ""}}, "running"},
	{"hand-over: the new one answers and does nothing", yielding, []step{{fire(TimerHandOver, 1), "probe 2"}, {Probed{2, true}, "resume 2"}, {WorkerWedged{2, "link: no answer"}, "kill 2"}, {Resumed{2}, ""},
		{ended(2, "signal: killed"), "record 2: link: no answer; resume 1; demote; answer r7: the new worker: link: no answer"}, {Resumed{1}, ""}}, "running"},
	{"hand-over: the new one answers and dies", yielding, []step{{fire(TimerHandOver, 1), "probe 2"}, {Probed{2, true}, "resume 2"}, {ended(2, "k"), "record 2: k; resume 1; demote; answer r7: the new worker: k"}, {Resumed{2}, ""}}, "running"},
	{"hand-over: the old one dies while the new one begins to accept", yielding, []step{{fire(TimerHandOver, 1), "probe 2"}, {Probed{2, true}, "resume 2"}, {ended(1, "x"), "record 1: x; resume 2; promote; answer r7; notify ready; become"}, {Resumed{2}, ""}, {Resumed{2}, ""}}, "running"},
	{"hand-over: the old one is wedged while the new one begins to accept", yielding, []step{{fire(TimerHandOver, 1), "probe 2"}, {Probed{2, true}, "resume 2"}, {WorkerWedged{1, "w"}, "kill 1"}, {Resumed{2}, ""}, {ended(1, "k"), "record 1: w; resume 2; promote; answer r7; notify ready; become"}}, "running"},
	{"hand-over: terminated while the new one begins to accept", yielding, []step{{fire(TimerHandOver, 1), "probe 2"}, {Probed{2, true}, "resume 2"}, {Terminate{}, "notify stopping; answer r7: ringway is about to end; drain 1; timer drain 1 1m5s; drain 2; timer drain 2 1m5s"}, {Resumed{2}, ""}, {clean(1), ""}, {clean(2), "exit"}}, "ended"},
	{"hand-over: the old one crashes", yielding, []step{{ended(1, "x"), "record 1: x; resume 2; promote; answer r7; notify ready; become"}, {HandedOver{1, "peer is gone"}, ""}}, "running"},
	{"hand-over: both crash", yielding, []step{{ended(1, "x"), "record 1: x; resume 2; promote; answer r7; notify ready; become"}, {ended(2, "y"), "record 2: y; spawn 3; timer ready 3 30s"}}, "restarting"},
	{"hand-over: the new one crashes, and the old one cannot go on", yielding, []step{{ended(2, "k"), "record 2: k; resume 1; demote; answer r7: the new worker: k"}, {WorkerWedged{1, "cannot resume"}, "kill 1"},
		{ended(1, "signal: killed"), "record 1: cannot resume; spawn 3; timer ready 3 30s"}}, "restarting"},
	{"hand-over: the old one is wedged, the new one crashes", yielding, []step{{WorkerWedged{1, "w"}, "kill 1"}, {ended(2, "k"), "record 2: k; demote; answer r7: the new worker: k"}, {ended(1, "signal: killed"), "record 1: w; spawn 3; timer ready 3 30s"}}, "restarting"},
	{"hand-over: terminated", yielding, []step{{Terminate{}, "notify stopping; answer r7: ringway is about to end; drain 1; timer drain 1 1m5s; drain 2; timer drain 2 1m5s"}, {clean(1), ""}, {HandedOver{Worker: 1}, ""}, {clean(2), "exit"}}, "ended"},

	{"afterwards: the new one crashes", upgraded, []step{{ended(2, "x"), "record 2: x; spawn 3; timer ready 3 30s"}, {clean(1), ""}}, "restarting"},
	{"afterwards: the old one crashes", upgraded, []step{{ended(1, "signal: killed"), "record 1: signal: killed"}}, "running"},
	{"afterwards: the old one takes too long", upgraded, []step{{fire(TimerDrain, 1), "kill 1"}, {ended(1, "signal: killed"), "record 1: did not drain in time"}}, "running"},
	{"afterwards: the master cannot become the new program at once", upgraded, []step{{NotBecome{}, "timer become 0 1s"}, {fire(TimerBecome, 0), "become"}, {NotBecome{}, "timer become 0 1s"}, {fire(TimerBecome, 0), "become"},
		{NotBecome{}, "timer become 0 1s"}, {fire(TimerBecome, 0), "become"}, {NotBecome{}, "timer become 0 1s"}, {fire(TimerBecome, 0), "become"}, {NotBecome{}, ""}}, "running"},
	{"afterwards: another upgrade before that is tried again", upgraded, []step{{NotBecome{}, "timer become 0 1s"}, {Upgrade{8}, "spawn 3 new fresh; timer ready 3 30s"}, {fire(TimerBecome, 0), ""},
		{WorkerReady{3, 0}, "handover 2>3; timer handover 2 15s"}, {HandedOver{Worker: 2}, "drain 2; timer drain 2 1m5s; promote; answer r8; notify ready; become"}}, "running"},
	{"afterwards: another upgrade", upgraded, []step{{Upgrade{8}, "spawn 3 new fresh; timer ready 3 30s"}}, "upgrading"},

	{"terminate", boot, []step{{Terminate{}, "notify stopping; drain 1; timer drain 1 1m5s"}, {Upgrade{3}, "answer r3: ringway is about to end"}, {Reload{Request: 4}, "answer r4: ringway is about to end"}, {clean(1), "exit"}, {Terminate{}, ""}}, "ended"},
	{"terminate twice", boot, []step{{Terminate{}, "notify stopping; drain 1; timer drain 1 1m5s"}, {Terminate{}, "stop 1; timer stop 1 3s"}, {fire(TimerStop, 1), "kill 1"}, {ended(1, "signal: killed"), "exit"}}, "ended"},
	{"terminate: it does not drain", boot, []step{{Terminate{}, "notify stopping; drain 1; timer drain 1 1m5s"}, {fire(TimerDrain, 1), "kill 1"}, {ended(1, "signal: killed"), "exit"}}, "ended"},
	{"terminate: it crashes", boot, []step{{Terminate{}, "notify stopping; drain 1; timer drain 1 1m5s"}, {ended(1, "signal: killed"), "exit"}}, "ended"},
	{"terminate in a backoff", boot, []step{{ended(1, "x"), "record 1: x; spawn 2; timer ready 2 30s"}, {ended(2, "x"), "record 2: x; timer backoff 0 100ms"}, {Terminate{}, "notify stopping; exit"}}, "ended"},
	{"terminate during an upgrade", up, []step{{Reload{Request: 3}, ""}, {Terminate{}, "notify stopping; answer r7: ringway is about to end; answer r3: ringway is about to end; drain 1; timer drain 1 1m5s; stop 2; timer stop 2 3s"},
		{WorkerReady{2, 0}, ""}, {clean(2), ""}, {clean(1), "exit"}}, "ended"},
	{"terminate while an upgrade waits", boot, []step{{Reload{Request: 1}, "notify reloading; reload 1 r1"}, {Upgrade{7}, ""}, {Terminate{}, "notify stopping; answer r7: ringway is about to end; drain 1; timer drain 1 1m5s"}, {ReloadDone{1}, ""}, {clean(1), "exit"}}, "ended"},
	{"terminate after an upgrade", upgraded, []step{{Terminate{}, "notify stopping; drain 2; timer drain 2 1m5s"}, {clean(2), ""}, {clean(1), "exit"}}, "ended"},
	{"quit", boot, []step{{Quit{}, "notify stopping; stop 1; timer stop 1 3s"}, {ended(1, "exit status 0"), "exit"}}, "ended"},
	{"quit after an upgrade", upgraded, []step{{Quit{}, "notify stopping; stop 1; timer stop 1 3s; stop 2; timer stop 2 3s"}, {clean(2), ""}, {clean(1), "exit"}}, "ended"},
}

func TestTransitions(t *testing.T) {
	for _, c := range transitions {
		t.Run(c.name, func(t *testing.T) {
			m := New(DefaultLimits())
			run(t, m, time.Unix(0, 0), c.after)
			run(t, m, time.Unix(1, 0), c.steps)
			if p := m.Phase(); p != c.phase {
				t.Errorf("it is %s, not %s", p, c.phase)
			}
		})
	}
}

// TestBackoff: the first restart comes at once, each that follows takes twice as long, and a worker that served for a while
// ends the row.
func TestBackoff(t *testing.T) {
	m := New(DefaultLimits())
	now := time.Unix(0, 0)
	run(t, m, now, boot)
	worker, token := WorkerID(1), uint64(0)
	crash := func() time.Duration {
		for _, a := range m.Handle(now, ended(worker, "x")) {
			switch a := a.(type) {
			case Spawn:
				worker = a.Worker
				return 0
			case SetTimer:
				token = a.Timer.Token
				return a.After
			}
		}
		t.Fatal("nothing follows a crash")
		return 0
	}
	restart := func(pause time.Duration) {
		if pause > 0 {
			m.Handle(now, Fired{Timer{Kind: TimerBackoff, Token: token}})
			worker++
		}
		m.Handle(now, WorkerReady{Worker: worker})
	}
	var got []time.Duration
	for range 10 {
		pause := crash()
		got = append(got, pause/time.Millisecond)
		restart(pause)
	}
	want := []time.Duration{0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("pauses in ms: %d, want %d", got, want)
	}
	now = now.Add(time.Minute)
	if pause := crash(); pause != 0 {
		t.Errorf("after a minute's service the pause is %v", pause)
	}
}

func TestBounds(t *testing.T) {
	l := DefaultLimits()
	l.Reloads, l.Draining = 2, 1
	m := New(l)
	run(t, m, time.Unix(0, 0), boot)
	run(t, m, time.Unix(0, 0), []step{{Reload{Request: 1}, "notify reloading; reload 1 r1"}, {Reload{Request: 2}, ""}, {Reload{Request: 3}, ""}, {Reload{Request: 4}, "answer r4: 2 reloads wait already"}})
	m = New(l)
	run(t, m, time.Unix(0, 0), boot)
	run(t, m, time.Unix(0, 0), []step{begin2, ready2, given, {Upgrade{8}, "answer r8: 1 workers of earlier upgrades still drain"}, {clean(1), ""}, {Upgrade{8}, "spawn 3 new fresh; timer ready 3 30s"}})
}

// TestSnapshot takes the machine through JSON after an upgrade: it goes on where it was.
func TestSnapshot(t *testing.T) {
	m := New(DefaultLimits())
	start := time.Unix(1000, 0)
	run(t, m, start, boot)
	run(t, m, start, []step{begin2, ready2, given})
	data, err := json.Marshal(m.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var s Snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	m, actions := Restore(DefaultLimits(), s, start.Add(5*time.Second))
	if len(actions) != 2 || actions[0].String() != "timer drain 1 1m0s" || actions[1].String() != "notify ready" {
		t.Errorf("to do: %v", actions)
	}
	if m.Phase() != "running" || m.Current() != 2 || len(m.Workers()) != 2 {
		t.Errorf("%s, current %d, %+v", m.Phase(), m.Current(), m.Workers())
	}
	run(t, m, start, []step{{clean(1), ""}, {Upgrade{9}, "spawn 3 new fresh; timer ready 3 30s"}})
}
