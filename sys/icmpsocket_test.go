package sys

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// icmpSocket opens a socket, or skips where this process may not.
func icmpSocket(t *testing.T, family int, raw bool) int {
	t.Helper()
	fd, err := ICMPSocket(family, raw)
	if IsDenied(err) {
		t.Skipf("no permission for ICMP sockets here: %v", err)
	}
	if IsNoFamily(err) {
		t.Skipf("no such addresses here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Close(fd) })
	return fd
}

// await polls until the error queue, or the receive queue, has something.
func await(t *testing.T, m *Messages, fd int, errorQueue bool) int {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		n := m.Receive(fd, errorQueue)
		if n > 0 {
			return int(n)
		}
		if n != -EAGAIN {
			t.Fatal(Error("recvmmsg", n))
		}
		if _, err := PollWait([]PollFd{{Fd: int32(fd), Events: POLLIN}}, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("nothing came")
	return 0
}

// Echo requests in one batch come back with receive stamps, and leave transmit stamps under the identifiers that were given.
func TestICMPStamps(t *testing.T) {
	fd := icmpSocket(t, AF_INET, true)
	if !HasTimestampID() {
		t.Skip("the kernel is older than 6.13 and has no SCM_TS_OPT_ID")
	}
	for _, err := range []error{SetTimestamping(fd, true), SetRecvErr(fd, AF_INET), SetRxqOvfl(fd), SetBuffers(fd, 1<<20, 1<<20), SetTTL(fd, AF_INET, 9),
		SetTOS(fd, AF_INET, 0x20), SetProbeMTU(fd, AF_INET)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// Only echo replies (type nought behind the IP header of five words).
	if err := AttachFilter(fd, []SockFilter{{Code: 0x30, K: 20}, {Code: 0x15, Jt: 0, Jf: 1, K: 0}, {Code: 6, K: 1 << 16}, {Code: 6}}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(StampDelay)
	const n = 3
	out := NewMessages(n, 128, unix.CmsgSpace(4)*2)
	for i := range n {
		b := append(out.Buffer(i), 8, 0, 0, 0, 0x77, 0x66, 0, byte(i))
		b = append(b, "payload!"...)
		sum := uint32(0)
		for j := 0; j < len(b); j += 2 {
			sum += uint32(binary.BigEndian.Uint16(b[j:]))
		}
		binary.BigEndian.PutUint16(b[2:], ^uint16(sum+sum>>16))
		if err := out.Prepare(i, len(b), netip.MustParseAddr("127.0.0.1")); err != nil {
			t.Fatal(err)
		}
		out.AddControl(i, SOL_SOCKET, SCM_TS_OPT_ID, uint32(1000+i))
		out.AddControl(i, SOL_IP, IP_TTL, 7)
	}
	before := time.Now().UnixNano()
	if got := out.Send(fd, 0, n); got != n {
		t.Fatal(got, Error("sendmmsg", got))
	}
	in := NewMessages(8, 256, 256)
	stamped := map[uint32]int64{}
	for len(stamped) < n {
		for i := range await(t, in, fd, true) {
			control, complete := in.Control(i)
			var a Ancillary
			if !ParseControl(control, &a) || !complete || !a.HasError || a.Error.Origin != SO_EE_ORIGIN_TIMESTAMPING || a.Software < before {
				t.Fatalf("%+v, complete %v", a, complete)
			}
			stamped[a.Error.Data] = a.Software
		}
	}
	seen := 0
	for seen < n {
		for i := range await(t, in, fd, false) {
			control, complete := in.Control(i)
			var a Ancillary
			b := in.Data(i)
			if !ParseControl(control, &a) || !complete || len(b) != 36 || b[8] == 0 || in.From(i) != netip.MustParseAddr("127.0.0.1") {
				t.Fatalf("%x from %v: %+v, complete %v", b, in.From(i), a, complete)
			}
			if sent := stamped[1000+uint32(b[27])]; sent == 0 || a.Software < sent || a.Software > time.Now().UnixNano() {
				t.Errorf("reply %d: received at %d, sent at %d", b[27], a.Software, sent)
			}
			seen++
		}
	}
	if d, err := Drops(fd); err != nil || d != 0 {
		t.Errorf("%d dropped, %v", d, err)
	}
}

// A receive queue without room says what it dropped.
func TestRxqOverflow(t *testing.T) {
	fd := icmpSocket(t, AF_INET, true)
	if err := SetRxqOvfl(fd); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil { // the least there is
		t.Fatal(err)
	}
	out := NewMessages(64, 1024, 8)
	for i := range 64 {
		b := append(out.Buffer(i), make([]byte, 1024)...)
		b[0] = 13 // a timestamp request, too short to be answered; raw sockets see it all the same
		if err := out.Prepare(i, len(b), netip.MustParseAddr("127.0.0.1")); err != nil {
			t.Fatal(err)
		}
	}
	if n := out.Send(fd, 0, 64); n != 64 {
		t.Fatal(n)
	}
	kept := 0
	in := NewMessages(64, 2048, 256)
	for {
		n := in.Receive(fd, false)
		if n <= 0 {
			break
		}
		kept += int(n)
	}
	if d, err := Drops(fd); err != nil || int(d)+kept != 64 || d == 0 {
		t.Errorf("%d kept, %d dropped, %v", kept, d, err)
	}
	// The next that is received says so too.
	if n := out.Send(fd, 0, 1); n != 1 {
		t.Fatal(n)
	}
	var a Ancillary
	await(t, in, fd, false)
	if control, _ := in.Control(0); !ParseControl(control, &a) || !a.HasDrops || a.Dropped == 0 {
		t.Errorf("%+v", a)
	}
}

func TestSendErrors(t *testing.T) {
	fd := icmpSocket(t, AF_INET, true)
	if err := SetProbeMTU(fd, AF_INET); err != nil {
		t.Fatal(err)
	}
	out := NewMessages(2, 1<<16, 8)
	send := func(n int, to string) error {
		_ = append(out.Buffer(0), 8)
		if err := out.Prepare(0, n, netip.MustParseAddr(to)); err != nil {
			t.Fatal(err)
		}
		if r := out.Send(fd, 0, 1); r < 0 {
			return Error("sendmmsg", r)
		}
		return nil
	}
	if err := send(65535, "127.0.0.1"); !IsTooBig(err) {
		t.Errorf("too big: %v", err)
	}
	if err := send(64, "255.255.255.255"); !IsDenied(err) && !IsUnreachable(err) {
		t.Errorf("broadcast: %v", err)
	}
	if err := EnableHardwareStamps("lo"); !IsNotSupported(err) && !IsDenied(err) {
		t.Errorf("hardware stamps on loopback: %v", err)
	}
	if err := EnableHardwareStamps("none-such"); err == nil {
		t.Error("hardware stamps on an interface that is not there")
	}
}
