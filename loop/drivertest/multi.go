package drivertest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// stream collects what a multishot receive brings, returning each block at once.
func (k *kit) stream(fd int) (*probe, *[]byte) {
	p, got := &probe{op: loop.Op{FD: int32(fd)}, k: k}, new([]byte)
	k.into(p, got)
	return p, got
}

// into starts p as a multishot receive that adds what it brings to got.
func (k *kit) into(p *probe, got *[]byte) {
	p.op.Code, p.op.Multi = loop.OpRecv, true
	p.then = func(r loop.Result) {
		if r.Block != nil {
			*got = append(*got, r.Block.Data()...)
			k.d.Return(r.Block)
		}
	}
	k.probes = append(k.probes, p)
	k.again(p)
}

// multiEnds: what ends a stream is seen, also when it came together with data, however the receive has begun and however much it
// brings in a row.
func multiEnds(k *kit) {
	for _, size := range []int{100, shortBlocks.RecvSize, 40*shortBlocks.RecvSize + 4, 100*shortBlocks.RecvSize + 4} {
		for _, begins := range []string{"before", "later", "later, and polls first"} {
			for _, ends := range []string{"reset", "end", "end of a Unix socket"} {
				fd, peer := k.tcpPair()
				if ends == "end of a Unix socket" {
					fd, peer = k.pair()
				}
				p, got := &probe{k: k, op: loop.Op{FD: int32(fd), PollFirst: begins == "later, and polls first"}}, new([]byte)
				if begins == "before" {
					k.into(p, got)
					k.wantNone(p)
				}
				k.write(peer, string(pattern(size)))
				want := int32(0)
				if ends == "reset" {
					want = -sys.ECONNRESET
					k.check(k.net.SetLinger0(peer))
				}
				k.closeNow(peer)
				if begins != "before" {
					k.into(p, got)
				}
				k.until(fmt.Sprintf("a %s behind %d bytes, to a receive that began %s,", ends, size, begins), func() bool { return p.ended })
				if n := p.last().N; n != want || len(*got) != size {
					k.Fatalf("%s, began %s: received %d of %d bytes, and then %d", ends, begins, len(*got), size, n)
				}
			}
		}
	}
}

func multiGoesOn(k *kit) {
	fd, peer := k.tcpPair()
	p, got := k.stream(fd)
	for i, part := range []string{"one", "two", "three"} {
		k.write(peer, part)
		k.until("a part", func() bool { return len(p.results) == i+1 })
		if p.ended {
			k.Fatal("a multishot receive ended after a part")
		}
	}
	if string(*got) != "onetwothree" {
		k.Fatalf("received %q", *got)
	}
	k.check(k.net.Shutdown(peer, sys.SHUT_WR))
	k.want(p, 0)
}

func multiCancel(k *kit) {
	fd, peer := k.tcpPair()
	p, _ := k.stream(fd)
	k.write(peer, "before")
	k.until("the first part", func() bool { return len(p.results) > 0 })
	if r := k.cancel(p); r.N != -sys.ECANCELED {
		k.Fatalf("result is %d, want -ECANCELED", r.N)
	}
	k.write(peer, "after")
	k.wantData(k.recv(fd, false), "after")
}

// multiCancelRandom ends multishot receives at any moment of a stream; all bytes come, in order.
func multiCancelRandom(k *kit) {
	const total = 1 << 20
	data := pattern(total)
	fd, peer := k.tcpPair()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(9000))
			for out := rest[:n]; len(out) > 0; {
				m := k.net.Send(int32(peer), out, 0)
				if m < 0 {
					time.Sleep(100 * time.Microsecond)
					continue
				}
				out = out[m:]
			}
			rest = rest[n:]
		}
	}()
	var all []byte
	for len(all) < total {
		p, got := k.stream(fd)
		for range rand.IntN(4) {
			k.turn(time.Millisecond)
		}
		k.cancel(p)
		all = append(all, *got...)
	}
	<-sent
	if !bytes.Equal(all, data) {
		k.Fatal("other bytes came than were sent")
	}
}

func multiBuffersRunOut(k *kit) {
	fd, peer := k.pair()
	data := pattern(10*4096 + 7)
	k.write(peer, string(data))
	var held []loop.Result
	p := k.start(loop.Op{Code: loop.OpRecv, FD: int32(fd), Multi: true})
	p.then = func(r loop.Result) {
		if r.Block != nil {
			held = append(held, r)
		}
	}
	k.until("both buffers", func() bool { return len(held) == 2 })
	k.settle()
	var got []byte
	for len(got) < len(data) {
		k.until("a buffer", func() bool { return len(held) > 0 })
		got = append(got, held[0].Block.Data()...)
		k.d.Return(held[0].Block)
		held = held[1:]
	}
	if !bytes.Equal(got, data) {
		k.Fatal("other bytes came than were sent")
	}
	if p.ended {
		k.Fatal("a multishot receive ended for want of a buffer")
	}
	k.cancel(p)
}
