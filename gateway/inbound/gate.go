package inbound

import (
	"github.com/ringway/ringway/conn"
)

// Gate is what a listener accepts from on one loop: its sockets, and this loop's share of the bound on connections. Sockets come
// and go while connections that came by them stay. It belongs to its loop.
type Gate struct {
	n       *conn.Net
	accept  func(*Door, *conn.Conn)
	doors   []*Door
	past    []*Door // that are closed, and may have accepted more than there was room for
	share   int     // connections open at a time
	conns   int
	stale   int  // those of them whose door is closed
	changed bool // the share, or the doors

	paused, capped uint64 // counted by doors that are closed
}

// Door is one socket of a Gate, or none for connections that were taken out of a queue on the way.
type Door struct {
	gate   *Gate
	ln     *conn.Listener // nil: it is shut for want of room, or has no socket
	socket Socket
	bound  int // that ln was made with
	max    int // that holds: ln is told of more releases than there were to let it have more
	closed bool
}

// Socket is a listening socket as one loop has it.
type Socket struct {
	ID      uint64 // of the socket, whichever of its descriptors
	Fd      int    // this loop's own
	Address string // as it was configured
}

// NewGate makes a gate without sockets. accept gets each connection, and Door.Release has to hear of its end.
func NewGate(n *conn.Net, accept func(*Door, *conn.Conn)) *Gate {
	return &Gate{n: n, accept: accept}
}

// Open accepts from another socket, whose descriptor is the gate's from then on. Bound has to follow.
func (g *Gate) Open(s Socket) {
	g.doors, g.changed = append(g.doors, &Door{gate: g, socket: s}), true
}

// Remove stops accepting from a socket. What waits in its queue stays there, if somebody else has a descriptor of it. Bound has
// to follow.
func (g *Gate) Remove(id uint64) {
	for i, d := range g.doors {
		if d.socket.ID == id {
			g.close(d)
			g.doors, g.changed = append(g.doors[:i:i], g.doors[i+1:]...), true
			return
		}
	}
}

// Bound sets how many connections may be open at a time. Those that are stay; a bound that is lower holds when enough of them
// have gone.
func (g *Gate) Bound(share int) {
	g.changed = g.changed || share != g.share
	if g.share = share; g.changed {
		g.changed = false
		g.lower()
	}
	g.raise()
}

// Close stops accepting.
func (g *Gate) Close() {
	for _, d := range g.doors {
		g.close(d)
	}
	g.doors = nil
	for _, d := range g.past { // whoever was accepted is served
		for d.ln.Conns() >= d.bound {
			d.ln.Release()
		}
	}
	g.past = nil
}

// Adopt takes a connection that somebody else accepted.
func (g *Gate) Adopt(fd int32, unix bool) {
	g.accept(g.Enter(), conn.New(g.n, fd, unix))
}

// Enter counts a connection that came by none of the gate's sockets.
func (g *Gate) Enter() *Door {
	g.conns++
	g.stale++
	return &Door{gate: g, closed: true}
}

// Conns is how many connections are open.
func (g *Gate) Conns() int { return g.conns }

// Waits is how often accepting paused for lack of descriptors or memory, and stopped at the bound.
func (g *Gate) Waits() (paused, capped uint64) {
	paused, capped = g.paused, g.capped
	for _, d := range g.doors {
		if d.ln != nil {
			paused, capped = paused+d.ln.Paused, capped+d.ln.Capped
		}
	}
	return paused, capped
}

// Accept takes a connection from the listener.
func (d *Door) Accept(c *conn.Conn) {
	d.gate.conns++
	if d.closed {
		d.gate.stale++
	}
	d.gate.accept(d, c)
}

// Release says that a connection has been closed.
func (d *Door) Release() {
	g := d.gate
	g.conns--
	if !d.closed {
		d.ln.Release()
		return
	}
	g.stale--
	g.raise()
}

// room is how many connections each door may have open. Those whose door is closed take part of the share, and there may be
// nothing left of it; of what is there every door gets some, lest its queue be forgotten.
func (g *Gate) room() int {
	left := g.share - g.stale
	if left <= 0 {
		return 0
	}
	return max(left/max(len(g.doors), 1), 1)
}

// Renew begins to accept from a socket anew, which looks into its queue: whoever shared it and has left may have been told of a
// connection and not taken it. Bound has to follow.
func (g *Gate) Renew(id uint64) {
	for i, d := range g.doors {
		if d.socket.ID == id && d.ln != nil {
			g.replace(i)
		}
	}
}

// RenewAll is Renew for every socket, because another process that had them has left.
func (g *Gate) RenewAll() {
	for i, d := range g.doors {
		if d.ln != nil {
			g.replace(i)
		}
	}
	g.raise()
}

// lower replaces each door that has more than its part now: a listener keeps the bound that it was made with.
func (g *Gate) lower() {
	part := max(g.share/max(len(g.doors), 1), 1)
	for i, d := range g.doors {
		if d.ln != nil && d.max > part {
			g.replace(i)
		}
	}
}

// replace closes a door and puts another one in its place, which is shut yet.
func (g *Gate) replace(i int) {
	s, err := g.doors[i].socket, error(nil)
	if s.Fd, err = g.n.Loop.Sockets().Dup(s.Fd); err != nil { // no descriptor is free: it stays as it is
		g.n.Loop.Log().Warn("cannot change the bound of connections", "address", s.Address, "err", err)
		return
	}
	g.close(g.doors[i])
	g.doors[i] = &Door{gate: g, socket: s}
}

// raise gives what room there is: first to connections that closed doors have accepted and could not give out, then to the
// doors, in equal parts.
func (g *Gate) raise() {
	for len(g.past) > 0 && g.conns < g.share {
		if d := g.past[0]; d.ln.Conns() >= d.bound {
			d.ln.Release() // it gives one out, if it has one
		} else {
			g.past = g.past[1:]
		}
	}
	room := g.room()
	for _, d := range g.doors {
		switch {
		case d.ln == nil && room > 0:
			d.bound, d.max = room, room
			d.ln = conn.Listen(g.n, d.socket.Fd, conn.ListenConfig{Address: d.socket.Address, MaxConns: room}, d)
		case d.ln != nil:
			for ; d.max < room; d.max++ {
				d.ln.Release()
			}
		}
	}
}

// close ends a door. Its connections stay.
func (g *Gate) close(d *Door) {
	d.closed = true
	if d.ln == nil {
		_ = g.n.Loop.Sockets().Close(d.socket.Fd)
		return
	}
	g.stale += d.ln.Conns() + d.max - d.bound
	g.past = append(g.past, d)
	g.paused, g.capped = g.paused+d.ln.Paused, g.capped+d.ln.Capped
	d.ln.Close()
}
