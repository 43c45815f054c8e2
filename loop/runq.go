package loop

// runq is a ring of runnable tasks that grows as needed: it is bounded by the number of live tasks.
type runq struct {
	ring []*Task // power of two
	head uint32
	tail uint32
}

func (q *runq) len() int { return int(q.tail - q.head) }

func (q *runq) push(t *Task) {
	if int(q.tail-q.head) == len(q.ring) {
		q.grow()
	}
	q.ring[q.tail&uint32(len(q.ring)-1)] = t
	q.tail++
}

func (q *runq) pop() *Task {
	i := q.head & uint32(len(q.ring)-1)
	t := q.ring[i]
	q.ring[i] = nil
	q.head++
	return t
}

func (q *runq) grow() {
	n := make([]*Task, max(64, 2*len(q.ring)))
	for i := range q.len() {
		n[i] = q.ring[(q.head+uint32(i))&uint32(len(q.ring)-1)]
	}
	q.tail = uint32(q.len())
	q.head, q.ring = 0, n
}
