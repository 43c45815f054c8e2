package proxyproto

import "net/netip"

// Version is the version of the header at the start of a connection, as far as it is known.
type Version uint8

// What Detect finds.
const (
	// Undecided: so far the bytes are the beginning of a header, of either version, or there are none.
	Undecided Version = iota
	// None: there is no header.
	None
	// V1 is the text line.
	V1
	// V2 is the binary header.
	V2
)

// String names the version for logs and tests.
func (v Version) String() string { return [...]string{"undecided", "none", "v1", "v2"}[v&3] }

// Command says why the connection exists. The values are those of version 2.
type Command uint8

// The commands (§2.2).
const (
	// Local: the proxy opened the connection for itself, as for a health check.
	Local Command = iota
	// Proxy: the connection is relayed.
	Proxy
)

// String names the command as the specification does.
func (c Command) String() string { return [...]string{"LOCAL", "PROXY"}[c&1] }

// Family is the address family of the relayed connection. The values are those of version 2.
type Family uint8

// The families (§2.2).
const (
	Unspec Family = iota
	Inet
	Inet6
	Unix
)

// String names the family as the specification does, without AF_.
func (f Family) String() string { return [...]string{"UNSPEC", "INET", "INET6", "UNIX"}[f&3] }

// Transport is the socket type of the relayed connection. The values are those of version 2.
type Transport uint8

// The transports (§2.2).
const (
	UnspecTransport Transport = iota
	Stream
	Datagram
)

// String names the transport as the specification does.
func (t Transport) String() string { return [...]string{"UNSPEC", "STREAM", "DGRAM", "UNSPEC"}[t&3] }

// The limits of a header in bytes.
const (
	// MaxV1 is the longest line of version 1, its CRLF included (§2.1).
	MaxV1 = 107
	// SafeV2 is what fits in the smallest TCP segment that every host takes (§2): a header of version 2 up to this length is
	// never too long. HAProxy and others rely on that.
	SafeV2 = 536
	// DefaultMaxExtra is how much longer than SafeV2 a header of version 2 may be where the configuration does not say.
	// Certificates of clients in TLVs of their own make some so long.
	DefaultMaxExtra = 4 << 10
)

// Header is what a header says. The slices alias the bytes given to Parse and are valid until these are reused.
type Header struct {
	Version Version
	Command Command

	// Family is Unspec where the header has no addresses to use: for Local, for an UNKNOWN connection and for one of no
	// specified family. Then those of the connection itself are to be used (§2.1, §2.2), and Transport is UnspecTransport.
	Family    Family
	Transport Transport

	// Source and Destination are what the proxy saw as the peer's and its own address; valid for Inet and Inet6. An IPv4-mapped
	// IPv6 address stays one.
	Source, Destination netip.AddrPort
	// SourcePath and DestinationPath are the same for Unix. A path is empty for an unnamed socket, and starts with NUL for
	// an abstract one, whose trailing NULs are lost since the protocol has no length for it.
	SourcePath, DestinationPath []byte

	// TLVs are what follows the addresses in version 2, checked. AppendV2 does not write them: it is told what to add.
	TLVs TLVs
}

// Proxied returns the header of a relayed connection. Two IPv4 addresses, mapped ones among them, make it Inet; other valid
// ones make it Inet6 with IPv4 mapped, as HAProxy does it; without both addresses it is Unspec.
func Proxied(t Transport, source, destination netip.AddrPort) Header {
	h := Header{Command: Proxy, Family: Inet6, Transport: t, Source: source, Destination: destination}
	src, dst := source.Addr().Unmap(), destination.Addr().Unmap()
	switch {
	case !src.IsValid() || !dst.IsValid():
		return Header{Command: Proxy}
	case src.Is4() && dst.Is4():
		h.Family = Inet
		h.Source, h.Destination = netip.AddrPortFrom(src, source.Port()), netip.AddrPortFrom(dst, destination.Port())
	}
	return h
}

const (
	prefixV1    = "PROXY "
	signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// Detect tells from the first bytes of a connection which version its header has. At most 12 bytes are needed. It looks at
// the signature only, so that what it calls V1 or V2 may still be refused.
func Detect(b []byte) Version {
	switch {
	case len(b) >= len(signatureV2) && string(b[:len(signatureV2)]) == signatureV2:
		return V2
	case len(b) >= len(prefixV1) && string(b[:len(prefixV1)]) == prefixV1:
		return V1
	case len(b) < len(signatureV2) && string(b) == signatureV2[:len(b)],
		len(b) < len(prefixV1) && string(b) == prefixV1[:len(b)]:
		return Undecided
	}
	return None
}

// Parse parses the header at the start of b with the default limits. It returns the header and its length; or a length of 0 and
// no error when b does not hold all of it: call again with the same bytes and more. Bytes after the header are not looked at.
func Parse(b []byte) (h Header, n int, err error) { return ParseBounded(b, DefaultMaxExtra) }

// ParseBounded is Parse where a header of version 2 may be SafeV2+maxExtra bytes long. With that many bytes, Parse asks for no
// more, whatever they are.
func ParseBounded(b []byte, maxExtra int) (h Header, n int, err error) {
	var e *Error
	switch Detect(b) {
	case V2:
		n, e = parseV2(&h, b, SafeV2+maxExtra)
	case V1:
		n, e = parseV1(&h, b)
	case None:
		e = ErrNoHeader
	}
	if e != nil {
		return Header{}, 0, e
	}
	if n == 0 {
		return Header{}, 0, nil
	}
	return h, n, nil
}
