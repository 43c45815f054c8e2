package uring

import (
	"syscall"

	"github.com/ringway/ringway/loop"
)

// OpenWithEventfd opens a driver as on a kernel that cannot post messages on rings.
func OpenWithEventfd(cfg loop.DriverConfig) (loop.Driver, error) {
	return open(cfg, func(int, uint64) error { return syscall.EINVAL })
}
