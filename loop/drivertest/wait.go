package drivertest

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

const wakes = 10_000

// wakeEach wakes 10,000 times, each time waiting for the answer: a lost one shows as a wait that lasts.
func wakeEach(k *kit) {
	var sent, seen, during atomic.Int64
	var waker sync.WaitGroup
	waker.Go(func() {
		for i := int64(1); i <= wakes; i++ {
			if i%64 == 0 {
				time.Sleep(50 * time.Microsecond) // so that the other is in its wait for certain
				during.Add(1)
			}
			sent.Store(i)
			k.d.Wake()
			for seen.Load() < i {
				runtime.Gosched()
			}
		}
	})
	for seen.Load() < wakes {
		began := time.Now()
		k.turn(patience)
		if time.Since(began) >= patience {
			seen.Store(wakes) // lets the waker go
			waker.Wait()
			k.Fatalf("wake %d was lost", sent.Load())
		}
		seen.Store(sent.Load())
	}
	waker.Wait()
}

// wakeBurst wakes from four threads without waiting for answers, while the driver does not wait.
func wakeBurst(k *kit) {
	var wakers sync.WaitGroup
	for range 4 {
		wakers.Go(func() {
			for range wakes / 4 {
				k.d.Wake()
			}
		})
	}
	wakers.Wait()
	began := time.Now()
	k.turn(patience)
	if time.Since(began) >= patience {
		k.Fatal("a wake before the wait was lost")
	}
	fd, peer := k.pair()
	p := k.recv(fd, false)
	k.write(peer, "still works")
	k.wantData(p, "still works")
}

func waitTimeout(k *kit) {
	for k.turn(0) > 0 { // news of the set-up
	}
	for _, d := range []time.Duration{0, time.Millisecond, 1500 * time.Microsecond, 30 * time.Millisecond} {
		for deadline := time.Now().Add(patience); ; {
			began := k.d.Now()
			k.turn(d)
			took := time.Duration(k.d.Now() - began)
			if d > 0 && took < d { // it may end early without reason, but not always
				if time.Now().After(deadline) {
					k.Fatalf("waits of %v always end early", d)
				}
				continue
			}
			// A loaded machine may be late, but not that late.
			if took > d+5*time.Second {
				k.Fatalf("a wait of %v took %v", d, took)
			}
			break
		}
	}
	// A wait without end ends with the first news.
	fd, peer := k.pair()
	p := k.recv(fd, false)
	k.settle()
	time.AfterFunc(5*time.Millisecond, func() { k.send(peer, []byte("x")) })
	for !p.ended {
		k.turn(-1)
	}
	k.d.Return(p.last().Block)
}

// reusedDescriptor closes a descriptor that has news pending and opens another under its number at once.
func reusedDescriptor(k *kit) {
	reused := 0
	for i := range 100 {
		fd, peer := k.pair()
		k.write(peer, "old")
		k.wantData(k.recv(fd, i%2 == 0), "old")
		k.write(peer, "never read")
		k.closeNow(peer)
		shut := k.start(loop.Op{Code: loop.OpClose, FD: int32(fd)})
		delete(k.fds, fd)
		k.end(shut)
		next, nextPeer := k.pair()
		if next == fd {
			reused++
		}
		p := k.recv(next, true)
		k.turn(0)
		k.turn(0)
		if p.ended {
			k.Fatalf("the successor of a closed descriptor got %+v", p.last())
		}
		k.write(nextPeer, fmt.Sprint(i))
		k.wantData(p, fmt.Sprint(i))
		k.closeByDriver(next)
		k.closeNow(nextPeer)
	}
	if reused == 0 {
		k.Fatal("no number was reused: the case tests nothing")
	}
}

// signalStorm interrupts the driver's thread all the time: Go's own SIGURG, and one that interrupts system calls.
func signalStorm(k *kit) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	defer signal.Stop(caught)
	pid, tid := syscall.Getpid(), syscall.Gettid()
	var stop atomic.Bool
	var storm sync.WaitGroup
	storm.Go(func() {
		for i := 0; !stop.Load(); i++ {
			sig := syscall.SIGURG
			if i%2 == 0 {
				sig = syscall.SIGUSR1
			}
			_ = syscall.Tgkill(pid, tid, sig)
			time.Sleep(20 * time.Microsecond)
		}
	})
	defer storm.Wait()
	defer stop.Store(true)
	fd, peer := k.tcpPair()
	lfd, addr := k.listen(64)
	accept := k.start(loop.Op{Code: loop.OpAccept, FD: int32(lfd)})
	for i := range 300 {
		p := k.recv(fd, i%2 == 0)
		k.turn(time.Millisecond)
		word := []byte(fmt.Sprint("word ", i))
		k.write(peer, string(word))
		k.wantData(p, string(word))
		k.want(k.start(loop.Op{Code: loop.OpSend, FD: int32(fd), Buf: word}), int32(len(word)))
		if got := k.read(peer, len(word)); string(got) != string(word) {
			k.Fatalf("peer got %q, want %q", got, word)
		}
		if i%50 == 0 {
			n := len(accept.results)
			k.want(k.connect(addr), 0)
			k.until("the connection", func() bool { return len(accept.results) > n })
			k.own(int(accept.results[n].N))
		}
	}
	if r := k.cancel(accept); r.N != -int32(syscall.ECANCELED) {
		k.Fatalf("accept ended with %d", r.N)
	}
}

// closeInFlight closes the driver under operations: nothing is delivered, and nothing that they held stays open.
func closeInFlight(k *kit) {
	fd, _ := k.pair()
	k.recv(fd, true)
	lfd, addr := k.listen(8)
	k.start(loop.Op{Code: loop.OpAccept, FD: int32(lfd)})
	packets, _ := k.udp()
	k.start(loop.Op{Code: loop.OpRecvmsg, FD: int32(packets)})
	k.settle()
	k.closeAll()
	for _, p := range k.probes {
		if len(p.results) > 0 {
			k.Errorf("an operation in flight got %+v", p.results)
		}
	}
	// The listener is gone although this thread lives on: nothing keeps it but the closed driver.
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		fd, err := k.net.StreamSocket(addr.Family(), false)
		k.check(err)
		if _, kernel := k.net.(sys.KernelSockets); kernel { // bounded, since the queue of a listener that lives on fills up
			k.check(syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &syscall.Timeval{Usec: 100_000}))
		}
		n := k.net.Connect(int32(fd), addr)
		k.check(k.net.Close(fd))
		if n == -sys.ECONNREFUSED {
			return
		}
		if time.Now().After(deadline) {
			k.Fatalf("a listener outlived its descriptor and its driver: connect gave %d", n)
		}
	}
}
