package lockfree_test

import "testing"

// The cells of the model of Budget, and the registers of a lease.
const (
	budgetFree  = 0
	budgetSpent = 1

	leaseIdle   = 0
	leaseHeld   = 1
	leaseSpent  = 2
	leaseSeen   = 3
	leaseMoving = 4 // between spent and free, in Refill

	leaseBatch  = 2
	budgetTotal = 5
)

func TestModelLease(t *testing.T) {
	acquire, release, spend := call{"acquire", 1}, call{"release", 1}, call{"spend", 1}
	settle, refill := call{"settle", 0}, call{"refill", 1}
	modelled{
		programs: map[string][][]call{
			"a cap":     {calls(acquire, acquire, release, acquire), calls(acquire, acquire, release), calls(acquire, release, settle)},
			"a rate":    {calls(spend, spend, spend, spend), calls(spend, spend, settle), calls(refill, refill, refill)},
			"exhausted": {calls(acquire, acquire, acquire, acquire), calls(acquire, acquire, release, release), calls(spend, spend, refill)},
		},
		build: func(broken string) *machine {
			m := &machine{
				step:  func(s *state, t int, c call) effect { return leaseStep(s, t, c, broken) },
				check: conserved,
			}
			m.start.mem[budgetFree] = budgetTotal
			return m
		},
		broken: []string{"load and store for compare-and-swap", "give back and keep", "refill twice", "keep all that is released", "spending is never reported"},
	}.run(t)
}

// conserved is Budget's invariant.
func conserved(s *state) string {
	sum := s.mem[budgetFree] + s.mem[budgetSpent]
	for _, r := range s.reg {
		sum += r[leaseIdle] + r[leaseHeld] + r[leaseSpent] + r[leaseMoving]
		if r[leaseIdle] > leaseBatch {
			return "more than a batch is idle"
		}
		if r[leaseSpent] > leaseBatch+1 {
			return "more than a batch is spent and not reported"
		}
	}
	if sum != budgetTotal || s.mem[budgetFree] < 0 {
		return "tokens were made or lost"
	}
	return ""
}

// refused is the bound of the error: what the other leases have idle, or spent and not reported, is all that is missing.
func refused(s *state, t int) effect {
	missing := int16(budgetTotal) - s.mem[budgetSpent]
	for other, r := range s.reg {
		missing -= r[leaseHeld] + r[leaseMoving]
		if other == t {
			missing -= r[leaseSpent]
		}
	}
	if missing > 2*(leaseBatch+1) {
		return effect{fault: "refused with more left than the others can have"}
	}
	return effect{done: true}
}

func leaseStep(s *state, t int, c call, broken string) effect {
	r := &s.reg[t]
	switch c.op {
	case "release":
		return leaseRelease(s, t, broken)
	case "settle":
		if s.pc[t]++; s.pc[t] == 1 {
			s.mem[budgetFree] += r[leaseIdle]
			r[leaseIdle] = 0
			return effect{}
		}
		s.mem[budgetSpent] += r[leaseSpent]
		r[leaseSpent] = 0
		return effect{done: true}
	case "refill":
		return leaseRefill(s, t, broken)
	}
	kind := leaseHeld
	if c.op == "spend" {
		kind = leaseSpent
	}
	switch s.pc[t] {
	case 0:
		s.pc[t] = 1
		if r[leaseIdle] > 0 {
			r[leaseIdle]--
			r[kind]++
			return effect{done: true}
		}
	case 1:
		s.pc[t] = 2
		if broken != "spending is never reported" {
			s.mem[budgetSpent] += r[leaseSpent]
			r[leaseSpent] = 0
		}
	case 2:
		r[leaseSeen] = s.mem[budgetFree]
		s.pc[t] = 3
		if r[leaseSeen] < 1 {
			return refused(s, t)
		}
	default:
		if s.mem[budgetFree] != r[leaseSeen] && broken != "load and store for compare-and-swap" {
			s.pc[t] = 2
			return effect{}
		}
		n := 1 + min(leaseBatch, (r[leaseSeen]-1)/2)
		s.mem[budgetFree] = r[leaseSeen] - n
		r[leaseIdle] += n - 1
		r[kind]++
		return effect{done: true}
	}
	return effect{}
}

func leaseRelease(s *state, t int, broken string) effect {
	r := &s.reg[t]
	switch s.pc[t] {
	case 0:
		if r[leaseHeld] == 0 { // the acquire was refused
			return effect{done: true}
		}
		// The token comes to idle in the step that looks whether there are too many: nobody sees it between.
		r[leaseHeld]--
		r[leaseIdle]++
		keep := r[leaseIdle]
		switch {
		case s.mem[budgetFree] <= 0:
			keep = 0
		case r[leaseIdle] > leaseBatch && broken != "keep all that is released":
			keep = leaseBatch / 2
		}
		// What goes back is on its way until the next step.
		r[leaseMoving] = r[leaseIdle] - keep
		r[leaseIdle] = keep
		s.pc[t] = 1
		return effect{done: r[leaseMoving] == 0}
	default:
		s.mem[budgetFree] += r[leaseMoving]
		if broken != "give back and keep" {
			r[leaseMoving] = 0
		}
		return effect{done: true}
	}
}

func leaseRefill(s *state, t int, broken string) effect {
	r := &s.reg[t]
	switch s.pc[t] {
	case 0:
		r[leaseSeen] = s.mem[budgetSpent]
		s.pc[t] = 1
		return effect{done: r[leaseSeen] == 0}
	case 1:
		if s.mem[budgetSpent] != r[leaseSeen] {
			s.pc[t] = 0
			return effect{}
		}
		s.mem[budgetSpent]--
		r[leaseMoving] = 1
		s.pc[t] = 2
		return effect{}
	default:
		s.mem[budgetFree] += r[leaseMoving]
		if broken == "refill twice" {
			s.mem[budgetFree]++
		}
		r[leaseMoving] = 0
		return effect{done: true}
	}
}
