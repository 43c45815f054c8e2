package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/ringway/ringway/proto/icmp"
	"github.com/ringway/ringway/sys"
)

// Sizes of a socket's batches.
const (
	batchLength   = 64
	controlLength = 256 // a stamp takes 64 bytes, an error with its sender 64, the overflow count 24
	errorLength   = 256 // of a packet that the error queue hands back: its headers and our identity
	maxIPHeader   = 60
)

// socket is the one ICMP socket of a family. It belongs to the engine's goroutine.
type socket struct {
	fd     int
	family icmp.Family
	raw    bool
	id     uint16
	domain Domain // the best that it can reach
	named  bool   // we name the identifiers of transmit stamps; else they come with the packet
	out    *sys.Messages
	in     *sys.Messages
	errs   *sys.Messages
	batch  []uint64 // numbers of the probes in out
	from   int      // the first of the batch that is not sent
	full   bool     // the kernel's send buffer is
	drops  uint32
	nonce  [8]byte
}

// PermissionError says that this process may open neither kind of ICMP socket.
type PermissionError struct{ Err error }

// Error explains both ways to get the permission.
func (e *PermissionError) Error() string {
	program := "ringway"
	if p, err := os.Executable(); err == nil { // links are resolved in it
		program = p
	}
	return fmt.Sprintf(`no permission to send ICMP (%v). Either of these gives it:
  sudo setcap cap_net_raw+ep %s      # raw sockets, for this program
  sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"      # datagram sockets, for all users; no raw sockets, same measurement`, e.Err, program)
}

// Unwrap gives the refusal of the raw socket.
func (e *PermissionError) Unwrap() error { return e.Err }

// openSocket opens and sets a socket up.
func openSocket(f icmp.Family, o *Options, nonce uint64) (*socket, error) {
	s, err := openKind(f, o.Sockets)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint64(s.nonce[:], nonce)
	if err := s.setup(o, nonce); err != nil {
		_ = sys.Close(s.fd)
		return nil, fmt.Errorf("%v socket: %w", f, err)
	}
	size := o.SizeMax + icmp.HeaderLength
	n := batchLength
	if size > 4096 {
		n = 16
	}
	s.out = sys.NewMessages(n, size, 64)
	s.in = sys.NewMessages(n, size+maxIPHeader+64, controlLength)
	s.errs = sys.NewMessages(batchLength, errorLength, controlLength)
	s.batch = make([]uint64, 0, n)
	return s, nil
}

func openKind(f icmp.Family, k SocketKind) (*socket, error) {
	number := sys.AF_INET
	if f == icmp.V6 {
		number = sys.AF_INET6
	}
	var refused error
	if k != Datagram {
		fd, err := sys.ICMPSocket(number, true)
		if err == nil {
			return &socket{fd: fd, family: f, raw: true}, nil
		}
		if !sys.IsDenied(err) {
			return nil, fmt.Errorf("%v: %w", f, err)
		}
		refused = err
		if k == Raw {
			return nil, &PermissionError{refused}
		}
	}
	fd, err := sys.ICMPSocket(number, false)
	switch {
	case err == nil:
		return &socket{fd: fd, family: f}, nil
	case sys.IsDenied(err):
		return nil, &PermissionError{err}
	}
	return nil, fmt.Errorf("%v: %w", f, err)
}

func (s *socket) number() int {
	if s.family == icmp.V6 {
		return sys.AF_INET6
	}
	return sys.AF_INET
}

