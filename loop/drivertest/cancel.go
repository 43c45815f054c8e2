package drivertest

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// cancelBefore cancels what was submitted in the same turn.
func cancelBefore(k *kit) {
	fd, peer := k.pair()
	full, _ := k.pair()
	k.fill(full)
	lfd, _ := k.listen(8)
	for _, op := range []loop.Op{
		{Code: loop.OpRecv, FD: int32(fd)},
		{Code: loop.OpRecv, FD: int32(fd), PollFirst: true},
		{Code: loop.OpRecvmsg, FD: int32(fd)},
		{Code: loop.OpSend, FD: int32(full), Buf: []byte("x")},
		{Code: loop.OpAccept, FD: int32(lfd)},
		{Code: loop.OpPoll, FD: int32(fd), Events: sys.POLLIN},
	} {
		p := k.start(op)
		k.d.Cancel(&p.op)
		k.d.Cancel(&p.op) // twice is once
		k.want(p, -sys.ECANCELED)
		k.d.Cancel(&p.op) // and afterwards is never
		k.settle()
	}
	k.write(peer, "kept")
	k.wantData(k.recv(fd, false), "kept")
}

func cancelWaiting(k *kit) {
	fd, peer := k.pair()
	for _, pollFirst := range []bool{false, true} {
		p := k.recv(fd, pollFirst)
		k.wantNone(p)
		if r := k.cancel(p); r.N != -sys.ECANCELED {
			k.Fatalf("a cancelled receive gave %d", r.N)
		}
		k.again(p) // the record is free for the next
		k.wantNone(p)
		k.write(peer, "next")
		k.wantData(p, "next")
	}
	n := k.fill(fd)
	p := k.start(loop.Op{Code: loop.OpSend, FD: int32(fd), Buf: []byte("never sent")})
	k.wantNone(p)
	if r := k.cancel(p); r.N != -sys.ECANCELED {
		k.Fatalf("a cancelled send gave %d", r.N)
	}
	k.read(peer, n)
	k.want(k.start(loop.Op{Code: loop.OpSend, FD: int32(fd), Buf: []byte("sent")}), 4)
	if got := k.read(peer, 4); string(got) != "sent" {
		k.Fatalf("peer got %q", got)
	}
}

// cancelAfter cancels what has happened already, before and after its result was delivered.
func cancelAfter(k *kit) {
	fd, peer := k.pair()
	p := k.recv(fd, false)
	k.settle()
	k.write(peer, "data")
	k.check(k.d.Wait(time.Second))
	k.d.Cancel(&p.op)
	if r := k.end(p); r.N == -sys.ECANCELED {
		k.again(p) // then the bytes are still there
	}
	k.wantData(p, "data")
	k.d.Cancel(&p.op)
	k.again(p)
	k.wantNone(p) // the late cancel does not hit the next run

	// An operation cancels another of the same batch, whose record is then used again at once.
	other, otherPeer := k.pair()
	second := k.recv(other, false)
	p.then = func(r loop.Result) { k.d.Cancel(&second.op) }
	second.then = func(r loop.Result) {
		if r.Block != nil {
			k.d.Return(r.Block)
		}
		second.then = nil
		k.again(second)
	}
	k.settle()
	k.write(peer, "1")
	k.write(otherPeer, "2")
	k.until("both results", func() bool { return p.ended && second.then == nil })
	k.d.Return(p.last().Block)
	k.settle()
	k.d.Cancel(&second.op)
	if r := k.end(second); r.Block != nil {
		k.d.Return(r.Block)
	}
}

// cancelRandom receives a stream while receives are cancelled at every kind of moment.
func cancelRandom(k *kit) {
	fd, peer := k.pair()
	data := pattern(1 << 20)
	var writer sync.WaitGroup
	writer.Go(func() {
		rng := rand.New(rand.NewPCG(1, 2))
		for sent := 0; sent < len(data); {
			part := data[sent:min(sent+1+rng.IntN(3000), len(data))]
			n := k.send(peer, part)
			if n < len(part) {
				k.Errorf("wrote %d of %d bytes", n, len(part))
				return
			}
			sent += n
			if rng.IntN(8) == 0 {
				time.Sleep(20 * time.Microsecond)
			}
		}
	})
	rng := rand.New(rand.NewPCG(3, 4))
	got, cancelled := make([]byte, 0, len(data)), 0
	for deadline := time.Now().Add(patience); len(got) < len(data); {
		p := k.recv(fd, rng.IntN(2) == 0)
		for range rng.IntN(3) {
			k.turn(0)
		}
		if rng.IntN(3) == 0 {
			k.check(k.d.Wait(0)) // done, but not delivered
		}
		if rng.IntN(2) == 0 {
			k.d.Cancel(&p.op)
		}
		switch r := k.end(p); {
		case r.N > 0:
			got = append(got, r.Block.Data()...)
			k.d.Return(r.Block)
		case r.N == -sys.ECANCELED:
			cancelled++
		default:
			k.Fatalf("receive gave %d", r.N)
		}
		if k.probes = k.probes[:len(k.probes)-1]; time.Now().After(deadline) {
			k.Fatalf("received %d of %d bytes", len(got), len(data))
		}
	}
	writer.Wait()
	if !bytes.Equal(got, data) {
		k.Fatal("bytes were lost or changed")
	}
	if cancelled == 0 {
		k.Fatal("nothing was cancelled: the case tests nothing")
	}
}
