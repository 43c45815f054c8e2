package lockfree_test

import (
	"strings"
	"testing"
)

// The cells of the model of SPSC, with two slots.
const (
	spscSlots    = 0
	spscHead     = 2
	spscTail     = 3
	spscHeadSeen = 4
	spscTailSeen = 5
	spscSize     = 2
)

func TestModelSPSC(t *testing.T) {
	modelled{
		programs: map[string][][]call{
			"single":  {calls(call{"push", 1}, call{"push", 2}, call{"push", 3}), calls(call{"pop", 1}, call{"pop", 1}, call{"pop", 1})},
			"batched": {calls(call{"push2", 1}, call{"push2", 3}, call{"push", 5}), calls(call{"pop", 2}, call{"pop", 1}, call{"pop", 2})},
		},
		build: func(broken string) *machine {
			return &machine{spec: boundedSpec(spscSize, false), step: func(s *state, t int, c call) effect {
				if strings.HasPrefix(c.op, "push") {
					return spscPush(s, t, c, broken)
				}
				return spscPop(s, t, c, broken)
			}}
		},
		broken: []string{"tail before the slots", "head before the slots", "head not looked at again", "tail not looked at again", "one slot too many"},
	}.run(t)
}

func spscPush(s *state, t int, c call, broken string) effect {
	r := &s.reg[t] // tail, n
	want := int16(len(c.op) - len("push") + 1)
	if c.op == "push2" {
		want = 2
	}
	size := int16(spscSize)
	if broken == "one slot too many" {
		size++
	}
	switch s.pc[t] {
	case 0:
		r[0] = s.mem[spscTail]
		s.pc[t] = 2
		if size-(r[0]-s.mem[spscHeadSeen]) < want && broken != "head not looked at again" {
			s.pc[t] = 1
		}
		return effect{reads: bit(spscHeadSeen)}
	case 1:
		s.mem[spscHeadSeen] = s.mem[spscHead]
		s.pc[t] = 2
		return effect{writes: bit(spscHeadSeen)}
	case 2:
		r[1] = min(want, size-(r[0]-s.mem[spscHeadSeen]))
		s.pc[t] = 3
		if r[1] <= 0 {
			return effect{done: true}
		}
		if broken == "tail before the slots" {
			s.mem[spscTail] = r[0] + r[1]
		}
		return effect{reads: bit(spscHeadSeen)}
	case 3, 4:
		i := s.pc[t] - 3
		cell := spscSlots + (r[0]+i)%spscSize
		s.mem[cell] = c.arg + i
		s.pc[t]++
		if s.pc[t]-3 == r[1] {
			s.pc[t] = 5
		}
		return effect{writes: bit(cell)}
	default:
		s.mem[spscTail] = r[0] + r[1]
		return effect{done: true, result: r[1]}
	}
}

func spscPop(s *state, t int, c call, broken string) effect {
	r := &s.reg[t] // head, n, result
	switch s.pc[t] {
	case 0:
		r[0], r[2] = s.mem[spscHead], 0
		s.pc[t] = 2
		if s.mem[spscTailSeen]-r[0] < c.arg && broken != "tail not looked at again" {
			s.pc[t] = 1
		}
		return effect{reads: bit(spscTailSeen)}
	case 1:
		s.mem[spscTailSeen] = s.mem[spscTail]
		s.pc[t] = 2
		return effect{writes: bit(spscTailSeen)}
	case 2:
		r[1] = min(c.arg, s.mem[spscTailSeen]-r[0])
		s.pc[t] = 3
		if r[1] == 0 {
			return effect{done: true}
		}
		if broken == "head before the slots" {
			s.mem[spscHead] = r[0] + r[1]
		}
		return effect{reads: bit(spscTailSeen)}
	case 3, 4:
		i := s.pc[t] - 3
		cell := spscSlots + (r[0]+i)%spscSize
		r[2] = 8*r[2] + s.mem[cell]
		s.mem[cell] = 0
		s.pc[t]++
		if s.pc[t]-3 == r[1] {
			s.pc[t] = 5
		}
		return effect{writes: bit(cell)}
	default:
		s.mem[spscHead] = r[0] + r[1]
		return effect{done: true, result: r[2]}
	}
}

