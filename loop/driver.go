package loop

import (
	"time"

	"github.com/ringway/ringway/buf"
)

// Driver carries operations out. It is made and used on the loop's thread; only Wake may come from another.
// The conformance kit in loop/drivertest says what every driver must do.
type Driver interface {
	// Name is "uring", "epoll" or "sim".
	Name() string
	// Submit starts an operation. Its results come out of a later Reap, never out of Submit itself.
	Submit(op *Op)
	// Cancel asks for an operation in flight to end early. Its last result still comes, exactly once: -ECANCELED, or what
	// it was if it had already happened. An operation that is not in flight is left alone.
	Cancel(op *Op)
	// Hurry makes the next Wait end without waiting if a Quiet operation has been submitted whose success was not
	// delivered: somebody depends on it now. Otherwise that comes with whatever ends the Wait, and costs no wake-up.
	Hurry()
	// Wait hands everything submitted to the kernel and waits until something happened, d has passed (negative: without
	// end) or Wake was called. With d of nought it never waits.
	Wait(d time.Duration) error
	// Reap delivers what has completed and returns how many results that were.
	Reap() int
	// Wake ends a Wait, now or the next one, from any thread.
	Wake()
	// Return gives back a block that a Result lent.
	Return(b *buf.Block)
	// Now is the monotonic time in nanoseconds that Wait's timeouts and the loop's timers count in.
	Now() int64
	// Sockets are the calls on descriptors that answer at once. Any thread may use them.
	Sockets() Sockets
	// NonBlocking reports whether sockets must have O_NONBLOCK set (epoll) or must not (io_uring).
	NonBlocking() bool
	// Stats are the driver's own counters.
	Stats() DriverStats
	// Trim returns memory of idle buffers to the kernel.
	Trim()
	// Close frees everything. Operations in flight get no result.
	Close() error
}

// DriverStats are counters since the start, and the state of the buffers now.
type DriverStats struct {
	Submitted uint64 // operations
	Completed uint64 // results
	Enters    uint64 // calls that submit or wait
	Starved   uint64 // receives that had to wait for a buffer
	InFlight  int    // operations
	Lent      int    // buffers that the loop has not returned
}

// DriverConfig are the sizes of a driver.
type DriverConfig struct {
	Entries    int // operations that can be submitted at once
	RecvSize   int // bytes of a receive buffer
	RecvBlocks int // most receive buffers lent or waiting at a time
	// MessageBlocks is the same for OpRecvmsg, whose buffers hold the largest message (sys.MessageBlock); 0: as many as
	// RecvBlocks. A message makes no more of its buffer resident than it fills.
	MessageBlocks int
}

// DefaultDriverConfig gives the sizes that suit a gateway's loop: 32 KiB receive buffers, at most 2,048 of them, and at most
// 512 for messages.
func DefaultDriverConfig() DriverConfig {
	return DriverConfig{Entries: 1024, RecvSize: 32 << 10, RecvBlocks: 2048, MessageBlocks: 512}
}

// Messages is MessageBlocks, or what stands for it.
func (c DriverConfig) Messages() int {
	if c.MessageBlocks > 0 {
		return c.MessageBlocks
	}
	return c.RecvBlocks
}

// NewDriver opens a driver on the calling thread.
type NewDriver func(DriverConfig) (Driver, error)
