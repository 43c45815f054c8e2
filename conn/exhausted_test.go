package conn

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// exhaustedEnv tells the test binary that it is the child process that runs out of descriptors, and with which driver.
const exhaustedEnv = "RINGWAY_CONN_EXHAUSTED"

func TestListenerOutlivesLackOfDescriptors(t *testing.T) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) {
			if err := d.probe(); err != nil {
				t.Skip("needs io_uring as of Linux 6.1: ", err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), exhaustedEnv+"="+d.name)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

func exhaustedChild() int {
	for _, d := range drivers {
		if d.name == os.Getenv(exhaustedEnv) {
			if err := exhausted(d.open); err != nil {
				fmt.Println(err)
				return 1
			}
			return 0
		}
	}
	fmt.Println("no such driver")
	return 2
}

// exhausted listens, takes every descriptor that the process may have, connects, and sees whether the connection is
// served once there are descriptors again.
func exhausted(d loop.NewDriver) error {
	// io_uring's accept keeps the limit of when it began, so the limit comes first.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		return err
	}
	cfg := loop.DefaultConfig(0, d)
	cfg.Log = slog.New(slog.DiscardHandler)
	l, err := loop.Start(cfg)
	if err != nil {
		return err
	}
	lc := ListenConfig{Address: "127.0.0.1:0"}
	fd, ap, err := OpenListener(l.Sockets(), lc, l.NonBlocking())
	if err != nil {
		return err
	}
	to := &accepts{}
	var ln *Listener
	l.On(func() { ln = Listen(NewNet(l, DefaultLimits()), fd, lc, to) })
	client, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	time.Sleep(time.Microsecond) // Go's first timer opens its poller, and dies if it cannot
	taken, err := takeDescriptors(client)
	if err != nil {
		return err
	}
	if err := syscall.Connect(client, &syscall.SockaddrInet4{Port: int(ap.Port()), Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := waitOn(l, "two pauses", func() bool { return ln.Paused >= 2 }); err != nil {
		return err
	}
	if err := waitOn(l, "none accepted", func() bool { return len(to.conns) == 0 }); err != nil {
		return err
	}
	for _, fd := range taken {
		_ = syscall.Close(fd)
	}
	if err := waitOn(l, "the connection is accepted", func() bool { return len(to.conns) == 1 }); err != nil {
		return err
	}
	l.On(func() { to.conns[0].Abort(); ln.Close() })
	if _, err := syscall.Read(client, make([]byte, 1)); err != syscall.ECONNRESET {
		return fmt.Errorf("the client was connected to something else: %v", err)
	}
	return stop(l)
}

// takeDescriptors copies fd until the process may not open any more.
func takeDescriptors(fd int) (taken []int, err error) {
	for {
		d, err := syscall.Dup(fd)
		if err == syscall.EMFILE {
			return taken, nil
		}
		if err != nil {
			return taken, err
		}
		taken = append(taken, d)
	}
}

func waitOn(l *loop.Loop, what string, cond func() bool) error {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		ok := false
		l.On(func() { ok = cond() })
		if ok {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("never happened: %s", what)
		}
	}
}
