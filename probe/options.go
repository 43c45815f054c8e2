package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// SocketKind is how ICMP is sent.
type SocketKind uint8

// The kinds. Auto takes raw sockets if the process may open them, else datagram ones.
const (
	Auto     SocketKind = iota
	Raw                 // needs CAP_NET_RAW; sees all errors, and damage that the checksum tells of
	Datagram            // needs the group to be in net.ipv4.ping_group_range; the kernel checks checksums before us
)

// String is the kind's name.
func (k SocketKind) String() string {
	switch k {
	case Raw:
		return "raw"
	case Datagram:
		return "datagram"
	}
	return "auto"
}

// Options say how to probe. The zero value of each field means its default.
type Options struct {
	Interval  time.Duration // between probes of one target; default 1s
	TotalRate float64       // probes a second to all targets together, instead of Interval
	Count     uint64        // probes for each target; nought: until the context ends
	Duration  time.Duration // stop sending after it; nought: no bound

	Size     int // bytes of payload; default 56
	SizeMax  int // with SizeStep, sizes go from Size to SizeMax and begin again
	SizeStep int
	Pattern  Pattern

	Timeout time.Duration // default 1s
	Late    time.Duration // how long after its timeout an answer is still known as late; default 1s

	TTL          int // default: the system's
	TOS          int // DSCP in the upper six bits, ECN in the lower two
	DontFragment bool
	Source4      netip.Addr
	Source6      netip.Addr
	Interface    string

	Sockets    SocketKind
	Domain     Domain // the best clock domain to use; default the best there is, without changing the network card
	MaxSlots   int    // probes remembered at most; default 4,194,304, or 0.5 GB: it takes as much only if as many are under way
	BufferSize int    // room for what is received, in bytes; default 16 MiB, or what the system gives

	// OnEvent is told what became of each probe. It is called by the prober's goroutine while it holds its lock: it must
	// return soon, must not call the prober, and must not keep the event.
	OnEvent func(*Event)
}

// Defaults.
const (
	DefaultInterval = time.Second
	DefaultSize     = 56
	DefaultTimeout  = time.Second
	DefaultMaxSlots = 1 << 22
	DefaultBuffer   = 16 << 20
)

// withDefaults fills in what is nought.
func (o Options) withDefaults(targets int) Options {
	if o.TotalRate > 0 && targets > 0 {
		o.Interval = time.Duration(float64(targets) / o.TotalRate * float64(time.Second))
	}
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.Interval, DefaultInterval)
	set(&o.Timeout, DefaultTimeout)
	set(&o.Late, time.Second)
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	o.SizeMax = max(o.SizeMax, o.Size)
	if o.MaxSlots == 0 {
		o.MaxSlots = DefaultMaxSlots
	}
	if o.BufferSize == 0 {
		o.BufferSize = DefaultBuffer
	}
	if o.Domain == NoDomain {
		o.Domain = Hardware
	}
	return o
}

// Bounds of times. A timeout is within what histograms hold, and an interval above what one socket can send.
const (
	minInterval = time.Microsecond
	maxTimeout  = time.Minute
)

// validate says what is wrong, once defaults are filled in.
func (o Options) validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(o.Interval < minInterval || o.Interval > 24*time.Hour, "an interval of %v between probes of one target is not within %v and 24h", o.Interval, minInterval)
	fault(o.TotalRate < 0, "a rate is above nought, not %v", o.TotalRate)
	fault(o.Size < MinSize || o.SizeMax > MaxSize, "a payload has %d to %d bytes, not %d to %d; its first %d tell the probe", MinSize, MaxSize, o.Size, o.SizeMax, IdentityLength)
	fault(o.SizeStep < 0, "a step between sizes is above nought, not %d", o.SizeStep)
	fault(o.Timeout < time.Millisecond || o.Timeout > maxTimeout, "a timeout is 1ms to %v, not %v", maxTimeout, o.Timeout)
	fault(o.Late < 0 || o.Late > maxTimeout, "late answers are known for at most %v, not %v", maxTimeout, o.Late)
	fault(o.TTL < 0 || o.TTL > 255, "a time to live is 1 to 255, not %d", o.TTL)
	fault(o.TOS < 0 || o.TOS > 255, "a TOS byte is 0 to 255, not %d", o.TOS)
	fault(o.Source4.IsValid() && !o.Source4.Is4(), "%v is no IPv4 address", o.Source4)
	fault(o.Source6.IsValid() && !o.Source6.Is6(), "%v is no IPv6 address", o.Source6)
	fault(o.Domain >= domains, "there is no such clock domain")
	fault(o.MaxSlots < 64, "at least 64 probes have to be remembered, not %d", o.MaxSlots)
	return errors.Join(faults...)
}
