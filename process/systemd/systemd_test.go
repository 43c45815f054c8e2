package systemd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/sys"
)

// TestMain is also the program that TestActivated runs: only a process of its own can have sockets from descriptor 3 on.
func TestMain(m *testing.M) {
	if os.Getenv("SYSTEMD_TEST_ACTIVATED") == "" {
		os.Exit(m.Run())
	}
	sockets, err := Activated(os.Getenv, os.Getpid())
	for _, s := range sockets {
		addr, aerr := sys.Getsockname(s.Fd)
		out, _ := exec.Command("/bin/sh", "-c", fmt.Sprintf("[ -e /proc/self/fd/%d ] && echo leaks || echo closed", s.Fd)).Output()
		fmt.Println(s.Name, s.Fd, addr, aerr, strings.TrimSpace(string(out)))
	}
	fmt.Println("err:", err)
}

func env(m map[string]string) Getenv { return func(k string) string { return m[k] } }

func TestNotify(t *testing.T) {
	for _, address := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@ringway-test-%d", os.Getpid())} {
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		n := NewNotifier(env(map[string]string{"NOTIFY_SOCKET": address}))
		before := sys.MonotonicMicros()
		for _, s := range []struct {
			send func() error
			want string
		}{
			{func() error { return n.Ready(42, "two\nlines") }, "READY=1\nMAINPID=42\nSTATUS=two; lines"},
			{func() error { return n.Stopping("bye") }, "STOPPING=1\nSTATUS=bye"},
			{n.Alive, "WATCHDOG=1"},
		} {
			if err := s.send(); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, c); got != s.want {
				t.Errorf("got %q, want %q", got, s.want)
			}
		}
		if err := n.Reloading("r"); err != nil {
			t.Fatal(err)
		}
		var micros int64
		got := receive(t, c)
		if _, err := fmt.Sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%d\nSTATUS=r", &micros); err != nil || micros < before || micros > sys.MonotonicMicros() {
			t.Errorf("%q: %v", got, err)
		}
	}
}

func receive(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestNobodyToNotify(t *testing.T) {
	for _, address := range []string{"", "vsock:2:1234"} {
		if err := NewNotifier(env(map[string]string{"NOTIFY_SOCKET": address})).Ready(1, ""); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
	if err := NewNotifier(env(map[string]string{"NOTIFY_SOCKET": "/nonexistent/socket"})).Ready(1, ""); err == nil {
		t.Error("told a socket that is not there")
	}
}

func TestWatchdog(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{{"2000000", "", 2 * time.Second}, {"2000000", "7", 2 * time.Second}, {"2000000", "8", 0}, {"", "", 0}, {"-1", "", 0}, {"99999999999999999999", "", 0}} {
		if got := Watchdog(env(map[string]string{"WATCHDOG_USEC": c.usec, "WATCHDOG_PID": c.pid}), 7); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestActivated starts a program as systemd does: sockets from 3 on, and its own PID in the environment.
func TestActivated(t *testing.T) {
	var files []*os.File
	var want []string
	for i, name := range []string{"web", "web", "db"} {
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
		files = append(files, f)
		want = append(want, fmt.Sprintf("%s %d %s <nil> closed", name, 3+i, l.Addr()))
	}
	run := func(variables string) string {
		cmd := exec.Command("/bin/sh", "-c", variables+" SYSTEMD_TEST_ACTIVATED=1 exec "+os.Args[0])
		cmd.ExtraFiles = files
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if got := run("LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=web:web:db"); got != strings.Join(want, "\n")+"\nerr: <nil>\n" {
		t.Errorf("got\n%swant\n%s", got, strings.Join(want, "\n"))
	}
	for variables, want := range map[string]string{
		"LISTEN_PID=1 LISTEN_FDS=3":                        "err: <nil>\n",
		"LISTEN_PID=$$ LISTEN_FDS=x":                       `err: socket activation: LISTEN_FDS is "x"` + "\n",
		"LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=a:b":    "err: socket activation: 2 names for 3 descriptors\n",
		"LISTEN_PID=$$ LISTEN_FDS=40 LISTEN_FDNAMES=":      "is no socket\n",
		"LISTEN_PID=$$ LISTEN_FDS=5000000 LISTEN_FDNAMES=": `err: socket activation: LISTEN_FDS is "5000000"` + "\n",
	} {
		if got := run(variables); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q", variables, got)
		}
	}
}
