package lockfree_test

import "testing"

// The cells of the model of Epochs and Snapshot. Value v is replaced by v+1 in epoch v, and its callback is bit v of the
// list, which TestModelMPSC has checked. Freeing a value writes it plainly, using it reads it: to free it too early is a
// data race, or a use of what was freed.
const (
	epochCurrent = 0
	epochNow     = 1
	epochSeen    = 2 // + reader
	epochList    = 4
	epochValue   = 5 // + value, from 1: 0 there is usable
	epochOffline = 99
)

// The registers.
const (
	epochLast    = 0 // what a reader announced last
	epochHeld    = 1 // the value loaded, or the least seen
	epochDue     = 2
	epochEarly   = 3
	epochScratch = 4
)

func TestModelEpochs(t *testing.T) {
	online, use, quiesce, offline := call{"online", 0}, call{"use", 0}, call{"quiesce", 0}, call{"offline", 0}
	publish := func(v int16) call { return call{"publish", v} }
	modelled{
		programs: map[string][][]call{
			"ticks":            {calls(online, use, quiesce, use, offline), calls(online, use, offline), calls(publish(2), publish(3))},
			"there and back":   {calls(online, use, offline, online, use, offline), calls(online, quiesce, offline), calls(publish(2))},
			"passing together": {calls(online, quiesce, use, quiesce, offline), calls(online, quiesce, use, quiesce, offline), calls(publish(2))},
		},
		build: func(broken string) *machine {
			m := &machine{step: func(s *state, t int, c call) effect { return epochStep(s, t, c, broken) }, final: allFreed}
			m.start.mem[epochCurrent] = 1
			m.start.mem[epochSeen], m.start.mem[epochSeen+1] = epochOffline, epochOffline
			return m
		},
		broken: []string{"advance before unpublishing", "no word of being online", "no second look", "a reader is forgotten", "announce while using"},
	}.run(t)
}

// allFreed looks that each value that was replaced was freed, now that all are offline.
func allFreed(s *state) string {
	for v := int16(1); v < s.mem[epochCurrent]; v++ {
		if s.mem[epochValue+v] != 1 {
			return "a value was not freed once"
		}
	}
	return ""
}

func epochStep(s *state, t int, c call, broken string) effect {
	r := &s.reg[t]
	if s.pc[t] >= 10 {
		return epochFire(s, t, broken)
	}
	pc := s.pc[t]
	s.pc[t]++
	switch {
	case c.op == "online" && pc == 0:
		r[epochLast] = s.mem[epochNow]
	case c.op == "online":
		if broken != "no word of being online" {
			s.mem[epochSeen+t] = r[epochLast]
		}
		return effect{done: true}
	case c.op == "use":
		return epochUse(s, t, pc, broken)
	case c.op == "quiesce" && pc == 0:
		was := r[epochLast]
		r[epochLast] = s.mem[epochNow]
		return effect{done: r[epochLast] == was}
	case c.op == "quiesce":
		s.mem[epochSeen+t] = r[epochLast]
		s.pc[t] = 10
	case c.op == "offline":
		r[epochLast], s.mem[epochSeen+t] = epochOffline, epochOffline
		s.pc[t] = 10
	default:
		return epochPublish(s, t, c, pc, broken)
	}
	return effect{}
}

// epochUse loads the value and looks at it twice.
func epochUse(s *state, t int, pc int16, broken string) effect {
	r := &s.reg[t]
	if pc == 0 {
		r[epochHeld] = s.mem[epochCurrent]
		return effect{}
	}
	if broken == "announce while using" && pc == 1 {
		s.mem[epochSeen+t] = s.mem[epochNow]
		return effect{}
	}
	ef := effect{reads: bit(epochValue + r[epochHeld]), done: pc == 2}
	if s.mem[epochValue+r[epochHeld]] != 0 {
		ef.fault = "a freed value is in use"
	}
	return ef
}

func epochPublish(s *state, t int, c call, pc int16, broken string) effect {
	r := &s.reg[t]
	order := [3]string{"swap", "advance", "wait"}
	if broken == "advance before unpublishing" {
		order = [3]string{"advance", "swap", "wait"}
	}
	switch order[pc] {
	case "swap":
		r[epochScratch] = s.mem[epochCurrent]
		s.mem[epochCurrent] = c.arg
	case "advance":
		s.mem[epochNow]++
	case "wait":
		s.mem[epochList] |= 1 << r[epochScratch]
	}
	if pc == 2 {
		s.pc[t] = 10
	}
	return effect{}
}

// epochFire is Epochs.fire, from pc 10 on.
func epochFire(s *state, t int, broken string) effect {
	r := &s.reg[t]
	pc := s.pc[t]
	s.pc[t]++
	switch pc {
	case 10:
		return effect{done: s.mem[epochList] == 0}
	case 11:
		r[epochDue], s.mem[epochList] = s.mem[epochList], 0
		r[epochHeld] = epochOffline
		s.pc[t] = 12
		if r[epochDue] == 0 {
			return effect{done: true}
		}
	case 12, 16:
		r[epochHeld] = min(r[epochHeld], s.mem[epochSeen])
	case 13:
		if broken != "a reader is forgotten" {
			r[epochHeld] = min(r[epochHeld], s.mem[epochSeen+1])
		}
		passed := int16(1)<<(min(r[epochHeld], 10)+1) - 1
		r[epochEarly] = r[epochDue] &^ passed
		r[epochDue] &= passed
	case 14:
		s.mem[epochList] |= r[epochEarly]
		r[epochHeld] = epochOffline
		s.pc[t] = 15
	case 15:
		for v := int16(1); v <= 3; v++ {
			if r[epochDue]&(1<<v) != 0 {
				r[epochDue] &^= 1 << v
				s.mem[epochValue+v]++
				s.pc[t] = 15
				return effect{writes: bit(epochValue + v)}
			}
		}
		return effect{done: r[epochEarly] == 0 || broken == "no second look"}
	default:
		r[epochHeld] = min(r[epochHeld], s.mem[epochSeen+1])
		earliest := int16(1)
		for r[epochEarly]&(1<<earliest) == 0 {
			earliest++
		}
		s.pc[t] = 10
		return effect{done: r[epochHeld] < earliest}
	}
	return effect{}
}
