package drivertest

import (
	"fmt"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// lendAll takes both buffers and gives the blocks' results.
func (k *kit) lendAll() [2]loop.Result {
	k.Helper()
	var out [2]loop.Result
	for i := range out {
		fd, peer := k.pair()
		k.write(peer, "held")
		out[i] = k.want(k.recv(fd, false), 4)
	}
	if s := k.d.Stats(); s.Lent != 2 {
		k.Fatalf("%d buffers are lent, want 2", s.Lent)
	}
	return out
}

func buffersRunOut(k *kit) {
	held := k.lendAll()
	fd, peer := k.pair()
	k.write(peer, "third")
	p := k.recv(fd, false)
	k.wantNone(p)
	if k.d.Stats().Starved == 0 {
		k.Fatal("a receive waits for a buffer, but is not counted")
	}
	for _, r := range held {
		if string(r.Block.Data()) != "held" {
			k.Fatalf("a lent buffer was overwritten: %q", r.Block.Data())
		}
	}
	k.d.Return(held[0].Block)
	k.wantData(p, "third")
	k.d.Return(held[1].Block)

	held = k.lendAll() // many are served in turn, one buffer at a time
	k.d.Return(held[0].Block)
	served := 0
	for i := range 20 {
		fd, peer := k.pair()
		k.write(peer, fmt.Sprintf("%02d", i))
		k.recv(fd, i%2 == 0).then = func(r loop.Result) {
			if r.N != 2 || string(r.Block.Data()) != fmt.Sprintf("%02d", i) {
				k.Errorf("receive %d gave %d", i, r.N)
			}
			k.d.Return(r.Block)
			served++
		}
	}
	k.until("all receives", func() bool { return served == 20 })
	k.d.Return(held[1].Block)
}

func buffersRunOutCancelled(k *kit) {
	held := k.lendAll()
	var all []*probe
	for range 4 {
		fd, peer := k.pair()
		k.write(peer, "data")
		all = append(all, k.recv(fd, false))
	}
	k.settle()
	for _, p := range all[:3] {
		if r := k.cancel(p); r.N != -sys.ECANCELED {
			k.Fatalf("a cancelled receive gave %d", r.N)
		}
	}
	k.wantNone(all[3])
	k.d.Return(held[0].Block)
	k.wantData(all[3], "data")
	for _, p := range all[:3] { // what the cancelled ones did not take is still there
		k.again(p)
		k.wantData(p, "data")
	}
	k.d.Return(held[1].Block)
}

// buffersLeftUnused starves receives that have nothing to receive before one that has: the buffer that comes back must
// find its way past them, although no other comes back.
func buffersLeftUnused(k *kit) {
	held := k.lendAll()
	var idle []*probe
	for range 3 {
		fd, _ := k.pair()
		idle = append(idle, k.recv(fd, false))
	}
	ended, endedPeer := k.pair()
	k.closeNow(endedPeer)
	end := k.recv(ended, false)
	cancelledFD, cancelledPeer := k.pair()
	k.write(cancelledPeer, "x")
	cancelled := k.recv(cancelledFD, false)
	fd, peer := k.pair()
	k.write(peer, "served")
	p := k.recv(fd, false)
	k.wantNone(p)
	k.d.Return(held[0].Block)
	k.d.Cancel(&cancelled.op)
	k.wantData(p, "served")
	k.want(end, 0)
	if r := k.end(cancelled); r.Block != nil {
		k.d.Return(r.Block)
	}
	for _, p := range idle {
		k.cancel(p)
	}
	k.d.Return(held[1].Block)
}

// manyOps submits 200 operations in one turn to a queue of eight.
func manyOps(k *kit) {
	var recvs, sends []*probe
	for range 100 {
		a, b := k.pair()
		k.check(k.net.SetNonblock(b, k.d.NonBlocking()))
		recvs = append(recvs, k.recv(a, false))
		sends = append(sends, k.start(loop.Op{Code: loop.OpSend, FD: int32(b), Buf: []byte(fmt.Sprintf("%03d", len(sends)))}))
	}
	if n := k.d.Stats().InFlight; n != 200 {
		k.Fatalf("%d operations are in flight, want 200", n)
	}
	for i := range recvs {
		k.want(sends[i], 3)
		k.wantData(recvs[i], fmt.Sprintf("%03d", i))
	}
}

func manyCancels(k *kit) {
	var all []*probe
	for range 200 {
		fd, _ := k.pair()
		all = append(all, k.recv(fd, false))
	}
	k.settle()
	for _, p := range all {
		k.d.Cancel(&p.op)
	}
	for _, p := range all {
		k.want(p, -sys.ECANCELED)
	}
}

// manyResults lets far more operations complete between two Reaps than a queue of eight has room for.
func manyResults(k *kit) {
	var peers []int
	var all []*probe
	for range 200 {
		fd, peer := k.pair()
		peers = append(peers, peer)
		all = append(all, k.recv(fd, true))
	}
	k.settle()
	for i, peer := range peers {
		k.write(peer, fmt.Sprintf("%03d", i))
	}
	for range 5 {
		k.check(k.d.Wait(0))
	}
	for i, p := range all {
		k.wantData(p, fmt.Sprintf("%03d", i))
	}
}
