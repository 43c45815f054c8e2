package sys

import (
	"errors"
	"net"
	"os"
	"testing"
)

func unixPair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fa, fb, err := SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	conn := func(f *os.File) *net.UnixConn {
		defer f.Close()
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.(*net.UnixConn)
	}
	return conn(fa), conn(fb)
}

// TestRightsCarryDescriptors sends as many descriptors as one message may carry. Each arrives as a copy that is closed on
// exec and leads to the same file.
func TestRightsCarryDescriptors(t *testing.T) {
	a, b := unixPair(t)
	f, err := Memfd("rights")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fds := make([]int, SCM_MAX_FD)
	for i := range fds {
		fds[i] = FileDescriptor(f)
	}
	if _, _, err := a.WriteMsgUnix([]byte{0}, Rights(fds), nil); err != nil {
		t.Fatal(err)
	}
	oob := make([]byte, RightsSpace(SCM_MAX_FD))
	n, oobn, flags, _, err := b.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil || n != 1 || flags&MSG_CTRUNC != 0 {
		t.Fatal(n, flags, err)
	}
	got, err := ParseRights(oob[:oobn])
	if err != nil || len(got) != SCM_MAX_FD {
		t.Fatal(len(got), err)
	}
	want, _ := f.Stat()
	for _, fd := range got {
		if on, err := closesOnExec(fd); err != nil || !on {
			t.Errorf("descriptor %d stays open on exec (%v)", fd, err)
		}
		g := os.NewFile(uintptr(fd), "copy")
		if is, err := g.Stat(); err != nil || !os.SameFile(is, want) {
			t.Errorf("descriptor %d leads elsewhere (%v)", fd, err)
		}
		g.Close()
	}
}

func TestParseRightsRefusesOthers(t *testing.T) {
	b := Rights([]int{1})
	b[12] = 2 // SCM_CREDENTIALS
	if fds, err := ParseRights(b); !errors.Is(err, ErrAncillary) || len(fds) != 0 {
		t.Errorf("%v, %v", fds, err)
	}
	if fds, err := ParseRights([]byte{1, 2, 3}); err == nil && len(fds) > 0 {
		t.Errorf("three bytes are %v", fds)
	}
}

func TestPeerCredentials(t *testing.T) {
	a, _ := unixPair(t)
	c, err := PeerCredentials(a)
	if err != nil || c.PID != os.Getpid() || c.UID != uint32(os.Getuid()) || c.GID != uint32(os.Getgid()) {
		t.Errorf("%+v, %v", c, err)
	}
}
