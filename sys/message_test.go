package sys

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// block is a heap block of the kernel's layout for a message.
func block() []byte { return make([]byte, MessageBlock) }

func udpSocket(t *testing.T, addr string, options ...OptionValue) (fd int, at netip.AddrPort) {
	t.Helper()
	var sa Sockaddr
	if err := sa.SetAddrPort(netip.MustParseAddrPort(addr)); err != nil {
		t.Fatal(err)
	}
	fd, err := ListenDatagram(&sa, ListenOptions{Options: options, NonBlock: true})
	if err != nil {
		if IsNoFamily(err) {
			t.Skip("this machine has no such addresses: ", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fd) })
	at, err = Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, at
}

// receive waits for a message.
func receive(t *testing.T, fd int) Received {
	t.Helper()
	b := block()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		switch n := ReceiveMessage(int32(fd), b); {
		case n >= 0:
			return Received(b[:n])
		case n != -EAGAIN:
			t.Fatal(Error("recvmsg", n))
		}
	}
	t.Fatal("nothing came")
	return nil
}

// TestControlOfDatagrams sends with control messages and reads those that arrive: each family through its own socket, and
// IPv4 through one of IPv6.
func TestControlOfDatagrams(t *testing.T) {
	v4 := []OptionValue{{IP_PKTINFO, 1}, {IP_RECVTOS, 1}}
	v6 := append([]OptionValue{{IPV6_RECVPKTINFO, 1}, {IPV6_RECVTCLASS, 1}, {IP_RECVTOS, 1}, {IPV6_V6ONLY, 0}}, v4[:0]...)
	for _, c := range []struct {
		name, listen, from, to string
		options                []OptionValue
	}{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1", v4},
		{"IPv6", "[::1]:0", "[::1]:0", "::1", v6},
		{"IPv4 through IPv6", "[::]:0", "127.0.0.1:0", "127.0.0.1", v6},
		{"IPv4 from IPv6", "127.0.0.1:0", "[::]:0", "127.0.0.1", v4},
	} {
		t.Run(c.name, func(t *testing.T) {
			fd, at := udpSocket(t, c.listen, c.options...)
			out, from := udpSocket(t, c.from)
			to := netip.AddrPortFrom(netip.MustParseAddr(c.to), at.Port())
			o := NewOutgoing(2)
			o.Add([]byte("both"))
			if err := o.To(to); err != nil {
				t.Fatal(err)
			}
			o.From(to.Addr())
			o.TOS(0xb9, to.Addr().Is6())
			if n := o.Send(int32(out), 0); n != 1 || o.Sent(0) != 4 {
				t.Fatal(Error("sendmmsg", n))
			}
			m := receive(t, fd)
			control, complete := m.Control()
			var a Ancillary
			if !complete || !ParseControl(control, &a) || m.Truncated() || string(m.Payload()) != "both" {
				t.Fatalf("%q, %v", m.Payload(), a)
			}
			if a.Local != to.Addr() || a.Interface == 0 || !a.HasTOS || a.TOS != 0xb9 {
				t.Errorf("%+v", a)
			}
			if m.From() != netip.AddrPortFrom(to.Addr(), from.Port()) {
				t.Errorf("from %v", m.From())
			}
		})
	}
}

// TestSegmentsAreJoined sends segments by one call to a socket with UDP_GRO: they come as one, with their size.
func TestSegmentsAreJoined(t *testing.T) {
	fd, at := udpSocket(t, "127.0.0.1:0", OptionValue{UDP_GRO, 1})
	out, _ := udpSocket(t, "127.0.0.1:0")
	data := bytes.Repeat([]byte("0123456789"), 5003)
	o := NewOutgoing(1)
	o.Add(data)
	if err := o.To(at); err != nil {
		t.Fatal(err)
	}
	o.Segment(1200)
	if n := o.Send(int32(out), 0); n != 1 {
		t.Fatal(Error("sendmmsg", n))
	}
	m := receive(t, fd)
	control, _ := m.Control()
	var a Ancillary
	if ParseControl(control, &a); a.Segment != 1200 || !bytes.Equal(m.Payload(), data) {
		t.Errorf("%d bytes in segments of %d", len(m.Payload()), a.Segment)
	}
}

