package conn

import (
	"io"
	"time"
)

// RelayState is what of a relay its two connections do not tell.
type RelayState struct {
	Ended [2]bool   // the first, and the second, has ended, and the other was told
	Moved [2]uint64 // taken from the first for the second, and from the second for the first
}

// relayMove is a relay on its way to another loop or process.
type relayMove struct {
	done func(*Relay)
	left int // connections that have not left their loop yet
	away bool
}

// Detach brings the relay to rest and takes both connections out of the loop's care (Conn.Detach); then done is called, outside
// any task. It stops between two messages: bytes that arrive while it does are held by their connection, pipes are emptied first,
// and what a side is slow to take delays it. done is not called when the relay ends before, nor after Resume, which takes it back.
// After done, Close lets go of the connections without ending them.
func (r *Relay) Detach(done func(*Relay)) {
	if r.why != 0 || r.move != nil {
		return
	}
	r.move = &relayMove{done: done, left: len(r.flows)}
	r.l.StopTimer(&r.half)
	for i := range r.flows { // whatever a task waits for to come may wait as well
		if f := &r.flows[i]; f.active {
			f.pace.hurry()
		}
	}
	r.leave()
}

// hurry ends a splice's wait for more.
func (p *pace) hurry() {
	if p.rd != nil && p.timer.Active() {
		p.expired = true
		p.rd.wake()
	}
}

// leave takes the connections out once no task uses them.
func (r *Relay) leave() {
	m := r.move
	if m == nil || r.why != 0 || r.busy() || r.flows[0].src.detach != nil || m.away {
		return
	}
	r.l.StopTimer(&r.idle.timer)
	for i := range r.flows {
		if err := r.flows[i].src.Detach(r.left); err != nil {
			r.end(RelayStopped)
			return
		}
	}
}

// left is told of each connection that has left.
func (r *Relay) left(*Conn) {
	m := r.move
	if m == nil || r.why != 0 {
		return
	}
	if m.left--; m.left > 0 {
		return
	}
	for i := range r.flows {
		f := &r.flows[i]
		if err := f.src.rd.err; err != nil && err != io.EOF || f.src.wr.err != nil { // this is its end, here
			r.end(f.broken)
			return
		}
	}
	m.away = true
	m.done(r)
}

// Resume goes on after Detach.
func (r *Relay) Resume() {
	if r.why != 0 || r.move == nil {
		return
	}
	r.move = nil
	r.touch()
	for i := range r.flows {
		r.flows[i].src.Reattach()
	}
	r.goOn()
}

// goOn lets both directions pass on what is there, and wait for more.
func (r *Relay) goOn() {
	for i := range r.flows {
		f := &r.flows[i]
		if f.ended && !r.half.Active() && r.why == 0 {
			r.l.StartTimer(&r.half, halfCheck)
		}
		f.src.Watch(f)
		f.src.Multishot(true)
		f.Readable(f.src)
	}
}

// Close closes both descriptors after Detach, once somebody else has others of the same connections: the peers notice nothing.
// OnEnd is not called.
func (r *Relay) Close() {
	if r.move == nil || !r.move.away || r.done {
		return
	}
	r.why, r.done = RelayStopped, true
	for i := range r.flows {
		_ = r.flows[i].src.Close()
	}
}

// abandonMove takes the connections back because the relay ends.
func (r *Relay) abandonMove() {
	if r.move == nil {
		return
	}
	r.move = nil
	for i := range r.flows {
		r.flows[i].src.Reattach()
	}
}

// State is what has to go along with the connections.
func (r *Relay) State() (s RelayState) {
	for i := range r.flows {
		s.Ended[i], s.Moved[i] = r.flows[i].ended, r.flows[i].moved
	}
	return s
}

// Continue is Start for connections of a relay that was detached elsewhere.
func (r *Relay) Continue(a, b *Conn, idle time.Duration, s RelayState) {
	r.prepare(a, b, idle)
	for i := range r.flows {
		r.flows[i].ended, r.flows[i].moved = s.Ended[i], s.Moved[i]
	}
	r.goOn()
}
