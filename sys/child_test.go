package sys

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func closesOnExec(fd int) (bool, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return flags&unix.FD_CLOEXEC != 0, err
}

func start(t *testing.T, script string) *Process {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	if err := (Privileges{}).StartWith(cmd); err != nil {
		t.Fatal(err)
	}
	p, err := OpenProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if err := cmd.Process.Release(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProcessWait(t *testing.T) {
	for script, want := range map[string]string{
		"exit 0":              "exit status 0",
		"exit 7":              "exit status 7",
		"kill -KILL $$":       "signal: killed",
		"sleep 0.05; exit 3":  "exit status 3",
		"kill -TERM $$; true": "signal: terminated",
	} {
		p := start(t, script)
		for range 2 { // the status stays until the child is reaped
			exit, err := p.Wait()
			if err != nil || !exit.Known || exit.String() != want {
				t.Errorf("%s: %v, %v", script, exit, err)
			}
		}
		p.Reap()
		if exit, err := p.Wait(); err != nil || exit.Known {
			t.Errorf("%s: reaped, and %v, %v", script, exit, err)
		}
	}
}

func TestProcessSignal(t *testing.T) {
	p := start(t, "exec sleep 60")
	if !IsAlive(p.PID()) {
		t.Error("it has not ended yet")
	}
	if err := p.Signal(SIGKILL); err != nil {
		t.Fatal(err)
	}
	if exit, err := p.Wait(); err != nil || exit.Signal != SIGKILL {
		t.Fatal(exit, err)
	}
	if err := p.Signal(SIGTERM); err != nil {
		t.Errorf("a process that has ended: %v", err)
	}
	p.Reap()
	if IsAlive(p.PID()) || IsAlive(1<<30) {
		t.Error("alive?")
	}
}

// TestProcessOfAnother waits for a process that is no child: its end is seen, its status is not.
func TestProcessOfAnother(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!")
	out, err := cmd.Output() // the shell is gone, its child is not ours
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	for _, c := range strings.TrimSpace(string(out)) {
		pid = pid*10 + int(c-'0')
	}
	p, err := OpenProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	time.AfterFunc(30*time.Millisecond, func() { _ = p.Signal(SIGKILL) })
	if exit, err := p.Wait(); err != nil || exit.Known {
		t.Errorf("%v, %v", exit, err)
	}
}

func TestProcessCloseEndsWait(t *testing.T) {
	p := start(t, "exec sleep 60")
	defer syscall.Kill(p.PID(), syscall.SIGKILL)
	time.AfterFunc(30*time.Millisecond, func() { p.Close() })
	if _, err := p.Wait(); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// status is a line of /proc/self/status as a child with these privileges sees it.
func status(t *testing.T, p Privileges) map[string]string {
	t.Helper()
	var out strings.Builder
	cmd := exec.Command("/bin/cat", "/proc/self/status")
	cmd.Stdout = &out
	if err := p.StartWith(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(out.String()) {
		name, value, _ := strings.Cut(line, ":")
		lines[name] = strings.Join(strings.Fields(value), " ")
	}
	return lines
}

func TestPrivileges(t *testing.T) {
	before := status(t, Privileges{})
	if before["NoNewPrivs"] != "0" {
		t.Skip("this process may gain no privileges itself")
	}
	s := status(t, Privileges{NoNewPrivs: true, DropCapabilities: true})
	if s["NoNewPrivs"] != "1" || strings.Trim(s["CapEff"], "0") != "" || strings.Trim(s["CapPrm"], "0") != "" || strings.Trim(s["CapAmb"], "0") != "" {
		t.Errorf("stripped: %v, effective %v, permitted %v, ambient %v", s["NoNewPrivs"], s["CapEff"], s["CapPrm"], s["CapAmb"])
	}
	if after := status(t, Privileges{}); after["NoNewPrivs"] != "0" || after["CapBnd"] != before["CapBnd"] {
		t.Errorf("what a child was denied, the next one lacks: %v, %v", after["NoNewPrivs"], after["CapBnd"])
	}
	if os.Getuid() != 0 {
		return // only root can become another
	}
	raw, err := ParseCapability("net_raw")
	if err != nil {
		t.Fatal(err)
	}
	s = status(t, Privileges{User: true, UID: 65534, GID: 65533, Groups: []uint32{7}, DropCapabilities: true, Keep: []Capability{raw}, NoNewPrivs: true})
	if s["Uid"] != "65534 65534 65534 65534" || s["Gid"] != "65533 65533 65533 65533" || s["Groups"] != "7" {
		t.Errorf("user %v, group %v, groups %v", s["Uid"], s["Gid"], s["Groups"])
	}
	if s["CapEff"] != "0000000000002000" || s["CapBnd"] != "0000000000002000" {
		t.Errorf("effective %v, bounding %v; only CAP_NET_RAW was to be kept", s["CapEff"], s["CapBnd"])
	}
	if s["SigBlk"] != "0000000000000000" {
		t.Errorf("signals are blocked: %v", s["SigBlk"])
	}
}

func TestParseCapability(t *testing.T) {
	for _, name := range []string{"CAP_NET_BIND_SERVICE", "net_bind_service", "cap_Net_Bind_Service"} {
		if c, err := ParseCapability(name); err != nil || c != 10 || c.String() != "CAP_NET_BIND_SERVICE" {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	if _, err := ParseCapability("net_everything"); !errors.Is(err, ErrCapability) {
		t.Error(err)
	}
	if c, err := ParseCapability("checkpoint_restore"); err != nil || c != unix.CAP_CHECKPOINT_RESTORE {
		t.Error(c, err)
	}
}

func TestFixSize(t *testing.T) {
	f, err := Memfd("fixed")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := FixSize(f, 4096); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Write(make([]byte, 8192)); err == nil || n > 4096 {
		t.Errorf("%d bytes written, %v", n, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 4096 {
		t.Error(info.Size(), err)
	}
}

func TestDupAboveAndKeepOnExec(t *testing.T) {
	f, err := Memfd("dup")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := DupAbove(FileDescriptor(f), 200)
	if err != nil || fd < 200 {
		t.Fatal(fd, err)
	}
	defer Close(fd)
	if on, _ := closesOnExec(fd); !on {
		t.Error("a copy stays open on exec")
	}
	if err := KeepOnExec(fd, true); err != nil {
		t.Fatal(err)
	}
	if on, _ := closesOnExec(fd); on {
		t.Error("not kept")
	}
	if !IsOpen(fd) || IsOpen(1<<20) || IsSocket(fd) {
		t.Error("what is open, and what is a socket?")
	}
}

// TestDefaultAction takes Go's handler of a signal away and brings it back.
func TestDefaultAction(t *testing.T) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, SIGTERM)
	defer signal.Stop(c)
	restore := DefaultAction(SIGTERM)
	var now sigaction
	setAction(SIGTERM, nil, &now)
	restore()
	if now.handler != 0 {
		t.Errorf("the handler is %#x", now.handler)
	}
	if err := syscall.Kill(os.Getpid(), SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c:
	case <-time.After(5 * time.Second):
		t.Error("the handler has not come back")
	}
}

func TestExecFails(t *testing.T) {
	var perr *os.PathError
	if err := Exec("/nonexistent", []string{"x"}, nil); !errors.As(err, &perr) || !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}