// boundedSpec is a queue of so many values: push gives how many it took, pop a list of up to arg. A batch may come out
// shorter while another call is under way, but not empty; with loose, any call may then do nothing.
func boundedSpec(size int, loose bool) func(string, call, bool) []outcome {
	return func(abs string, c call, overlapped bool) (all []outcome) {
		vs, n := "", min(int(c.arg), len(abs))
		if strings.HasPrefix(c.op, "push") {
			vs = string([]byte{byte(c.arg), byte(c.arg + 1)}[:1+strings.Count(c.op, "2")])
			n = min(len(vs), size-len(abs))
		}
		for k := n; k == n || k > 0 && overlapped; k-- {
			if vs != "" {
				all = append(all, outcome{abs + vs[:k], int16(k)})
			} else {
				all = append(all, outcome{abs[k:], listed(abs[:k])})
			}
		}
		if loose && overlapped {
			all = append(all, outcome{abs, 0})
		}
		return all
	}
}

// The cells of the model of MPSC: nodes 1 to 3, node 7 is the seal.
const (
	mpscHead  = 0
	mpscNext  = 0 // + node
	mpscValue = 4 // + node
	mpscSeal  = 7
)

func TestModelMPSC(t *testing.T) {
	modelled{
		programs: map[string][][]call{
			"two pushers": {calls(call{"push", 1}, call{"push", 2}), calls(call{"push", 3}), calls(call{"take", 0}, call{"take", 0})},
			"sealed":      {calls(call{"push", 1}), calls(call{"push", 2}), calls(call{"take", 0}, call{"seal", 0}, call{"take", 0})},
			// The second thread takes its node and pushes it again, perhaps while the first still has it for the head.
			"reused": {calls(call{"push", 1}, call{"push", 3}), calls(call{"push", 2}, call{"take", 0}, call{"push", 2}, call{"take", 0})},
		},
		build: func(broken string) *machine {
			return &machine{spec: takeAllSpec, step: func(s *state, t int, c call) effect {
				if c.op == "push" {
					return mpscPush(s, t, c, broken)
				}
				return mpscTake(s, t, c, broken)
			}}
		},
		broken: []string{"store for compare-and-swap", "link after the push", "load and store for swap", "take does not know the seal"},
	}.run(t)
}

func mpscPush(s *state, t int, c call, broken string) effect {
	r := &s.reg[t] // the head seen
	switch s.pc[t] {
	case 0:
		s.mem[mpscValue+c.arg] = c.arg
		s.pc[t] = 1
		return effect{writes: bit(mpscValue + c.arg)}
	case 1:
		r[0] = s.mem[mpscHead]
		s.pc[t] = 2
		return effect{done: r[0] == mpscSeal, result: 9}
	case 2:
		s.pc[t] = 3
		if broken == "link after the push" {
			return effect{}
		}
		s.mem[mpscNext+c.arg] = r[0]
		return effect{writes: bit(mpscNext + c.arg)}
	case 3:
		if s.mem[mpscHead] != r[0] && broken != "store for compare-and-swap" {
			s.pc[t] = 1
			return effect{}
		}
		s.mem[mpscHead] = c.arg
		s.pc[t] = 4
		return effect{done: broken != "link after the push", result: emptied(r[0] == 0)}
	default:
		s.mem[mpscNext+c.arg] = r[0]
		return effect{writes: bit(mpscNext + c.arg), done: true, result: emptied(r[0] == 0)}
	}
}

func emptied(was bool) int16 {
	if was {
		return 1
	}
	return 0
}

func mpscTake(s *state, t int, c call, broken string) effect {
	r := &s.reg[t] // the node to look at, the digit, the result
	switch s.pc[t] {
	case 0:
		r[1], r[2] = 1, 0
		s.pc[t] = 1
		h := s.mem[mpscHead]
		nothing := h == 0 || h == mpscSeal && broken != "take does not know the seal"
		return effect{done: nothing && c.op == "take"}
	case 1:
		r[0] = s.mem[mpscHead]
		s.pc[t] = 3
		if broken == "load and store for swap" {
			s.pc[t] = 2
			return effect{}
		}
		fallthrough
	case 2:
		s.mem[mpscHead] = 0
		if c.op == "seal" {
			s.mem[mpscHead] = mpscSeal
		}
		s.pc[t] = 3
		return effect{done: r[0] == mpscSeal}
	default:
		if r[0] == 0 {
			return effect{done: true, result: r[2]}
		}
		n := r[0]
		r[2] += r[1] * s.mem[mpscValue+n]
		r[1] *= 8
		r[0] = s.mem[mpscNext+n]
		return effect{reads: bit(mpscValue+n) | bit(mpscNext+n)}
	}
}

