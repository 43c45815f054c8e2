package conn

import "github.com/ringway/ringway/loop"

// ReadCase is a connection in a loop.Select, ready when a read would not wait: bytes are there, or an end, or an error, or the
// read deadline has passed. It takes nothing. It may be used again after that.
type ReadCase struct {
	c      *Conn
	ticket loop.Ticket
}

var (
	_ loop.Case = (*ReadCase)(nil)
	_ loop.Case = (*PacketCase)(nil)
	_ loop.Case = (*AcceptCase)(nil)
)

// inOneSelect is what a second Select on the same thing is told.
const inOneSelect = "conn: a connection stands in one Select at a time"

// Readable gives a case that is ready when a read from c would not wait.
func Readable(c *Conn) *ReadCase { return &ReadCase{c: c} }

// Try is for Select.
func (r *ReadCase) Try(*loop.Task) bool { return r.c.rd.ready() }

// Enqueue is for Select.
func (r *ReadCase) Enqueue(k loop.Ticket) {
	if r.c.rd.sel != nil {
		panic(inOneSelect)
	}
	r.ticket, r.c.rd.sel = k, r
	r.c.rd.arm()
}

// Dequeue is for Select. The receive stays in flight: what it brings is held for the next read.
func (r *ReadCase) Dequeue() { r.c.rd.sel = nil }

// PacketCase is ReadCase for messages.
type PacketCase struct {
	c      *PacketConn
	ticket loop.Ticket
}

// Readable gives a case that is ready when ReadBatch would not wait.
func (c *PacketConn) Readable() *PacketCase { return &PacketCase{c: c} }

// Try is for Select.
func (p *PacketCase) Try(*loop.Task) bool { return p.c.in.ready() }

// Enqueue is for Select.
func (p *PacketCase) Enqueue(k loop.Ticket) {
	if p.c.in.sel != nil {
		panic(inOneSelect)
	}
	p.ticket, p.c.in.sel = k, p
	p.c.in.arm()
}

// Dequeue is for Select.
func (p *PacketCase) Dequeue() { p.c.in.sel = nil }
