package drivertest

import (
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

func (k *kit) poll(fd int, events int16) *probe {
	return k.start(loop.Op{Code: loop.OpPoll, FD: int32(fd), Events: events})
}

// wantEvents ends a poll and checks that it says at least what is wanted.
func (k *kit) wantEvents(p *probe, events int32) {
	k.Helper()
	if r := k.end(p); r.N < 0 || r.N&events != events {
		k.Fatalf("poll gave %#x, want %#x", r.N, events)
	}
}

// fill writes until the socket takes no more, and says how much that was.
func (k *kit) fill(fd int) int {
	n := 0
	for chunk := pattern(64 << 10); ; {
		m := k.net.Send(int32(fd), chunk, 0)
		if m == -sys.EAGAIN {
			return n
		}
		if m < 0 {
			k.Fatal(sys.Error("send", m))
		}
		n += int(m)
	}
}

func pollIn(k *kit) {
	fd, peer := k.pair()
	p := k.poll(fd, sys.POLLIN)
	k.wantNone(p)
	k.write(peer, "x")
	k.wantEvents(p, sys.POLLIN)
	k.wantEvents(k.poll(fd, sys.POLLIN), sys.POLLIN) // it takes nothing
	k.wantData(k.recv(fd, false), "x")
	p = k.poll(fd, sys.POLLIN)
	k.wantNone(p)
	k.closeNow(peer)
	k.wantEvents(p, sys.POLLHUP)
}

func pollOut(k *kit) {
	fd, peer := k.pair()
	k.wantEvents(k.poll(fd, sys.POLLOUT), sys.POLLOUT)
	n := k.fill(fd)
	p := k.poll(fd, sys.POLLOUT)
	k.wantNone(p)
	k.read(peer, n)
	k.wantEvents(p, sys.POLLOUT)
}

func pollEither(k *kit) {
	fd, peer := k.pair()
	n := k.fill(fd)
	p := k.poll(fd, sys.POLLIN|sys.POLLOUT)
	k.wantNone(p)
	k.write(peer, "x")
	k.wantEvents(p, sys.POLLIN)
	k.wantData(k.recv(fd, false), "x")
	p = k.poll(fd, sys.POLLIN|sys.POLLOUT)
	k.wantNone(p)
	k.read(peer, n)
	k.wantEvents(p, sys.POLLOUT)
}

// pollHangup watches for the peer's end while data arrives that nobody reads yet; the receive that comes later must
// find it, whatever it was told about the socket before.
func pollHangup(k *kit) {
	fd, peer := k.tcpPair()
	k.write(peer, "first")
	k.wantData(k.recv(fd, false), "first")
	p := k.poll(fd, sys.POLLRDHUP)
	k.wantNone(p)
	k.write(peer, "second")
	k.wantNone(p)
	k.cancel(p)
	p = k.poll(fd, sys.POLLRDHUP)
	k.wantNone(p)
	k.cancel(p)
	k.wantData(k.recv(fd, true), "second")
	p = k.poll(fd, sys.POLLRDHUP)
	k.wantNone(p)
	k.check(k.net.Shutdown(peer, sys.SHUT_WR))
	k.wantEvents(p, sys.POLLRDHUP)
}

func closeDescriptor(k *kit) {
	fd, peer := k.pair()
	k.write(peer, "x")
	k.wantData(k.recv(fd, false), "x")
	k.closeByDriver(fd)
	if got := k.read(peer, 1); len(got) != 0 {
		k.Fatalf("the peer of a closed socket read %q", got)
	}
}

func badDescriptor(k *kit) {
	fd, _ := k.pair()
	k.closeByDriver(fd)
	for _, bad := range []int32{int32(fd), -1, 1 << 20} {
		k.want(k.start(loop.Op{Code: loop.OpClose, FD: bad}), -sys.EBADF)
		k.want(k.start(loop.Op{Code: loop.OpRecv, FD: bad}), -sys.EBADF)
		k.want(k.start(loop.Op{Code: loop.OpRecv, FD: bad, PollFirst: true}), -sys.EBADF)
		k.want(k.start(loop.Op{Code: loop.OpRecvmsg, FD: bad}), -sys.EBADF)
		k.want(k.start(loop.Op{Code: loop.OpSend, FD: bad, Buf: []byte("x")}), -sys.EBADF)
		k.want(k.poll(int(bad), sys.POLLIN), -sys.EBADF)
	}
}
