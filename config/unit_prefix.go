package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Prefix is a network as 10.0.0.0/8 or 2001:db8::/32, or a single address. IPv4 addresses written inside of IPv6 ones
// are held as IPv4, so that one network has one value. The zero value is none.
type Prefix struct {
	netip.Prefix
}

// String writes it; a single address without its length.
func (p Prefix) String() string {
	switch {
	case !p.IsValid():
		return ""
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.Prefix.String()
}

// MarshalText writes what UnmarshalText reads.
func (p Prefix) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads it; the error is an *Error.
func (p *Prefix) UnmarshalText(text []byte) error {
	s := string(text)
	wrong := &Error{Problem: fmt.Sprintf("expected %s, found %s", p.Expects(), quoted(s))}
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return wrong
		}
		p.Prefix = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		return nil
	}
	v, err := netip.ParsePrefix(s)
	if err != nil {
		return wrong
	}
	if v != v.Masked() {
		return &Error{Problem: fmt.Sprintf("%s has bits set beyond its length", quoted(s)), Suggestion: v.Masked().String()}
	}
	const mapped = 96 // bits of ::ffff:0:0/96 before the IPv4 address
	if v.Addr().Is4In6() && v.Bits() >= mapped {
		v = netip.PrefixFrom(v.Addr().Unmap(), v.Bits()-mapped)
	}
	p.Prefix = v
	return nil
}

// Expects says what a network looks like.
func (p *Prefix) Expects() string {
	return "a network such as 10.0.0.0/8 or an address such as 10.0.0.1"
}

func (p *Prefix) numbers() bool { return false }
