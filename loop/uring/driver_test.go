package uring_test

import (
	"testing"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/drivertest"
	"github.com/ringway/ringway/loop/uring"
)

// needRing skips where the kernel is too old or policy forbids io_uring, and for no other reason.
func needRing(t *testing.T) {
	t.Helper()
	if err := uring.Probe(); err != nil {
		t.Skipf("io_uring cannot be used here: %v", err)
	}
}

func TestConformance(t *testing.T) {
	needRing(t)
	drivertest.Run(t, uring.New)
}

// Kernels before 6.13 cannot post a message on a ring from a thread without one.
func TestConformanceWithEventfd(t *testing.T) {
	needRing(t)
	drivertest.Run(t, uring.OpenWithEventfd)
}

func TestBadSizesAreRefused(t *testing.T) {
	needRing(t)
	if d, err := uring.New(loop.DriverConfig{Entries: 0, RecvSize: 4096, RecvBlocks: 4}); err == nil {
		d.Close()
		t.Fatal("a ring without entries was opened")
	}
}