// TestReceiver takes several messages by one call, into blocks of which one is too small.
func TestReceiver(t *testing.T) {
	fd, at := udpSocket(t, "127.0.0.1:0")
	peer, err := net.Dial("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	for _, s := range []string{"one", strings.Repeat("x", 200), ""} {
		if _, err := peer.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReceiver(4)
	blocks := [][]byte{block(), make([]byte, ReceivedOverhead+100), block(), block()}
	for i, b := range blocks {
		r.Set(i, b)
	}
	if n := r.Receive(int32(fd), r.Len()); n != 3 {
		t.Fatalf("%d messages", n)
	}
	for i, want := range []int{3, 100, 0} {
		m := Received(blocks[i][:r.Finish(i, blocks[i])])
		if len(m.Payload()) != want || m.Truncated() != (i == 1) || m.From().String() != peer.LocalAddr().String() {
			t.Errorf("message %d: %d bytes from %v, cut: %v", i, len(m.Payload()), m.From(), m.Truncated())
		}
	}
	if n := r.Receive(int32(fd), 4); n != -EAGAIN {
		t.Errorf("an empty socket gave %d", n)
	}
}

// TestUnixNames binds datagram sockets to a path and to a name without a file; each says who sent.
func TestUnixNames(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "in"), "@ringway-test-" + filepath.Base(t.TempDir())} {
		var sa, own Sockaddr
		if err := sa.SetUnix(name); err != nil {
			t.Fatal(err)
		}
		if err := own.SetUnix(name + "-peer"); err != nil {
			t.Fatal(err)
		}
		if sa.Path() != name {
			t.Errorf("%q became %q", name, sa.Path())
		}
		in, err := ListenDatagram(&sa, ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer Close(in)
		out, err := ListenDatagram(&own, ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer Close(out)
		o := NewOutgoing(1)
		o.Add([]byte("hello"))
		o.ToName(&sa)
		if n := o.Send(int32(out), 0); n != 1 {
			t.Fatal(Error("sendmmsg", n))
		}
		if m := receive(t, in); m.FromPath() != own.Path() || string(m.Payload()) != "hello" {
			t.Errorf("%q from %q", m.Payload(), m.FromPath())
		}
	}
	var sa Sockaddr
	for _, bad := range []string{"", strings.Repeat("x", 200)} {
		if sa.SetUnix(bad) == nil {
			t.Errorf("%q is taken for a path", bad)
		}
	}
}

func TestReceivedAsMade(t *testing.T) {
	var from Sockaddr
	if err := from.SetAddrPort(netip.MustParseAddrPort("[fe80::1%7]:53")); err != nil {
		t.Fatal(err)
	}
	b := block()
	control := AppendTOS(AppendLocal(nil, netip.MustParseAddr("2001:db8::1"), 3), 9, true)
	m := Received(b[:MakeReceived(b, &from, control, []byte("payload"))])
	var a Ancillary
	c, complete := m.Control()
	if !complete || !ParseControl(c, &a) || a.Local.String() != "2001:db8::1" || a.Interface != 3 || a.TOS != 9 {
		t.Errorf("%+v", a)
	}
	if m.From().String() != "[fe80::1%7]:53" || string(m.Payload()) != "payload" || m.FromPath() != "" {
		t.Errorf("%v, %q", m.From(), m.Payload())
	}
	long := MakeReceived(b[:ReceivedOverhead+4], nil, make([]byte, receivedControl+8), []byte("payload"))
	m = Received(b[:long])
	if _, complete := m.Control(); complete || !m.Truncated() || string(m.Payload()) != "payl" || m.From().IsValid() {
		t.Errorf("%q, complete: %v", m.Payload(), complete)
	}
}

func TestControlOfRightsIsCounted(t *testing.T) {
	var a Ancillary
	if !ParseControl(Rights([]int{3, 4, 5}), &a) || a.Rights != 3 {
		t.Errorf("%+v", a)
	}
	group := AppendLocal(nil, netip.MustParseAddr("ff02::1"), 2)
	if !ParseControl(group, &a) || a.Local.IsValid() || a.Interface != 2 {
		t.Errorf("%+v", a)
	}
	size := cmsg(unix.IPPROTO_UDP, unix.UDP_GRO, binary.NativeEndian.AppendUint32(nil, 1400))
	if !ParseControl(size, &a) || a.Segment != 1400 {
		t.Errorf("%+v", a)
	}
}

func TestDatagramsAllocateNothing(t *testing.T) {
	fd, at := udpSocket(t, "127.0.0.1:0", OptionValue{IP_PKTINFO, 1}, OptionValue{IP_RECVTOS, 1})
	o, b, data := NewOutgoing(1), block(), []byte("data")
	var a Ancillary
	n := testing.AllocsPerRun(200, func() {
		o.Reset()
		o.Add(data)
		if o.To(at) != nil || o.Send(int32(fd), 0) != 1 {
			panic("not sent")
		}
		n := ReceiveMessage(int32(fd), b)
		if n < 0 {
			panic("not received")
		}
		control, _ := Received(b[:n]).Control()
		if ParseControl(control, &a); Received(b[:n]).From() != at {
			panic("not ours")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestOptionsAreNamed: an error says which option it was.
func TestOptionsAreNamed(t *testing.T) {
	fd, _ := udpSocket(t, "127.0.0.1:0")
	err := SetOptions(fd, []OptionValue{{SO_RCVBUF, 4096}, {TCP_USER_TIMEOUT, 1}})
	if err == nil || !strings.Contains(err.Error(), "TCP_USER_TIMEOUT") {
		t.Error(err)
	}
	if v, err := GetOption(fd, SO_RCVBUF); err != nil || v < 4096 {
		t.Errorf("%d, %v", v, err)
	}
	if _, err := GetOption(fd, TCP_FASTOPEN); err == nil || !strings.Contains(err.Error(), "TCP_FASTOPEN") {
		t.Error(err)
	}
}

func TestSocketCredentials(t *testing.T) {
	p, err := Pair(SOCK_SEQPACKET, false)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(p[0])
	defer Close(p[1])
	if c, err := SocketCredentials(p[0]); err != nil || c.PID != os.Getpid() {
		t.Errorf("%+v, %v", c, err)
	}
	if n := Write(int32(p[0]), []byte("x")); n != 1 {
		t.Errorf("write gave %d", n)
	}
	if n := Read(int32(p[1]), make([]byte, 4)); n != 1 {
		t.Errorf("read gave %d", n)
	}
}

// FuzzSockaddr: no bytes that stand where an address should make reading it fail.
func FuzzSockaddr(f *testing.F) {
	f.Add([]byte{1, 0, 0, 'x'})
	f.Add([]byte{2, 0, 0, 53, 127, 0, 0, 1})
	f.Add([]byte{10, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := make(Received, ReceivedOverhead)
		for n := range len(b) + 1 {
			putReceived(r, uint32(copy(r[receivedHead:][:receivedName], b[:n])), ^uint32(0), 0, 0)
			r.From()
			r.FromPath()
			r.Control()
		}
	})
}
