package conn

import (
	"time"

	"github.com/ringway/ringway/sys"
)

// SocketOptions are what connections that are dialled and those that are accepted have in common. What is nought is left as the
// kernel has it. Options of TCP on a Unix socket are errors.
type SocketOptions struct {
	ReceiveBuffer int           // bytes (SO_RCVBUF), which fixes what otherwise adapts
	SendBuffer    int           // bytes (SO_SNDBUF), the same
	Delay         bool          // leave Nagle's algorithm on
	KeepAlive     KeepAlive     // probes on a connection that is silent
	UserTimeout   time.Duration // how long sent data may stay unacknowledged before the connection is given up (RFC 5482)
}

// KeepAlive says how a silent connection is probed (RFC 9293, section 3.8.4): after Idle, every Interval, and Count probes
// without an answer end it. Any of them switches probing on, the others are then the kernel's.
type KeepAlive struct {
	Idle     time.Duration
	Interval time.Duration
	Count    int
}

// options are the socket options that stand for them.
func (s *SocketOptions) options() []sys.OptionValue {
	var list []sys.OptionValue
	set := func(o sys.Option, v int) {
		if v != 0 {
			list = append(list, sys.OptionValue{Option: o, Value: v})
		}
	}
	set(sys.SO_RCVBUF, s.ReceiveBuffer)
	set(sys.SO_SNDBUF, s.SendBuffer)
	if s.KeepAlive != (KeepAlive{}) {
		set(sys.SO_KEEPALIVE, 1)
		set(sys.TCP_KEEPIDLE, seconds(s.KeepAlive.Idle))
		set(sys.TCP_KEEPINTVL, seconds(s.KeepAlive.Interval))
		set(sys.TCP_KEEPCNT, s.KeepAlive.Count)
	}
	set(sys.TCP_USER_TIMEOUT, int((s.UserTimeout+time.Millisecond-1)/time.Millisecond))
	return list
}

// seconds rounds up: an option that counts seconds must not become none.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
