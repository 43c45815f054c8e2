package gateway

import (
	"fmt"
	"log/slog"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/loop/uring"
)

// ChooseDriver gives the driver of that name. Auto takes io_uring, and epoll where the kernel or its policy (seccomp,
// sysctl) forbids it; the log says so once.
func ChooseDriver(name DriverName, log *slog.Logger) (loop.NewDriver, DriverName, error) {
	if name == Epoll {
		return epoll.New, Epoll, nil
	}
	err := uring.Probe()
	switch {
	case err == nil:
		return uring.New, Uring, nil
	case name == Uring:
		return nil, "", fmt.Errorf("runtime.driver is uring, but io_uring cannot be used here: %w", err)
	}
	log.Warn("io_uring cannot be used here, epoll serves instead", "why", err)
	return epoll.New, Epoll, nil
}
