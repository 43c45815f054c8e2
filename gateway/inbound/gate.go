package inbound

import (
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
)

// Gate is what a listener accepts from on one loop: its sockets, and this loop's share of the bound on connections. Sockets come
// and go while connections that came by them stay. It belongs to its loop.
type Gate struct {
	n       *conn.Net
	accept  func(*Door, *conn.Conn)
	doors   []*Door
	share   int // connections open at a time
	conns   int
	stale   int  // those of them whose door is gone
	changed bool // the share, or the doors

	paused, capped uint64 // counted by doors that are gone
}

// Door is one socket of a Gate, or none for connections that were taken out of a queue on the way.
type Door struct {
	gate    *Gate
	ln      *conn.Listener // nil: none
	socket  Socket
	max     int
	removed bool
	forget  loop.Op
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

// Bound sets how many connections may be open at a time.
func (g *Gate) Bound(share int) {
	g.changed = g.changed || share != g.share
	g.share = share
	g.settle()
}

// Remove stops accepting from a socket. What waits in its queue stays there, if somebody else has a descriptor of it. Bound has to
// follow.
func (g *Gate) Remove(id uint64) {
	for i, d := range g.doors {
		if d.socket.ID == id {
			g.close(d)
			g.doors, g.changed = append(g.doors[:i:i], g.doors[i+1:]...), true
			return
		}
	}
}

// Close stops accepting.
func (g *Gate) Close() {
	for _, d := range g.doors {
		g.close(d)
	}
	g.doors = nil
}

// Adopt takes a connection that somebody else accepted.
func (g *Gate) Adopt(fd int32, unix bool) {
	g.accept(g.Enter(), conn.New(g.n, fd, unix))
}

// Enter counts a connection that came by none of the gate's sockets.
func (g *Gate) Enter() *Door {
	g.conns++
	g.stale++
	return &Door{gate: g, removed: true}
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
	if d.removed {
		d.gate.stale++ // it was accepted while the door closed
	}
	d.gate.accept(d, c)
}

// Release says that a connection has been closed.
func (d *Door) Release() {
	g := d.gate
	g.conns--
	if d.ln != nil {
		d.ln.Release()
	}
	if d.removed {
		g.stale--
		g.loosen()
	}
}

// room is how many connections one door may have open. What came by doors that are gone takes part of the share.
func (g *Gate) room() int { return max((g.share-g.stale)/max(len(g.doors), 1), 1) }

// settle opens the doors anew after the share or their number has changed: a listener keeps the bound that it began with.
func (g *Gate) settle() {
	if !g.changed {
		return
	}
	g.changed = false
	next := make([]int, len(g.doors)) // descriptors
	for i, d := range g.doors {
		if next[i] = d.socket.Fd; d.ln != nil {
			next[i] = g.again(d)
		}
	}
	for i, d := range g.doors {
		if d.ln != nil && next[i] >= 0 {
			g.close(d)
		}
	}
	room := g.room()
	for i, d := range g.doors {
		if next[i] >= 0 {
			g.doors[i] = g.open(d.socket, next[i], room)
		}
	}
}

// again gives another descriptor of a door's socket, or -1 when none is free: then the door stays as it is.
func (g *Gate) again(d *Door) int {
	fd, err := g.n.Loop.Sockets().Dup(d.socket.Fd)
	if err != nil {
		g.n.Loop.Log().Warn("cannot change the bound of connections", "address", d.socket.Address, "err", err)
		return -1
	}
	return fd
}

func (g *Gate) open(s Socket, fd, room int) *Door {
	s.Fd = fd
	d := &Door{gate: g, socket: s, max: room}
	d.ln = conn.Listen(g.n, fd, conn.ListenConfig{Address: s.Address, MaxConns: room}, d)
	return d
}

// loosen lets doors that are full have more, when enough of the connections before them have gone.
func (g *Gate) loosen() {
	for i, d := range g.doors {
		if d.ln == nil || d.ln.Conns() < d.max {
			continue
		}
		if room := g.room(); room > d.max && (g.stale == 0 || room >= 2*d.max) {
			if fd := g.again(d); fd >= 0 {
				g.close(d)
				g.doors[i] = g.open(d.socket, fd, g.room())
			}
		}
	}
}

// close ends a door. Its connections stay.
func (g *Gate) close(d *Door) {
	if d.ln == nil {
		_ = g.n.Loop.Sockets().Close(d.socket.Fd)
		return
	}
	d.removed = true
	g.stale += d.ln.Conns()
	g.paused, g.capped = g.paused+d.ln.Paused, g.capped+d.ln.Capped
	// Others have descriptors of the same socket, so that closing this one does not end epoll's interest in it by itself. It comes
	// before the close; what the listener has in flight is cancelled by then.
	d.forget = loop.Op{Code: loop.OpForget, FD: int32(d.socket.Fd), Done: d}
	g.n.Loop.Submit(&d.forget)
	d.ln.Close()
}

// Complete has nothing to say of a descriptor that was forgotten.
func (d *Door) Complete(*loop.Op, loop.Result) {}
