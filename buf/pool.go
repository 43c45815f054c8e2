package buf

import (
	"fmt"
	"os"
	"syscall"
)

const (
	poison    = 0xDB
	chunkSize = 1 << 20
	// stagger is added to a block's distance to the next, so that the first bytes of blocks do not all fall into one
	// set of the processor's caches.
	stagger = 64
)

// Poison makes every Put overwrite the block. Tests switch it on before they start a loop.
var Poison bool

// Block is a buffer of a pool's size. Bytes is the whole of it, Len says how much of it holds data.
type Block struct {
	Bytes []byte
	Len   int
	id    uint32
	out   bool // handed out
	dirty bool // its pages may be resident
	pool  *Pool
}

// Data is the part of the block that holds data.
func (b *Block) Data() []byte { return b.Bytes[:b.Len] }

// ID numbers the blocks of a pool from nought.
func (b *Block) ID() uint32 { return b.id }

// Put gives the block back to its pool.
func (b *Block) Put() { b.pool.put(b) }

// Pool is a bounded set of blocks of one size. Memory is mapped a chunk at a time when it is first needed.
type Pool struct {
	size, stride int
	limit        int
	blocks       []*Block
	free         []*Block // last in, first out: the warmest block is used next
	chunks       [][]byte
	low          int // fewest free blocks since the last Trim
}

// NewPool makes a pool of at most limit blocks of size bytes.
func NewPool(size, limit int) *Pool {
	return &Pool{size: size, stride: size + stagger, limit: limit}
}

// Size is the size of a block in bytes.
func (p *Pool) Size() int { return p.size }

// InUse is the number of blocks that are handed out.
func (p *Pool) InUse() int { return len(p.blocks) - len(p.free) }

// Len is the number of blocks made so far.
func (p *Pool) Len() int { return len(p.blocks) }

// Block gives the block with the given id.
func (p *Pool) Block(id uint32) *Block { return p.blocks[id] }

// Get hands out a block with Len 0, or nil when the pool's limit is reached or no memory is left.
func (p *Pool) Get() *Block {
	if len(p.free) == 0 && !p.grow() {
		return nil
	}
	n := len(p.free) - 1
	b := p.free[n]
	p.free = p.free[:n]
	if n < p.low {
		p.low = n
	}
	b.out, b.dirty, b.Len = true, true, 0
	return b
}

func (p *Pool) put(b *Block) {
	if !b.out {
		panic(fmt.Sprintf("buf: block %d put twice", b.id))
	}
	b.out = false
	if Poison {
		for i := range b.Bytes {
			b.Bytes[i] = poison
		}
	}
	p.free = append(p.free, b)
}

func (p *Pool) grow() bool {
	n := min(max(chunkSize/p.stride, 1), p.limit-len(p.blocks))
	if n <= 0 {
		return false
	}
	mem, err := syscall.Mmap(-1, 0, n*p.stride, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANONYMOUS)
	if err != nil {
		return false
	}
	p.chunks = append(p.chunks, mem)
	made := make([]Block, n)
	for i := range made {
		off := i * p.stride
		made[i] = Block{Bytes: mem[off : off+p.size : off+p.size], id: uint32(len(p.blocks)), pool: p}
		p.blocks = append(p.blocks, &made[i])
	}
	for i := n - 1; i >= 0; i-- {
		p.free = append(p.free, &made[i])
	}
	return true
}

// Trim gives the memory of blocks that were not needed since the last Trim back to the kernel; the blocks stay.
func (p *Pool) Trim() {
	page := os.Getpagesize()
	for _, b := range p.free[:min(p.low, len(p.free))] {
		if b.dirty && dropPages(p.chunks, b.Bytes, page) {
			b.dirty = false
		}
	}
	p.low = len(p.free)
}

// dropPages releases the whole pages inside mem; the ragged ends stay, since neighbours share them.
func dropPages(chunks [][]byte, mem []byte, page int) bool {
	for _, c := range chunks {
		off, ok := offsetIn(c, mem)
		if !ok {
			continue
		}
		from := (off + page - 1) / page * page
		to := (off + len(mem)) / page * page
		return from >= to || syscall.Madvise(c[from:to], syscall.MADV_DONTNEED) == nil
	}
	return false
}

// Close unmaps everything. No block may be used afterwards.
func (p *Pool) Close() error {
	var first error
	for _, c := range p.chunks {
		if err := syscall.Munmap(c); err != nil && first == nil {
			first = os.NewSyscallError("munmap", err)
		}
	}
	*p = Pool{size: p.size, stride: p.stride}
	return first
}
