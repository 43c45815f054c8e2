package loop

// Pace lets a number of tasks through in each turn of the loop, those that came first before the others, so that many that
// begin something costly at once take turns with what else the loop has to do. For as long as anybody waits, the loop does not
// rest.
type Pace struct {
	loop    *Loop
	quota   int
	share   int    // tasks run in the turn before that one more is let through for; nought: none is
	turn    uint64 // that let counts for
	let     int    // through in that turn
	q       waitq
	waiting bool // it is among the loop's
}

// NewPace makes one for tasks of l that lets quota of them, one at least, through in a turn.
func NewPace(l *Loop, quota int) *Pace { return NewSharedPace(l, quota, 0) }

// NewSharedPace makes one that lets one more through for each share of tasks that ran in the turn before, so that a busy loop,
// whose turns are long, has its part of the time left for those who wait; with nought it does not.
func NewSharedPace(l *Loop, quota, share int) *Pace {
	if quota < 1 || share < 0 {
		panic("loop: a Pace lets one task at least through in a turn")
	}
	return &Pace{loop: l, quota: quota, share: share}
}

// room is how many go through in this turn.
func (p *Pace) room() int {
	if p.share == 0 {
		return p.quota
	}
	return p.quota + int(p.loop.ran)/p.share
}

// Await returns when it is the task's turn, at once if there is room in this one. A task that is cancelled meanwhile gets the
// cause.
func (p *Pace) Await(t *Task) error {
	if p.turn != p.loop.stats.Ticks {
		p.turn, p.let = p.loop.stats.Ticks, 0
	}
	if p.let < p.room() && p.q.empty() {
		p.let++
		return nil
	}
	if !p.waiting {
		p.waiting = true
		p.loop.paces = append(p.loop.paces, p)
	}
	_, err := t.place.await(t, &p.q) // one that is cancelled when let through leaves its place in this turn empty
	return err
}

// letThrough begins a turn of each Pace that tasks wait for.
func (l *Loop) letThrough() {
	kept := l.paces[:0]
	for _, p := range l.paces {
		p.turn, p.let = l.stats.Ticks, 0
		for p.let < p.room() && p.q.grant() != nil {
			p.let++
		}
		if p.waiting = !p.q.empty(); p.waiting {
			kept = append(kept, p)
		}
	}
	clear(l.paces[len(kept):])
	l.paces = kept
}