// takeAllSpec is a list; a first byte of 7 seals it.
func takeAllSpec(abs string, c call, _ bool) []outcome {
	sealed := strings.HasPrefix(abs, "\x07")
	switch {
	case c.op == "push" && sealed:
		return []outcome{{abs, 9}}
	case c.op == "push":
		return []outcome{{abs + string(rune(c.arg)), emptied(abs == "")}}
	case sealed:
		return []outcome{{abs, 0}}
	case c.op == "seal":
		return []outcome{{"\x07", listed(abs)}}
	default:
		return []outcome{{"", listed(abs)}}
	}
}

// The cells of the model of MPMC, with two slots.
const (
	mpmcHead  = 0
	mpmcTail  = 1
	mpmcSeq   = 2
	mpmcValue = 4
	mpmcSize  = 2
)

func mpmcModel(loose bool) modelled {
	push, pop := func(v int16) call { return call{"push", v} }, call{"pop", 1}
	return modelled{
		programs: map[string][][]call{
			"two and one": {calls(push(1), push(2)), calls(push(3), push(4)), calls(pop, pop)},
			"one and two": {calls(push(1), push(2)), calls(pop, pop), calls(pop, pop)},
			"both":        {calls(push(1), pop), calls(push(2), pop), calls(push(3), pop)},
			"laps":        {calls(push(1), push(2), push(3), push(4)), calls(pop, pop, pop)},
		},
		build: func(broken string) *machine {
			m := &machine{spec: boundedSpec(mpmcSize, loose), step: func(s *state, t int, c call) effect { return mpmcStep(s, t, c, broken) }}
			m.start.mem[mpmcSeq+1] = 1
			return m
		},
		broken: []string{"claim without compare-and-swap", "sequence before the value", "sequence of the same lap"},
	}
}

func TestModelMPMC(t *testing.T) { mpmcModel(true).run(t) }

// TestModelMPMCIsLoose shows that the comment of MPMC does not warn in vain: false is not always "empty" or "full".
func TestModelMPMCIsLoose(t *testing.T) {
	md := mpmcModel(false)
	m := md.build("")
	m.programs = md.programs["both"]
	if _, fault := explore(m, md.abs); !strings.Contains(fault, "which no order") {
		t.Errorf("it is as strict as can be: %q", fault)
	}
}

// mpmcStep is push and pop, which differ in the index, the turn they wait for, and the turn they leave.
func mpmcStep(s *state, t int, c call, broken string) effect {
	r := &s.reg[t] // position, value
	index, turn, leave := int16(mpmcTail), int16(0), int16(1)
	if c.op == "pop" {
		index, turn, leave = mpmcHead, 1, mpmcSize
		if broken == "sequence of the same lap" {
			leave = 0
		}
	}
	seq, value := mpmcSeq+r[0]%mpmcSize, mpmcValue+r[0]%mpmcSize
	switch s.pc[t] {
	case 0:
		r[0] = s.mem[index]
		s.pc[t] = 1
	case 1:
		switch ahead := s.mem[seq] - (r[0] + turn); {
		case ahead == 0:
			s.pc[t] = 2
		case ahead < 0:
			return effect{done: true}
		default:
			s.pc[t] = 0
		}
	case 2:
		if s.mem[index] != r[0] && broken != "claim without compare-and-swap" {
			s.pc[t] = 0
			return effect{}
		}
		s.mem[index] = r[0] + 1
		s.pc[t] = 3
		if broken == "sequence before the value" {
			s.mem[seq] = r[0] + leave
		}
	case 3:
		s.pc[t] = 4
		r[1], s.mem[value] = s.mem[value], 0
		if c.op == "push" {
			r[1], s.mem[value] = 1, c.arg
		}
		return effect{writes: bit(value)}
	default:
		s.mem[seq] = r[0] + leave
		return effect{done: true, result: r[1]}
	}
	return effect{}
}
