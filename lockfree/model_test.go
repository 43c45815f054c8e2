package lockfree_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A machine is an algorithm of this package written as steps of one shared access each, so that all interleavings of a
// few threads can be tried. It has the same steps in the same order as the code; spinning is waiting until the word
// spun on has changed.
//
// In every state that can be reached the explorer checks
//   - that no two threads' next steps touch the same plain cell, one of them writing: a data race, and without one Go
//     promises that these interleavings are all there is;
//   - the machine's own invariant, and at the end its final condition;
//   - that some thread can go on, unless all have ended;
//   - linearizability: that the results so far are those of some order of the calls, each between its begin and end,
//     done one by one on the specification.
type machine struct {
	start    state
	programs [][]call
	// step does one step of the thread's call, at pc, and says what it was. It is not asked to be the only access to
	// anything atomic: it is, since one step runs at a time.
	step  func(s *state, thread int, c call) effect
	check func(s *state) string // what is wrong in this state
	final func(s *state) string // what is wrong at the end
	// spec gives what may come of a call made alone on abs; overlapped says that another call is under way. Without it,
	// results are not looked at.
	spec func(abs string, c call, overlapped bool) []outcome
}

type call struct {
	op  string
	arg int16
}

// state is all that the threads know. It is comparable, so that what was explored is not explored again.
type state struct {
	mem [12]int16   // shared
	reg [3][5]int16 // each thread's own
	pc  [3]int16    // in the call
	at  [3]int16    // the call in the program
}

type effect struct {
	reads, writes uint16 // plain cells, as bits
	blocked       bool   // cannot go on in this state
	done          bool   // the call returns
	result        int16
	fault         string
}

type outcome struct {
	abs    string
	result int16
}

// A history is what the results so far leave possible: a sorted set of configurations, each of which is where every
// thread's call stands (two bytes) and the abstract state that has come of it.
type history string

const (
	idle    = 0 // no call
	pending = 1 // called, no effect yet
	taken   = 2 // has had its effect; plus the result it must return
)

func status(config string, thread int) int16 {
	return int16(config[2*thread])<<8 | int16(config[2*thread+1])
}

func withStatus(config string, thread int, s int16, abs string) string {
	b := []byte(config[:6])
	b[2*thread], b[2*thread+1] = byte(s>>8), byte(s)
	return string(b) + abs
}

func configs(h history) []string { return strings.Split(string(h), "\xff") }

func joined(set map[string]bool) history {
	var all []string
	for c := range set {
		all = append(all, c)
	}
	slices.Sort(all)
	return history(strings.Join(all, "\xff"))
}

// begun lets the thread call, and every call under way have its effect or not yet.
func (m *machine) begun(h history, s *state, thread int) history {
	set := map[string]bool{}
	var todo []string
	add := func(c string) {
		if !set[c] {
			set[c] = true
			todo = append(todo, c)
		}
	}
	for _, c := range configs(h) {
		add(withStatus(c, thread, pending, c[6:]))
	}
	for len(todo) > 0 {
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for t := range m.programs {
			if status(c, t) != pending {
				continue
			}
			overlapped := false
			for other := range m.programs {
				overlapped = overlapped || other != t && status(c, other) != idle
			}
			for _, o := range m.spec(c[6:], m.programs[t][s.at[t]], overlapped) {
				add(withStatus(c, t, taken+o.result, o.abs))
			}
		}
	}
	return joined(set)
}

// ended keeps what agrees with the result; nothing left means that no order of the calls explains it.
func ended(h history, thread int, result int16) (history, bool) {
	set := map[string]bool{}
	for _, c := range configs(h) {
		if status(c, thread) == taken+result {
			set[withStatus(c, thread, idle, c[6:])] = true
		}
	}
	return joined(set), len(set) > 0
}

type point struct {
	s state
	h history
}

type explorer struct {
	m    *machine
	seen map[point]bool
	path []string
}

