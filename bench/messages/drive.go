package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/ringway/ringway/sys"
	"github.com/ringway/ringway/sys/epoll"
)

// Result is what a run prints. Times are nanoseconds.
type Result struct {
	Messages int64         `json:"messages"`
	Elapsed  time.Duration `json:"elapsed_ns"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
}

const (
	// receiveSize is how much one receive may bring.
	receiveSize = 256 << 10
	// silence is how long no connection may hear anything.
	silence = 5 * time.Second
)

// driver keeps one message in flight on each of its connections.
type driver struct {
	ep           int
	conns        []connection
	out, pattern []byte
	in           []byte
	took         histogram
}

// connection is one of the driver's, by its place in the slice.
type connection struct {
	fd     int32
	number uint64 // of the message in flight
	got    int    // bytes of its answer
	sent   time.Time
}

// connect opens all connections.
func connect(o options) (*driver, error) {
	to, err := netip.ParseAddrPort(o.to)
	if err != nil {
		return nil, err
	}
	var addr sys.Sockaddr
	if err := addr.SetAddrPort(to); err != nil {
		return nil, err
	}
	if _, err := sys.RaiseFileLimit(); err != nil {
		return nil, err
	}
	d := &driver{conns: make([]connection, o.connections), out: patternOf(o.send), pattern: patternOf(o.receive),
		in: make([]byte, receiveSize)}
	if d.ep, err = epoll.Create(); err != nil {
		return nil, err
	}
	for i := range d.conns {
		fd, err := open(&addr)
		if err != nil {
			return nil, err
		}
		d.conns[i] = connection{fd: int32(fd), number: uint64(i) << 32}
		if err := epoll.Add(d.ep, int32(fd), epoll.EPOLLIN, int32(i), 0); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// open connects one socket. It waits while it does, and never again after that.
func open(addr *sys.Sockaddr) (int, error) {
	fd, err := sys.StreamSocket(addr.Family(), false)
	if err != nil {
		return -1, err
	}
	if n := sys.Connect(int32(fd), addr.Pointer(), addr.Len()); n < 0 {
		return -1, sys.Error("connect", n)
	}
	if err := sys.SetNoDelay(fd, true); err != nil {
		return -1, err
	}
	return fd, sys.SetNonblock(fd, true)
}

// run drives for the time given, and until there is an answer.
func (d *driver) run(duration time.Duration) (Result, error) {
	start := time.Now()
	for i := range d.conns {
		if err := d.send(&d.conns[i], start); err != nil {
			return Result{}, err
		}
	}
	events := make([]epoll.Event, 512)
	for heard := start; ; {
		n, err := epoll.Wait(d.ep, events, silence)
		if err != nil {
			return Result{}, err
		}
		now := time.Now()
		if elapsed := now.Sub(start); elapsed >= duration && d.took.count > 0 {
			return Result{d.took.count, elapsed, d.took.quantile(0.50), d.took.quantile(0.99)}, nil
		}
		if n > 0 {
			heard = now
		} else if now.Sub(heard) > silence { // and not a signal, which ends a wait too
			return Result{}, fmt.Errorf("heard nothing for %v", silence)
		}
		for i := range events[:n] {
			if err := d.receive(&d.conns[events[i].Fd], now); err != nil {
				return Result{}, err
			}
		}
	}
}

// send sends the connection's next message.
func (d *driver) send(c *connection, now time.Time) error {
	c.number++
	c.got, c.sent = 0, now
	binary.LittleEndian.PutUint64(d.out, c.number)
	n := sys.Send(c.fd, d.out, 0)
	if n < 0 {
		return sys.Error("send", n)
	}
	if int(n) != len(d.out) {
		return errors.New("the socket had no room for a message")
	}
	return nil
}

// receive takes what has come; a whole answer is followed by the next message.
func (d *driver) receive(c *connection, now time.Time) error {
	n := sys.Recv(c.fd, d.in)
	switch {
	case n == -sys.EAGAIN || n == -sys.EINTR:
		return nil
	case n < 0:
		return sys.Error("recv", n)
	case n == 0:
		return errors.New("the server ended a connection")
	}
	if !matches(d.in[:n], d.pattern, c.number, c.got) {
		return fmt.Errorf("message %#x came back wrong within %d bytes from byte %d on", c.number, n, c.got)
	}
	if c.got += int(n); c.got < len(d.pattern) {
		return nil
	}
	d.took.add(now.Sub(c.sent))
	return d.send(c, now)
}
