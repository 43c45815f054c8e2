package lockfree_test

import "testing"

func TestModelCounter(t *testing.T) {
	const own, published = 0, 1
	add, publish, load := call{"add", 1}, call{"publish", 0}, call{"load", 0}
	modelled{
		abs: "\x00\x00",
		programs: map[string][][]call{
			"two readers": {calls(add, publish, add, add, publish), calls(load, load, load), calls(load, load)},
		},
		build: func(broken string) *machine {
			return &machine{
				step: func(s *state, t int, c call) effect {
					switch {
					case c.op == "add":
						s.mem[own] += c.arg
						return effect{writes: bit(own), done: true}
					case c.op == "publish" && s.pc[t] == 0:
						s.reg[t][0] = s.mem[own]
						s.pc[t] = 1
						return effect{reads: bit(own)}
					case c.op == "publish":
						s.mem[published] = s.reg[t][0]
						return effect{done: true}
					case broken == "readers look at the writer's word":
						return effect{reads: bit(own), done: true, result: s.mem[own]}
					default:
						return effect{done: true, result: s.mem[published]}
					}
				},
				spec: func(abs string, c call, _ bool) []outcome {
					switch c.op {
					case "add":
						return []outcome{{string([]byte{abs[0] + 1, abs[1]}), 0}}
					case "publish":
						return []outcome{{string([]byte{abs[0], abs[0]}), 0}}
					default:
						return []outcome{{abs, int16(abs[1])}}
					}
				},
			}
		},
		broken: []string{"readers look at the writer's word"},
	}.run(t)
}

func TestModelSeqlock(t *testing.T) {
	store, load := func(v int16) call { return call{"store", v} }, call{"load", 0}
	modelled{
		abs: "\x00",
		programs: map[string][][]call{
			"one reader":  {calls(store(1), store(2), store(3)), calls(load, load, load)},
			"two readers": {calls(store(1), store(2)), calls(load, load), calls(load, load)},
		},
		build: func(broken string) *machine {
			return &machine{
				step: func(s *state, t int, c call) effect { return seqlockStep(s, t, c, broken) },
				spec: func(abs string, c call, overlapped bool) []outcome {
					if c.op == "store" {
						return []outcome{{string(rune(c.arg)), 0}}
					}
					all := []outcome{{abs, 9 * int16(abs[0])}}
					if overlapped {
						all = append(all, outcome{abs, seqlockFailed})
					}
					return all
				},
			}
		},
		broken: []string{"never odd", "odd too late", "even too early", "no second look", "no look at odd"},
	}.run(t)
}

const seqlockFailed = 1000

// seqlockStep has the sequence in cell 0 and a value of two words, which are the same, in 1 and 2. A load returns 8
// times the one plus the other.
func seqlockStep(s *state, t int, c call, broken string) effect {
	r := &s.reg[t] // sequence, first word, second word
	pc := s.pc[t]
	s.pc[t]++
	if c.op == "store" {
		order := [4]int16{0, 1, 2, 0}
		switch broken {
		case "odd too late":
			order = [4]int16{1, 0, 2, 0}
		case "even too early":
			order = [4]int16{0, 1, 0, 2}
		}
		switch cell := order[pc]; {
		case cell != 0:
			s.mem[cell] = c.arg
		case broken != "never odd":
			s.mem[0]++
		case pc == 3:
			s.mem[0] += 2
		}
		return effect{done: pc == 3}
	}
	switch pc {
	case 0:
		r[0] = s.mem[0]
		return effect{done: r[0]&1 != 0 && broken != "no look at odd", result: seqlockFailed}
	case 1, 2:
		r[pc] = s.mem[pc]
		return effect{done: pc == 2 && broken == "no second look", result: 8*r[1] + r[2]}
	default:
		if s.mem[0] != r[0] {
			return effect{done: true, result: seqlockFailed}
		}
		return effect{done: true, result: 8*r[1] + r[2]}
	}
}

