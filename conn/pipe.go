package conn

import "github.com/ringway/ringway/sys"

// pipeSize is the room asked for: one splice then moves up to a mebibyte.
const pipeSize = 1 << 20

// pipe is a kernel pipe that splice moves bytes through.
type pipe struct {
	r, w int
	room int
	held int // bytes inside
}

// pipes keeps idle pipes of a loop.
type pipes struct {
	idle  []*pipe
	limit int
	inUse int
	low   int
}

func (p *pipes) get() (*pipe, error) {
	p.inUse++
	if n := len(p.idle) - 1; n >= 0 {
		q := p.idle[n]
		p.idle = p.idle[:n]
		p.low = min(p.low, n)
		return q, nil
	}
	r, w, room, err := sys.Pipe(pipeSize)
	if err != nil {
		p.inUse--
		return nil, err
	}
	return &pipe{r: r, w: w, room: room}, nil
}

// put keeps an empty pipe for the next user; one that still holds bytes is closed.
func (p *pipes) put(q *pipe) {
	p.inUse--
	if q.held > 0 || len(p.idle) >= p.limit {
		q.close()
		return
	}
	p.idle = append(p.idle, q)
}

func (q *pipe) close() {
	_ = sys.Close(q.r)
	_ = sys.Close(q.w)
}

// trim closes the pipes that were not needed since the last trim.
func (p *pipes) trim() {
	n := min(p.low, len(p.idle))
	for _, q := range p.idle[:n] {
		q.close()
	}
	p.idle = append(p.idle[:0], p.idle[n:]...)
	p.low = len(p.idle)
}
