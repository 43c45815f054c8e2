package health

import (
	"net/netip"

	"github.com/ringway/ringway/probe"
)

// Permitted says whether this process may do what s asks for. If not it is a *probe.PermissionError, which says how to get the
// permission; only checks by icmp need any.
func (s *Spec) Permitted() error {
	if s == nil || s.ICMP == nil {
		return nil
	}
	return permitted(s.ICMP.Sockets.probe())
}

// RawSockets reports whether s takes raw sockets where they are permitted.
func (s *Spec) RawSockets() bool {
	return s != nil && s.ICMP != nil && s.ICMP.Sockets != DatagramSockets
}

// RawPermitted reports whether this process may open raw sockets.
func RawPermitted() bool { return permitted(probe.Raw) == nil }

// permitted opens what it takes to ping, and sends nothing.
func permitted(kind probe.SocketKind) error {
	p, err := probe.New([]probe.Target{{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}}, probe.Options{Sockets: kind, BufferSize: pingBuffer})
	if err != nil {
		return err
	}
	p.Close()
	return nil
}
