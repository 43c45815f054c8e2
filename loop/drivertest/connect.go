package drivertest

import (
	"path/filepath"
	"syscall"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// socket opens an unconnected socket, set up for the driver.
func (k *kit) socket(family int) int {
	k.Helper()
	fd, err := k.net.StreamSocket(family, k.d.NonBlocking())
	k.check(err)
	return k.own(fd)
}

func (k *kit) connect(addr *sys.Sockaddr) *probe {
	k.Helper()
	return k.start(loop.Op{Code: loop.OpConnect, FD: int32(k.socket(addr.Family())), Addr: addr})
}

func connectOK(k *kit) {
	lfd, addr := k.listen(8)
	p := k.connect(addr)
	k.want(p, 0)
	accept := k.start(loop.Op{Code: loop.OpAccept, FD: int32(lfd)})
	k.until("the connection", func() bool { return len(accept.results) > 0 })
	served := k.own(int(accept.results[0].N))
	k.want(k.start(loop.Op{Code: loop.OpSend, FD: p.op.FD, Buf: []byte("hi")}), 2)
	k.wantData(k.recv(served, false), "hi")
	k.cancel(accept)
}

func connectRefused(k *kit) {
	lfd, addr := k.listen(8)
	k.closeNow(lfd)
	k.want(k.connect(addr), -sys.ECONNREFUSED)
}

// connectCancelled connects to a listener whose accept queue is full, so that no answer comes.
func connectCancelled(k *kit) {
	_, addr := k.listen(0)
	var p *probe
	for range 16 {
		p = k.connect(addr)
		k.settle()
		if !p.ended {
			k.settle()
		}
		if !p.ended {
			break
		}
	}
	if p.ended {
		k.Fatal("the accept queue never filled")
	}
	k.wantNone(p)
	if r := k.cancel(p); r.N != -sys.ECANCELED {
		k.Fatalf("a cancelled connect gave %d", r.N)
	}
}

// connectUnixFull must not call a connection made that is not: either it fails, or it waits until it is cancelled.
func connectUnixFull(k *kit) {
	addr := new(sys.Sockaddr)
	k.check(addr.SetUnix(filepath.Join(k.TempDir(), "full")))
	lfd, err := k.net.Listen(addr, sys.ListenOptions{Backlog: 1, NonBlock: true})
	k.check(err)
	k.own(lfd)
	for range 8 {
		p := k.connect(addr)
		k.settle()
		if !p.ended {
			k.cancel(p)
		}
		_, err := k.net.Getpeername(int(p.op.FD))
		if connected := err == nil; connected != (p.last().N == 0) {
			k.Fatalf("connect gave %d, getpeername %v", p.last().N, err)
		}
	}
}

func acceptMany(k *kit) {
	const clients = 150
	lfd, addr := k.listen(256)
	p := k.start(loop.Op{Code: loop.OpAccept, FD: int32(lfd)})
	k.wantNone(p)
	for range clients {
		k.dial(addr)
	}
	got := map[int]bool{}
	p.then = func(r loop.Result) {
		if r.N < 0 {
			k.Errorf("accept gave %d", r.N)
			return
		}
		if got[int(r.N)] {
			k.Errorf("descriptor %d came twice", r.N)
		}
		got[k.own(int(r.N))] = true
	}
	k.until("all connections", func() bool {
		if p.ended && len(got) < clients { // allowed when the queue of results was full
			k.again(p)
		}
		return len(got) == clients
	})
	for fd := range got {
		if nonblock, err := k.net.Nonblock(fd); err != nil || nonblock != k.d.NonBlocking() {
			k.Fatalf("an accepted socket is non-blocking: %v (%v)", nonblock, err)
		}
		if _, kernel := k.net.(sys.KernelSockets); !kernel {
			continue
		}
		if flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); flags&syscall.FD_CLOEXEC == 0 {
			k.Fatal("an accepted socket would survive exec")
		}
	}
	p.then = nil
	if !p.ended {
		k.cancel(p)
	}
}

// acceptCancelled cancels while connections arrive: each is either given out or still in the queue for the next accept.
func acceptCancelled(k *kit) {
	lfd, addr := k.listen(64)
	got, dialled := 0, 0
	p := k.start(loop.Op{Code: loop.OpAccept, FD: int32(lfd)})
	p.then = func(r loop.Result) {
		if r.N >= 0 {
			got++
			k.own(int(r.N))
		} else if r.N != -sys.ECANCELED {
			k.Errorf("accept gave %d", r.N)
		}
	}
	for range 20 {
		k.dial(addr)
		dialled++
		if dialled%3 == 0 {
			k.turn(0)
		}
		k.d.Cancel(&p.op)
		k.dial(addr)
		dialled++
		k.end(p)
		k.again(p)
	}
	k.until("all connections", func() bool { return got == dialled })
	p.then = nil
	if r := k.cancel(p); r.N != -sys.ECANCELED || r.More {
		k.Fatalf("a cancelled accept gave %+v", r)
	}
}
