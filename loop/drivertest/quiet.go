package drivertest

import (
	"bytes"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

func (k *kit) quiet(fd int, data []byte) *probe {
	return k.start(loop.Op{Code: loop.OpSend, FD: int32(fd), Buf: data, Quiet: true})
}

// quietSend: the success comes with the next other event at the latest, and at once after Hurry.
func quietSend(k *kit) {
	fd, peer := k.tcpPair()
	p := k.quiet(fd, []byte("hello"))
	k.d.Hurry()
	began := time.Now()
	k.turn(patience)
	if !p.ended || p.last().N != 5 {
		k.Fatalf("after Hurry and a turn: %+v", p.results)
	}
	if time.Since(began) > patience/2 {
		k.Fatal("Hurry did not end the wait")
	}
	if got := string(k.read(peer, 5)); got != "hello" {
		k.Fatalf("peer got %q", got)
	}
	k.again(p)
	k.turn(0)
	k.want(p, 5)
	other, otherPeer := k.pair()
	r := k.recv(other, true)
	k.again(p)
	k.write(otherPeer, "x")
	k.turn(patience)
	k.wantData(r, "x")
	k.want(p, 5)
	if got := string(k.read(peer, 10)); got != "hellohello" {
		k.Fatalf("peer got %q", got)
	}
}

// quietFull: a socket without room makes a quiet send wait and continue like any other.
func quietFull(k *kit) {
	fd, peer := k.pair()
	data := pattern(64 << 10)
	var sent []int // every send starts the pattern anew, and a short one ends early
	var p *probe
	for {
		p = k.quiet(fd, data)
		k.settle()
		if !p.ended {
			break
		}
		if p.last().N <= 0 {
			k.Fatalf("quiet send: %d", p.last().N)
		}
		if sent = append(sent, int(p.last().N)); len(sent) > 1000 {
			k.Fatal("the socket takes everything")
		}
	}
	k.wantNone(p)
	for i, n := range sent {
		if !bytes.Equal(k.read(peer, n), data[:n]) {
			k.Fatalf("send %d brought other bytes", i)
		}
	}
	r := k.end(p)
	if r.N <= 0 || !bytes.Equal(k.read(peer, int(r.N)), data[:r.N]) {
		k.Fatalf("the send that waited brought other bytes: %d", r.N)
	}
}

func quietBroken(k *kit) {
	fd, peer := k.pair()
	k.closeNow(peer)
	p := k.quiet(fd, []byte("hello"))
	k.want(p, -sys.EPIPE)
}

func quietCancel(k *kit) {
	fd, _ := k.pair()
	data := pattern(64 << 10)
	p := k.quiet(fd, data)
	for k.settle(); p.ended; k.settle() {
		p = k.quiet(fd, data)
	}
	if r := k.cancel(p); r.N != -sys.ECANCELED {
		k.Fatalf("result is %d, want -ECANCELED", r.N)
	}
	q := k.quiet(fd, data) // and before the kernel has seen it
	if r := k.cancel(q); r.N != -sys.ECANCELED && r.N != -sys.EAGAIN {
		k.Fatalf("result is %d, want -ECANCELED", r.N)
	}
}

// quietMany submits more quiet sends than the queue holds; each has its one result.
func quietMany(k *kit) {
	fds, peers := make([]int, 50), make([]int, 50)
	for i := range fds {
		fds[i], peers[i] = k.pair()
	}
	for range 3 {
		var all []*probe
		for _, fd := range fds {
			all = append(all, k.quiet(fd, []byte("x")))
		}
		k.d.Hurry()
		for _, p := range all {
			k.want(p, 1)
		}
	}
	for _, peer := range peers {
		if got := string(k.read(peer, 3)); got != "xxx" {
			k.Fatalf("peer got %q", got)
		}
	}
}
