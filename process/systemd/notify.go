package systemd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ringway/ringway/sys"
)

// Getenv looks an environment variable up; os.Getenv is one.
type Getenv func(string) string

// Notifier tells the service manager how we are. The zero value tells nobody.
type Notifier struct{ address string }

// NewNotifier takes the address from NOTIFY_SOCKET.
func NewNotifier(env Getenv) Notifier {
	address := env("NOTIFY_SOCKET")
	if !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "@") {
		return Notifier{} // absent, or of a kind that we do not speak (vsock)
	}
	return Notifier{address}
}

// timeout bounds how long a service manager that does not read may hold us.
const timeout = time.Second

// Send sends assignments, each NAME=value.
func (n Notifier) Send(assignments ...string) error {
	if n.address == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := c.Write([]byte(strings.Join(assignments, "\n"))); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// Ready says that we serve, which process is the main one, and what to show as status.
func (n Notifier) Ready(pid int, status string) error {
	return n.Send("READY=1", "MAINPID="+strconv.Itoa(pid), "STATUS="+line(status))
}

// Reloading says that a reload or an upgrade has begun; Ready ends it.
func (n Notifier) Reloading(status string) error {
	return n.Send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(sys.MonotonicMicros(), 10), "STATUS="+line(status))
}

// Stopping says that we are about to end.
func (n Notifier) Stopping(status string) error { return n.Send("STOPPING=1", "STATUS="+line(status)) }

// Alive keeps the watchdog quiet.
func (n Notifier) Alive() error { return n.Send("WATCHDOG=1") }

// line keeps a status from being more than one assignment.
func line(s string) string { return strings.ReplaceAll(s, "\n", "; ") }

// Watchdog is how often the service manager wants to hear from us at least; 0 if it does not.
func Watchdog(env Getenv, pid int) time.Duration {
	if p := env("WATCHDOG_PID"); p != "" && p != strconv.Itoa(pid) {
		return 0
	}
	usec, err := strconv.ParseUint(env("WATCHDOG_USEC"), 10, 52)
	if err != nil {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}