// The cells of the models of the locks. What the lock protects is a plain count, so that two holders are a data race.
const (
	lockState = 0
	lockToken = 1
	lockCount = 2
)

func lockModel(broken []string, step func(s *state, t int, broken string) effect) modelled {
	use := call{"use", 0}
	return modelled{
		programs: map[string][][]call{"three threads": {calls(use, use), calls(use, use), calls(use, use)}},
		build: func(broken string) *machine {
			return &machine{
				step: func(s *state, t int, _ call) effect { return step(s, t, broken) },
				final: func(s *state) string {
					if s.mem[lockCount] != 6 || s.mem[lockState] != 0 {
						return "a count was lost, or the lock is not free"
					}
					return ""
				},
			}
		},
		broken: broken,
	}
}

// useLocked is what holders do, from pc 10 on: read, write, and go on at 20 with the unlock.
func useLocked(s *state, t int) effect {
	s.pc[t]++
	if s.pc[t] == 11 {
		s.reg[t][1] = s.mem[lockCount]
		return effect{reads: bit(lockCount)}
	}
	s.mem[lockCount] = s.reg[t][1] + 1
	s.pc[t] = 20
	return effect{writes: bit(lockCount)}
}

// TestModelSpinHot is SpinYield's model too: what a waiter does between two looks changes nothing.
func TestModelSpinHot(t *testing.T) {
	lockModel([]string{"load and store for compare-and-swap", "free before use"}, func(s *state, t int, broken string) effect {
		switch s.pc[t] {
		case 0:
			free := s.mem[lockState] == 0
			s.pc[t] = 1
			switch {
			case free && broken == "load and store for compare-and-swap":
				s.pc[t] = 2
			case free:
				s.mem[lockState] = 1
				s.pc[t] = 10
			}
		case 1:
			s.pc[t] = 0
			return effect{blocked: s.mem[lockState] != 0}
		case 2:
			s.mem[lockState] = 1
			s.pc[t] = 10
		case 10, 11:
			if broken == "free before use" {
				s.mem[lockState] = 0
			}
			return useLocked(s, t)
		default:
			s.mem[lockState] = 0
			return effect{done: true}
		}
		return effect{}
	}).run(t)
}

func TestModelSpinPark(t *testing.T) {
	lockModel([]string{"no wake-up", "waiters take it as uncontended", "sleep without a mark", "wake-up before it is free"}, spinParkStep).run(t)
}

func spinParkStep(s *state, t int, broken string) effect {
	switch s.pc[t] {
	case 0: // the looks before: one stands for all
		s.pc[t] = 1
		if s.mem[lockState] == 0 {
			s.mem[lockState] = 1
			s.pc[t] = 10
		}
	case 1:
		old := s.mem[lockState]
		switch {
		case broken == "sleep without a mark":
			s.mem[lockState] = max(old, 1)
		case broken == "waiters take it as uncontended" && old == 0:
			s.mem[lockState] = 1
		default:
			s.mem[lockState] = 2
		}
		s.pc[t] = 2
		if old == 0 {
			s.pc[t] = 10
		}
	case 2:
		if s.mem[lockToken] == 0 {
			return effect{blocked: true}
		}
		s.mem[lockToken] = 0
		s.pc[t] = 1
	case 10, 11:
		return useLocked(s, t)
	case 20:
		if broken == "wake-up before it is free" {
			if s.mem[lockState] == 2 {
				s.mem[lockToken] = 1
			}
			s.pc[t] = 22
			return effect{}
		}
		old := s.mem[lockState]
		s.mem[lockState] = 0
		s.pc[t] = 21
		return effect{done: old != 2 || broken == "no wake-up"}
	case 21:
		s.mem[lockToken] = 1
		return effect{done: true}
	default:
		s.mem[lockState] = 0
		return effect{done: true}
	}
	return effect{}
}