// setup sets what the options ask for, and what every socket needs.
func (s *socket) setup(o *Options, nonce uint64) error {
	family := s.number()
	steps := []func() error{
		func() error { return sys.SetRecvErr(s.fd, family) },
		func() error { return sys.SetRxqOvfl(s.fd) },
		func() error { return sys.SetBuffers(s.fd, o.BufferSize, o.BufferSize) },
		func() error {
			if o.DontFragment {
				return sys.SetProbeMTU(s.fd, family)
			}
			return sys.SetAllowFragments(s.fd, family)
		},
		func() error { return s.bind(o) },
		func() error { return s.attachFilter(nonce) },
		func() error { return s.stampBy(o) },
	}
	if o.TTL > 0 {
		steps = append(steps, func() error { return sys.SetTTL(s.fd, family, o.TTL) })
	}
	if o.TOS > 0 {
		steps = append(steps, func() error { return sys.SetTOS(s.fd, family, o.TOS) })
	}
	if o.Interface != "" {
		steps = append(steps, func() error { return sys.BindToDevice(s.fd, o.Interface) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// bind gives the socket its source address and learns its identifier: a datagram socket's is its port, a raw one's is ours
// to choose.
func (s *socket) bind(o *Options) error {
	source := o.Source4
	unspecified := netip.IPv4Unspecified()
	if s.family == icmp.V6 {
		source, unspecified = o.Source6, netip.IPv6Unspecified()
	}
	if s.raw && !source.IsValid() {
		s.id = uint16(binary.BigEndian.Uint64(s.nonce[:]) >> 17)
		return nil
	}
	if !source.IsValid() {
		source = unspecified
	}
	var sa sys.Sockaddr
	if err := sa.SetAddrPort(netip.AddrPortFrom(source, 0)); err != nil {
		return err
	}
	if err := sys.Bind(s.fd, &sa); err != nil {
		return fmt.Errorf("source %v: %w", source, err)
	}
	if s.raw {
		s.id = uint16(binary.BigEndian.Uint64(s.nonce[:]) >> 17)
		return nil
	}
	name, err := sys.Getsockname(s.fd)
	s.id = name.Port()
	return err
}

func (s *socket) attachFilter(nonce uint64) error {
	code, err := filter(s.family, s.raw && s.family == icmp.V4, s.id, nonce)
	if err != nil {
		return err
	}
	program := make([]sys.SockFilter, len(code))
	for i, c := range code {
		program[i] = sys.SockFilter{Code: c.Op, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	return sys.AttachFilter(s.fd, program)
}

// stampBy switches on the best stamps that there are, within the domain that was asked for.
func (s *socket) stampBy(o *Options) error {
	try := []struct {
		domain Domain
		set    func() error
	}{
		{Software, func() error { s.named = sys.HasTimestampID(); return sys.SetTimestamping(s.fd, s.named) }},
		{ReceiveNano, func() error { return sys.SetTimestampNS(s.fd) }},
		{ReceiveMicro, func() error { return sys.SetTimestamp(s.fd) }},
	}
	s.domain = User
	var refused error
	for _, t := range try {
		if t.domain > o.Domain {
			continue
		}
		if refused = t.set(); refused == nil {
			s.domain = t.domain
			return nil
		}
		s.named = false
		if !sys.IsNotSupported(refused) {
			return refused
		}
	}
	return nil
}

// checked reports whether the kernel refuses wrong checksums before the socket sees them.
func (s *socket) checked() bool { return !s.raw || s.family == icmp.V6 }

// room reports whether one more probe can be put into the batch.
func (s *socket) room() bool { return len(s.batch) < s.out.Len() }

// put builds a probe's packet into the batch.
func (s *socket) put(p Pattern, nonce, number uint64, size int, ttl uint8, to netip.Addr) error {
	i := len(s.batch)
	b := icmp.AppendEchoRequest(s.out.Buffer(i), icmp.V6, s.id, uint16(number), nil)
	b = p.appendPayload(b, nonce, number, size)
	if s.family == icmp.V4 {
		b[0] = icmp.TypeEchoRequestV4
		icmp.SetChecksum(b)
	}
	if err := s.out.Prepare(i, len(b), to); err != nil {
		return err
	}
	if s.named {
		s.out.AddControl(i, sys.SOL_SOCKET, sys.SCM_TS_OPT_ID, uint32(number))
	}
	if ttl > 0 && s.family == icmp.V4 {
		s.out.AddControl(i, sys.SOL_IP, sys.IP_TTL, uint32(ttl))
	} else if ttl > 0 {
		s.out.AddControl(i, sys.SOL_IPV6, sys.IPV6_HOPLIMIT, uint32(ttl))
	}
	s.batch = append(s.batch, number)
	return nil
}

// What became of the first packet of a batch that the kernel refused.
var (
	errNoRoom = errors.New("this host's queue is full")
	errTooBig = errors.New("larger than the interface's MTU")
)

// refusal turns the kernel's refusal of a packet into an outcome.
func refusal(err error) (Outcome, error) {
	switch {
	case sys.IsExhausted(err):
		return LocalDrop, errNoRoom
	case sys.IsTooBig(err):
		return TooBig, errTooBig
	case sys.IsUnreachable(err):
		return SendFailed, fmt.Errorf("no route: %w", err)
	case sys.IsDenied(err):
		return SendFailed, fmt.Errorf("not permitted (a broadcast address, or a firewall of this host): %w", err)
	}
	return SendFailed, err
}