// explore tries all interleavings and gives the number of states and the first fault, with the way to it.
func explore(m *machine, abs string) (states int, fault string) {
	e := explorer{m: m, seen: map[point]bool{}}
	fault = e.visit(point{m.start, history("\x00\x00\x00\x00\x00\x00" + abs)})
	if fault != "" {
		fault += "\n" + strings.Join(e.path, "\n")
	}
	return len(e.seen), fault
}

// visit leaves path as it was, unless it finds a fault.
func (e *explorer) visit(n point) (fault string) {
	if e.seen[n] {
		return ""
	}
	e.seen[n] = true
	if e.m.check != nil {
		if fault := e.m.check(&n.s); fault != "" {
			return fault
		}
	}
	var effects [3]effect
	moved, left := false, false
	for t := range e.m.programs {
		if int(n.s.at[t]) == len(e.m.programs[t]) {
			continue
		}
		left = true
		next, ef, fault := e.move(n, t)
		if ef.blocked {
			continue
		}
		moved = true
		c := e.m.programs[t][n.s.at[t]]
		e.path = append(e.path, fmt.Sprintf("thread %d: %s(%d) at %d", t, c.op, c.arg, n.s.pc[t]))
		if fault != "" {
			return fault
		}
		for other := range t {
			o := effects[other]
			if ef.writes&(o.reads|o.writes)|ef.reads&o.writes != 0 {
				return fmt.Sprintf("data race with thread %d", other)
			}
		}
		effects[t] = ef
		if fault := e.visit(next); fault != "" {
			return fault
		}
		e.path = e.path[:len(e.path)-1]
	}
	switch {
	case left && !moved:
		return "deadlock"
	case !left && e.m.final != nil:
		return e.m.final(&n.s)
	}
	return ""
}

// move is one step of one thread.
func (e *explorer) move(n point, t int) (point, effect, string) {
	c := e.m.programs[t][n.s.at[t]]
	begins := n.s.pc[t] == 0
	before := n.s
	ef := e.m.step(&n.s, t, c)
	if ef.blocked || ef.fault != "" {
		return n, ef, ef.fault
	}
	if e.m.spec != nil && begins {
		// A call that comes back to its first step has begun long since: its status says so.
		if status(string(n.h), t) == idle {
			n.h = e.m.begun(n.h, &before, t)
		}
	}
	if !ef.done {
		return n, ef, ""
	}
	n.s.pc[t] = 0
	n.s.at[t]++
	if e.m.spec != nil {
		h, ok := ended(n.h, t, ef.result)
		if !ok {
			return n, ef, fmt.Sprintf("%s(%d) of thread %d returned %d, which no order of the calls explains", c.op, c.arg, t, ef.result)
		}
		n.h = h
	}
	return n, ef, ""
}

// A modelled algorithm comes with programs to run and the ways to break it, each of which must be found.
type modelled struct {
	abs      string
	programs map[string][][]call
	build    func(broken string) *machine
	broken   []string
}

func (md modelled) run(t *testing.T) {
	for name, programs := range md.programs {
		m := md.build("")
		m.programs = programs
		states, fault := explore(m, md.abs)
		t.Logf("%s: %d states", name, states)
		if fault != "" {
			t.Errorf("%s: %s", name, fault)
		}
		if states < 50 {
			t.Errorf("%s: only %d states: the threads do not meet", name, states)
		}
	}
	for _, broken := range md.broken {
		found := ""
		for _, programs := range md.programs {
			m := md.build(broken)
			m.programs = programs
			if _, fault := explore(m, md.abs); fault != "" {
				found = fault
				break
			}
		}
		if found == "" {
			t.Errorf("nothing was found wrong with it, broken so: %s", broken)
		} else {
			t.Logf("broken so: %s: %s", broken, strings.SplitN(found, "\n", 2)[0])
		}
	}
}

func bit(cell int16) uint16 { return 1 << cell }

func calls(c ...call) []call { return c }

// listed is how a list of values from 1 to 7 is returned: the newest in the lowest digit, to the base of 8.
func listed(vs string) (result int16) {
	for i := range len(vs) {
		result = 8*result + int16(vs[i])
	}
	return result
}
