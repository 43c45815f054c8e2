package drivertest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/sys"
)

// udp opens a UDP socket on loopback, set up for the driver, with options.
func (k *kit) udp(options ...sys.Option) (fd int, addr netip.AddrPort) {
	k.Helper()
	var sa sys.Sockaddr
	k.check(sa.SetAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	fd, err := k.net.Socket(sys.AF_INET, sys.SOCK_DGRAM, k.d.NonBlocking())
	k.check(err)
	k.own(fd)
	for _, o := range options {
		k.check(k.net.SetOption(fd, o, 1))
	}
	k.check(k.net.Bind(fd, &sa))
	addr, err = k.net.Getsockname(fd)
	k.check(err)
	return fd, addr
}

// messagePair gives two ends of a Unix pair of any kind: ours, set up for the driver, and the peer's.
func (k *kit) messagePair(kind int) (ours, peer int) {
	k.Helper()
	p, err := k.net.Pair(kind, false)
	k.check(err)
	k.check(k.net.SetNonblock(p[0], k.d.NonBlocking()))
	return k.own(p[0]), k.own(p[1])
}

// sendTo sends one message to an address; edit, if not nil, adds to it.
func (k *kit) sendTo(fd int, to netip.AddrPort, data string, edit func(o *sys.Outgoing)) {
	k.Helper()
	o := sys.NewOutgoing(1)
	o.Add([]byte(data))
	if to.IsValid() {
		k.check(o.To(to))
	}
	if edit != nil {
		edit(o)
	}
	if n := k.net.SendMessages(int32(fd), o, 0); n != 1 || o.Sent(0) != len(data) {
		k.Fatalf("sending gave %d, %d bytes", n, o.Sent(0))
	}
}

// mail is an OpRecvmsg that is kept going, and what it brought.
type mail struct {
	p    *probe
	got  []string
	from []netip.AddrPort
	last sys.Ancillary
	keep []int // descriptors
	end  int32 // what ended it for good
}

func (k *kit) recvmsg(fd int) *mail {
	m := &mail{end: 1}
	m.p = k.start(loop.Op{Code: loop.OpRecvmsg, FD: int32(fd)})
	m.p.then = func(r loop.Result) { k.take(m, r) }
	return m
}

func (k *kit) take(m *mail, r loop.Result) {
	if r.N < 0 {
		m.end = r.N
		return
	}
	if r.Block == nil {
		k.Errorf("a message of %d bytes has no block", r.N)
		return
	}
	msg := sys.Received(r.Block.Data())
	m.got = append(m.got, string(msg.Payload()))
	m.from = append(m.from, msg.From())
	control, complete := msg.Control()
	if !complete || !sys.ParseControl(control, &m.last) || msg.Truncated() {
		k.Errorf("a message was cut: %v", m.last)
	}
	if m.last.Rights > 0 {
		fds, err := sys.ParseRights(control)
		if err != nil {
			k.Error(err)
		}
		m.keep = append(m.keep, fds...)
	}
	k.d.Return(r.Block)
}

// messages waits until so many have come; an operation that has ended without an error is submitted again.
func (k *kit) messages(m *mail, n int) {
	k.Helper()
	k.until(fmt.Sprint(n, " messages"), func() bool {
		if m.p.ended && m.end == 1 && len(m.got) < n {
			k.again(m.p)
		}
		return len(m.got) >= n
	})
}

// endMail cancels what still goes on.
func (k *kit) endMail(m *mail) {
	k.Helper()
	if !m.p.ended {
		k.cancel(m.p)
	}
}

func recvmsgGoesOn(k *kit) {
	fd, addr := k.udp()
	peer, from := k.udp()
	m := k.recvmsg(fd)
	k.wantNone(m.p)
	if s := k.d.Stats(); s.Lent != 0 || s.InFlight != 1 {
		k.Fatalf("a waiting receive holds %d buffers, %d operations are in flight", s.Lent, s.InFlight)
	}
	sent := []string{"first", "", "third", string(pattern(60000)), "", "last"}
	for i, data := range sent {
		k.sendTo(peer, addr, data, nil)
		k.messages(m, i+1)
	}
	for range 2 { // now all at once
		for _, data := range sent {
			k.sendTo(peer, addr, data, nil)
		}
	}
	k.messages(m, 3*len(sent))
	for i, data := range m.got {
		if data != sent[i%len(sent)] || m.from[i] != from {
			k.Fatalf("message %d of %d bytes came from %v, want %d from %v", i, len(data), m.from[i], len(sent[i%len(sent)]), from)
		}
	}
	k.endMail(m)
}

func recvmsgControl(k *kit) {
	fd, addr := k.udp(sys.IP_PKTINFO, sys.IP_RECVTOS)
	peer, _ := k.udp()
	m := k.recvmsg(fd)
	k.sendTo(peer, addr, "marked", func(o *sys.Outgoing) { o.TOS(0xb8|1, false) })
	k.messages(m, 1)
	if m.last.Local != addr.Addr() || m.last.Interface <= 0 || !m.last.HasTOS || m.last.TOS != 0xb9 {
		k.Fatalf("%+v", m.last)
	}
	local := netip.MustParseAddr("127.0.0.1")
	k.sendTo(peer, addr, "from here", func(o *sys.Outgoing) { o.From(local) })
	k.messages(m, 2)
	if m.from[1].Addr() != local || m.last.TOS != 0 {
		k.Fatalf("from %v, %+v", m.from[1], m.last)
	}
	k.endMail(m)
}

// recvmsgSegments sends by one call what goes out as several datagrams, to a receiver that lets the kernel join them and to
// one that does not.
func recvmsgSegments(k *kit) {
	data := string(pattern(10*1200 + 300))
	for _, options := range [][]sys.Option{nil, {sys.UDP_GRO}} {
		fd, addr := k.udp(options...)
		peer, _ := k.udp()
		m := k.recvmsg(fd)
		k.sendTo(peer, addr, data, func(o *sys.Outgoing) { o.Segment(1200) })
		k.until("all bytes", func() bool {
			if m.p.ended && m.end == 1 {
				k.again(m.p)
			}
			return len(strings.Join(m.got, "")) >= len(data)
		})
		if strings.Join(m.got, "") != data {
			k.Fatal("other bytes came")
		}
		switch {
		case len(m.got) == 11 && len(m.got[0]) == 1200:
		case options != nil && m.last.Segment == 1200:
		default:
			k.Fatalf("%d messages came, the last in segments of %d", len(m.got), m.last.Segment)
		}
		k.endMail(m)
	}
}

func recvmsgRights(k *kit) {
	for _, kind := range []int{sys.SOCK_DGRAM, sys.SOCK_SEQPACKET, sys.SOCK_STREAM} {
		fd, peer := k.messagePair(kind)
		m := k.recvmsg(fd)
		var given []int
		for range 3 {
			a, b := k.pair()
			given = append(given, b)
			k.write(a, "through it")
		}
		k.sendTo(peer, netip.AddrPort{}, "take these", func(o *sys.Outgoing) { o.Control(sys.Rights(given)) })
		for _, fd := range given {
			k.closeNow(fd) // the message keeps what it stands for
		}
		k.messages(m, 1)
		if m.got[0] != "take these" || len(m.keep) != len(given) {
			k.Fatalf("%q came with %d descriptors", m.got[0], len(m.keep))
		}
		for _, fd := range m.keep {
			k.own(fd)
			if got := k.read(fd, len("through it")); string(got) != "through it" {
				k.Fatalf("a received descriptor gave %q", got)
			}
		}
		k.endMail(m)
	}
}

func recvmsgEnd(k *kit) {
	fd, peer := k.messagePair(sys.SOCK_SEQPACKET)
	m := k.recvmsg(fd)
	k.sendTo(peer, netip.AddrPort{}, "one", nil)
	k.sendTo(peer, netip.AddrPort{}, "two", nil)
	k.messages(m, 2)
	k.closeNow(peer)
	k.messages(m, 3)
	if got := strings.Join(m.got[:3], "|"); got != "one|two|" {
		k.Fatalf("messages %q", got)
	}
	k.until("the receive to stop", func() bool { return m.p.ended })
}

func recvmsgRefused(k *kit) {
	gone, addr := k.udp()
	k.closeNow(gone)
	fd, _ := k.udp()
	var to sys.Sockaddr
	k.check(to.SetAddrPort(addr))
	if n := k.net.Connect(int32(fd), &to); n != 0 {
		k.Fatal(sys.Error("connect", n))
	}
	m := k.recvmsg(fd)
	k.wantNone(m.p)
	k.sendTo(fd, netip.AddrPort{}, "anybody?", nil)
	k.until("the error", func() bool { return m.p.ended })
	if m.end != -sys.ECONNREFUSED {
		k.Fatalf("the receive ended with %d", m.end)
	}
}

// recvmsgCancel counts messages while receives are cancelled at every kind of moment.
func recvmsgCancel(k *kit) {
	fd, peer := k.messagePair(sys.SOCK_SEQPACKET)
	rng := rand.New(rand.NewPCG(5, 6))
	m := k.recvmsg(fd)
	sent, cancelled := 0, 0
	for sent < 600 {
		for range rng.IntN(4) {
			k.sendTo(peer, netip.AddrPort{}, fmt.Sprint("message ", sent), nil)
			sent++
		}
		for range rng.IntN(3) {
			k.turn(0)
		}
		if rng.IntN(3) == 0 {
			k.check(k.d.Wait(0)) // done, but not delivered
		}
		if rng.IntN(2) == 0 && !m.p.ended {
			k.d.Cancel(&m.p.op)
			k.end(m.p)
			if m.end == -sys.ECANCELED {
				cancelled++
			}
		}
		if m.p.ended {
			m.end = 1
			k.again(m.p)
		}
	}
	k.messages(m, sent)
	for i, data := range m.got {
		if data != fmt.Sprint("message ", i) {
			k.Fatalf("message %d is %q", i, data)
		}
	}
	if cancelled == 0 {
		k.Fatal("nothing was cancelled: the case tests nothing")
	}
	k.endMail(m)
}

// recvmsgStarved lends all buffers: the third message waits for one to come back, and is not lost.
func recvmsgStarved(k *kit) {
	fd, peer := k.messagePair(sys.SOCK_SEQPACKET)
	p := k.start(loop.Op{Code: loop.OpRecvmsg, FD: int32(fd)})
	var held []loop.Result
	p.then = func(r loop.Result) { held = append(held, r) }
	for i := range 3 {
		k.sendTo(peer, netip.AddrPort{}, fmt.Sprint("message ", i), nil)
	}
	k.until("two messages", func() bool { return len(held) >= 2 })
	k.settle()
	if len(held) != 2 || k.d.Stats().Lent != 2 || k.d.Stats().Starved == 0 {
		k.Fatalf("%d messages came with two buffers: %+v", len(held), k.d.Stats())
	}
	for i := range 3 {
		k.until("a message", func() bool { return len(held) > i })
		want := fmt.Sprint("message ", i)
		if got := sys.Received(held[i].Block.Data()).Payload(); !bytes.Equal(got, []byte(want)) {
			k.Fatalf("message %d is %q", i, got)
		}
		k.d.Return(held[i].Block)
	}
	p.then = nil
	if !p.ended {
		k.cancel(p)
	}
}

func pollPipe(k *kit) {
	r, w, room, err := k.net.Pipe(64 << 10)
	k.check(err)
	k.own(r)
	k.own(w)
	p := k.poll(r, sys.POLLIN)
	k.wantNone(p)
	if n := k.net.Write(int32(w), []byte("x")); n != 1 {
		k.Fatalf("write gave %d", n)
	}
	k.wantEvents(p, sys.POLLIN)
	for filled := 1; filled < room; {
		n := k.net.Write(int32(w), pattern(room-filled))
		if n <= 0 {
			k.Fatalf("write gave %d", n)
		}
		filled += int(n)
	}
	p = k.poll(w, sys.POLLOUT)
	k.wantNone(p)
	for b := make([]byte, room); k.net.Read(int32(r), b) > 0; {
	}
	k.wantEvents(p, sys.POLLOUT)
	p = k.poll(r, sys.POLLIN)
	k.wantNone(p)
	k.closeByDriver(w)
	k.wantEvents(p, sys.POLLHUP)
	if n := k.net.Read(int32(r), make([]byte, 1)); n != 0 {
		k.Fatalf("the end of a pipe reads as %d", n)
	}
}

// forgetDescriptor closes a descriptor that the driver has forgotten behind its back; its number serves another, of which
// the driver must hear.
func forgetDescriptor(k *kit) {
	for range 3 {
		fd, peer := k.pair()
		p := k.poll(fd, sys.POLLIN)
		k.wantNone(p)
		k.cancel(p)
		k.want(k.start(loop.Op{Code: loop.OpForget, FD: int32(fd)}), 0)
		k.write(peer, "unheard")
		k.settle()
		k.closeNow(fd)
		k.closeNow(peer)
		again, peer := k.pair()
		if again != fd {
			k.Logf("number %d was not given again but %d", fd, again)
		}
		q := k.recv(again, true)
		k.wantNone(q)
		k.write(peer, "heard")
		k.wantData(q, "heard")
	}
	k.want(k.start(loop.Op{Code: loop.OpForget, FD: 1 << 20}), 0) // of what it never knew too
}
