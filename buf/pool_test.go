package buf

import "testing"

func TestPoolBoundsAndReuse(t *testing.T) {
	p := NewPool(4096, 3)
	defer p.Close()
	a, b, c := p.Get(), p.Get(), p.Get()
	if a == nil || b == nil || c == nil || p.Get() != nil {
		t.Fatal("a pool of three hands out three blocks and no fourth")
	}
	if p.InUse() != 3 {
		t.Fatalf("InUse = %d, want 3", p.InUse())
	}
	b.Put()
	if got := p.Get(); got != b {
		t.Fatal("the block put last is not the next one out")
	}
	if &a.Bytes[:cap(a.Bytes)][cap(a.Bytes)-1] == &b.Bytes[0] || cap(a.Bytes) != 4096 {
		t.Fatal("blocks overlap")
	}
}

func TestPutTwicePanics(t *testing.T) {
	p := NewPool(64, 1)
	defer p.Close()
	b := p.Get()
	b.Put()
	defer func() {
		if recover() == nil {
			t.Fatal("the second Put went unnoticed")
		}
	}()
	b.Put()
}

func TestPoison(t *testing.T) {
	Poison = true
	defer func() { Poison = false }()
	p := NewPool(64, 1)
	defer p.Close()
	b := p.Get()
	b.Bytes[5] = 1
	b.Put()
	if b.Bytes[5] != poison {
		t.Fatal("a released block kept its bytes")
	}
}

func TestTrimKeepsBlocksUsable(t *testing.T) {
	p := NewPool(64<<10, 32)
	defer p.Close()
	var all []*Block
	for b := p.Get(); b != nil; b = p.Get() {
		for i := range b.Bytes {
			b.Bytes[i] = 7
		}
		all = append(all, b)
	}
	for _, b := range all {
		b.Put()
	}
	p.Trim() // marks: all were used since the start
	p.Trim() // drops: none was used since the first
	middle := all[3].Bytes[8192]
	if middle != 0 {
		t.Fatalf("page was not dropped, byte = %d", middle)
	}
	for _, b := range all {
		b.Bytes[0] = 1
	}
}

func TestGetPutAllocatesNothing(t *testing.T) {
	p := NewPool(4096, 8)
	defer p.Close()
	p.Get().Put()
	if n := testing.AllocsPerRun(100, func() { p.Get().Put() }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
