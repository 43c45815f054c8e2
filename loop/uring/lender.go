package uring

import (
	"math/bits"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
	ring "github.com/ringway/ringway/sys/uring"
)

// lender is a group of provided buffers: the kernel takes one when a receive has data.
type lender struct {
	group    uint16
	first    int // how many blocks are provided at first, and how many more when the kernel runs out
	ring     *ring.BufRing
	pool     *buf.Pool
	provided int    // blocks that the kernel holds
	target   int    // blocks that it should hold at rest
	added    bool   // the buffer ring has unpublished blocks
	starved  opList // receives that have data and found no buffer
}

// openLender registers a group of at most so many blocks. It provides none yet.
func openLender(r *ring.Ring, group uint16, size, blocks, first int) (*lender, error) {
	entries := 1 << bits.Len(uint(max(min(blocks, 1<<15), 2)-1))
	br, err := r.RegisterBufRing(group, entries)
	if err != nil {
		return nil, err
	}
	return &lender{group: group, first: first, ring: br, pool: buf.NewPool(size, min(blocks, entries)), target: first}, nil
}

// publish shows the kernel the blocks that were added.
func (b *lender) publish() {
	if b.added {
		b.ring.Publish()
		b.added = false
	}
}

// provide hands n more blocks to the kernel, as far as the pool has them.
func (b *lender) provide(n int) {
	for range n {
		block := b.pool.Get()
		if block == nil {
			return
		}
		b.ring.Add(block.Bytes, uint16(block.ID()))
		b.added = true
		b.provided++
	}
}

// owns reports whether block is one of the group's.
func (b *lender) owns(block *buf.Block) bool {
	id := block.ID()
	return int(id) < b.pool.Len() && b.pool.Block(id) == block
}

// takeBack puts a block into the pool, and provides it again if that is wanted.
func (b *lender) takeBack(block *buf.Block) {
	block.Put()
	if b.provided < b.target || !b.starved.empty() {
		b.provide(1)
	}
}

// feed lets as many starved receives try again as the kernel has buffers, and reports whether more are waiting although
// there are buffers.
func (b *lender) feed(push func(*loop.Op)) bool {
	for n := b.provided; n > 0 && !b.starved.empty(); n-- {
		push(b.starved.pop())
	}
	return b.provided > 0 && !b.starved.empty()
}

// trim lets what the kernel holds shrink as receives take it, and gives memory of idle blocks back.
func (b *lender) trim() {
	b.target = max(b.target/2, b.first)
	b.pool.Trim()
}

func (b *lender) close() {
	_ = b.ring.Close()
	_ = b.pool.Close()
}

// lenderOf is the group that an operation takes its buffers from.
func (d *Driver) lenderOf(op *loop.Op) *lender {
	if op.Code == loop.OpRecvmsg {
		return d.messages
	}
	return d.bytes
}

func (d *Driver) publish() {
	d.bytes.publish()
	d.messages.publish()
}
