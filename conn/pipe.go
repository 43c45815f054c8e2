package conn

import (
	"github.com/ringway/ringway/loop"
)

// pipeSize is the room asked for: one splice then moves up to a mebibyte.
const pipeSize = 1 << 20

// pipe is a kernel pipe that splice moves bytes through.
type pipe struct {
	r, w int
	room int
	held int // bytes inside

	mark     int
	raised   *Conn      // the source whose low-water mark is raised
	patience loop.Timer // lowers it
	misses   int        // times in a row that it ran out
}

// raise makes src count as readable only when mark bytes are there, or patience is at its end.
func (q *pipe) raise(src *Conn, mark int) {
	if q.raised == nil || q.mark != mark {
		if src.n.sock.SetRcvLowat(int(src.fd), mark) != nil {
			q.misses = maxMisses
			return
		}
		q.raised, q.mark = src, mark
	}
	q.patience.Expirer = q
	src.n.Loop.StartTimer(&q.patience, lowWaterTime)
}

// lower undoes raise.
func (q *pipe) lower() {
	if q.raised != nil {
		q.raised.n.Loop.StopTimer(&q.patience)
		if !q.raised.gone {
			_ = q.raised.n.sock.SetRcvLowat(int(q.raised.fd), 1) // what there is counts from now on: the kernel wakes the wait
		}
		q.raised = nil
	}
}

// Expire takes what there is.
func (q *pipe) Expire(*loop.Timer) {
	q.misses++
	q.lower()
}

// pipes keeps idle pipes of a loop.
type pipes struct {
	idle  []*pipe
	limit int
	sock  loop.Sockets
	open  func(size int) (r, w, room int, err error)
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
	r, w, room, err := p.open(pipeSize)
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
		q.close(p.sock)
		return
	}
	p.idle = append(p.idle, q)
}

func (q *pipe) close(sock loop.Sockets) {
	_ = sock.Close(q.r)
	_ = sock.Close(q.w)
}

// trim closes the pipes that were not needed since the last trim.
func (p *pipes) trim() {
	n := min(p.low, len(p.idle))
	for _, q := range p.idle[:n] {
		q.close(p.sock)
	}
	p.idle = append(p.idle[:0], p.idle[n:]...)
	p.low = len(p.idle)
}
