package process

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/process/link"
	"github.com/ringway/ringway/process/message"
)

// TestMasterDies: without its master a worker finishes what it has and ends.
func TestMasterDies(t *testing.T) {
	s := started(t, oneListener)
	address := s.address()
	talkers := s.talk(3)
	s.signal(syscall.SIGKILL)
	_ = s.ended()
	for _, k := range talkers {
		if err := k.say(0); err != nil {
			t.Error(err)
		}
		k.c.Close()
	}
	s.noneLeft()
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("somebody still accepts")
	}
	s.start() // what is left of the files does not keep another one from starting
	s.until("running", func(st MasterStatus) bool { return st.Phase == "running" })
}

// TestWorkerSurvivesItsMaster kills the master under load, again and again. The worker goes on; the next master adopts it,
// with its sockets and connections, and can do with it all that its own could: see it die, reload and upgrade it.
func TestWorkerSurvivesItsMaster(t *testing.T) {
	s := started(t, oneListener, "RINGWAY_TEST_SURVIVE=1")
	worker := s.only(1).Workers[0].PID
	address := s.address()
	talkers := s.talk(8)
	c := chat(talkers)
	stop, made := make(chan struct{}), make(chan error, 1)
	go func() { made <- connectAlways(address, stop) }()
	for range 4 {
		s.signal(syscall.SIGKILL)
		_ = s.ended()
		time.Sleep(20 * time.Millisecond)
		s.start()
		st := s.until("running", func(st MasterStatus) bool { return st.Phase == "running" })
		if len(st.Workers) != 1 || st.Workers[0].PID != worker || st.Workers[0].ID != 1 || st.PID != s.cmd.Process.Pid || st.Listeners[0].Bound != address ||
			st.Listeners[0].Sockets != 2 || st.ConfigHash != message.Hash([]byte(oneListener)) {
			t.Fatalf("%+v", st)
		}
	}
	two := oneListener + "listen more 127.0.0.1:0 1\n"
	s.write("config", two)
	if out, err := s.reload(ReloadRequest{}); err != nil || out.Hash != message.Hash([]byte(two)) {
		t.Errorf("reload: %+v, %v", out, err)
	}
	if err := s.upgrade(); err != nil {
		t.Errorf("upgrade: %v", err)
	}
	s.only(2)
	s.signal(syscall.SIGKILL)
	_ = s.ended()
	s.start()
	st := s.only(2)
	if len(st.Listeners) != 2 {
		t.Errorf("%+v", st.Listeners)
	}
	close(stop)
	if err := errors.Join(<-made, c.end()); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(st.Workers[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st = s.only(3)
	if len(st.Crashes) == 0 || st.Crashes[len(st.Crashes)-1].Worker != 2 {
		t.Errorf("%+v", st.Crashes)
	}
	s.signal(syscall.SIGTERM)
	if err := s.ended(); err != nil {
		t.Error(err)
	}
	s.noneLeft()
}

// TestOrphanRefusesStrangers: who connects to a worker without a master is not its master by that.
func TestOrphanRefusesStrangers(t *testing.T) {
	s := started(t, oneListener, "RINGWAY_TEST_SURVIVE=1")
	worker := s.only(1).Workers[0].PID
	s.signal(syscall.SIGKILL)
	_ = s.ended()
	path := filepath.Join(s.dir, "control")
	raw, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = raw.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	raw.Close()
	c := s.client()
	for name, err := range map[string]error{"drain": c.Drain(t.Context()), "stop": c.Stop(t.Context()), "reopen": c.Reopen(t.Context()), "upgrade": c.Upgrade(t.Context())} {
		if !errors.Is(err, &message.Refusal{Reason: message.ReasonForbidden}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if state, _, err := c.Status(t.Context()); err != nil || state != stateReady {
		t.Errorf("its status is %q, %v", state, err)
	}
	c.Close()
	s.start()
	if st := s.only(1); st.Workers[0].PID != worker {
		t.Errorf("%+v", st)
	}
	// A worker that has a master is nobody's to adopt.
	l, _, err := dial(t.Context(), path, newHello(message.RoleMaster, "test", 0))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Start(func(context.Context, *link.Delivery) link.Reply { return link.Reply{} })
	if _, _, err := link.Ask[*message.Adopted](t.Context(), l, &message.Adopt{}); !errors.Is(err, &message.Refusal{Reason: message.ReasonState}) {
		t.Errorf("adopted from a live master: %v", err)
	}
}

// TestOrphanEndsWhenTold: without a master a signal says when to end.
func TestOrphanEndsWhenTold(t *testing.T) {
	s := started(t, oneListener, "RINGWAY_TEST_SURVIVE=1")
	worker := s.only(1).Workers[0].PID
	k := s.talk(1)[0]
	s.signal(syscall.SIGKILL)
	_ = s.ended()
	if err := k.say(0); err != nil {
		t.Error(err)
	}
	time.Sleep(50 * time.Millisecond)
	if err := syscall.Kill(worker, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	k.c.Close()
	s.noneLeft()
}

// TestWorkerHearsTheEnd: while there is a master it is the master that says when to end. If it dies within seconds, a worker that was told
// so as well does not wait for another one.
func TestWorkerHearsTheEnd(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		s := started(t, oneListener, "RINGWAY_TEST_SURVIVE=1")
		worker := s.only(1).Workers[0].PID
		k := s.talk(1)[0]
		if err := syscall.Kill(worker, sig); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		if st := s.only(1); st.Workers[0].PID != worker || st.Workers[0].State != stateReady {
			t.Errorf("%+v", st)
		}
		s.signal(syscall.SIGKILL)
		_ = s.ended()
		if sig != syscall.SIGQUIT {
			if err := k.say(0); err != nil {
				t.Errorf("%v: it does not drain: %v", sig, err)
			}
			k.c.Close()
		}
		s.noneLeft()
	}
}

// TestServiceManager starts a master as systemd does: with a socket, a notification socket and a watchdog.
func TestServiceManager(t *testing.T) {
	s := newSetup(t, "listen web 127.0.0.1:1 3\n") // the address is the service manager's to choose
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	notify := filepath.Join(s.dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.command = func(cmd *exec.Cmd) {
		cmd.Args = []string{"sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec " + cmd.Path}
		cmd.Path, cmd.ExtraFiles = "/bin/sh", []*os.File{f}
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=200000")
	}
	s.start()
	pid := "MAINPID=" + strconv.Itoa(s.cmd.Process.Pid)
	s.hears(c, "READY=1", pid)
	if st := s.only(1); st.Listeners[0].Bound != l.Addr().String() || st.Listeners[0].Sockets != 1 {
		t.Errorf("%+v", st.Listeners)
	}
	k := s.talk(1)[0]
	s.hears(c, "WATCHDOG=1")
	s.signal(syscall.SIGHUP)
	s.hears(c, "RELOADING=1")
	s.hears(c, "READY=1", pid)
	if err := s.upgrade(); err != nil {
		t.Fatal(err)
	}
	s.hears(c, "READY=1", pid)
	s.only(2)
	for range 3 { // the new program as well
		s.hears(c, "WATCHDOG=1")
	}
	// A worker that does not answer: nobody says that all is well.
	worker := s.only(2).Workers[0].PID
	if err := syscall.Kill(worker, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	drainNotes(c)
	_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	b := make([]byte, 1000)
	if n, err := c.Read(b); err == nil {
		t.Errorf("a stopped worker, and the service manager hears %q", b[:n])
	}
	if err := syscall.Kill(worker, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.hears(c, "WATCHDOG=1")
	if err := k.say(0); err != nil {
		t.Error(err)
	}
	k.c.Close()
	s.signal(syscall.SIGTERM)
	s.hears(c, "STOPPING=1")
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

func drainNotes(c *net.UnixConn) {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	for b := make([]byte, 1000); ; {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

// hears waits for a notification that has all of these lines.
func (s *setup) hears(c *net.UnixConn, want ...string) {
	s.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for b := make([]byte, 1000); ; {
		n, err := c.Read(b)
		if err != nil {
			s.t.Fatalf("the service manager never heard %q: %v", want, err)
		}
		lines := strings.Split(string(b[:n]), "\n")
		if !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(lines, w) }) {
			return
		}
	}
}

// TestWorkerHasFewerPrivileges: the master opens a port that its worker could not, and the worker is nobody.
func TestWorkerHasFewerPrivileges(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start a worker as another user")
	}
	s := started(t, "listen web 127.0.0.41:843 2\n", "RINGWAY_TEST_USER=65534")
	for generation := range uint64(2) {
		worker := s.only(1 + generation).Workers[0].PID
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(worker), "status"))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"Uid:\t65534\t65534\t65534\t65534", "NoNewPrivs:\t1", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"} {
			if !strings.Contains(string(b), line+"\n") {
				t.Errorf("worker %d has not %q", 1+generation, line)
			}
		}
		k := s.talk(1)[0]
		k.c.Close()
		if err := s.upgrade(); err != nil {
			t.Fatal(err)
		}
	}
}
