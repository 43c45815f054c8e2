package proxyproto

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

const (
	// fixedV2 is the part of a version 2 header before the addresses.
	fixedV2 = 16
	// pathSize is the size of a Unix socket's path in a header, which is that of sun_path on Linux.
	pathSize = 108
	// maxBlock is what the 16-bit length after the family can say.
	maxBlock = 1<<16 - 1
)

// addressSize is the size of both addresses of a family.
var addressSize = [4]int{Unspec: 0, Inet: 12, Inet6: 36, Unix: 2 * pathSize}

// validFamily tells whether the 14th byte is a combination that §2.2 lists.
func validFamily(c byte) bool {
	f, t := Family(c>>4), Transport(c&0x0f)
	return c == 0 || f >= Inet && f <= Unix && (t == Stream || t == Datagram)
}

// parseV2 parses a header (§2.2) that starts with signatureV2.
func parseV2(h *Header, b []byte, limit int) (int, *Error) {
	local := false
	if len(b) > 12 {
		if b[12]>>4 != 2 {
			return 0, ErrBadVersion
		}
		if b[12]&0x0f > byte(Proxy) {
			return 0, ErrBadCommand
		}
		local = b[12]&0x0f == byte(Local)
	}
	// With LOCAL, the family must be ignored even where it is none.
	if len(b) > 13 && !local && !validFamily(b[13]) {
		return 0, ErrBadFamily
	}
	if len(b) < fixedV2 {
		return 0, nil
	}
	n := fixedV2 + int(binary.BigEndian.Uint16(b[14:]))
	known := validFamily(b[13])
	addresses := 0
	if known {
		addresses = fixedV2 + addressSize[b[13]>>4]
	}
	if n < addresses && !local {
		return 0, ErrBadLength
	}
	if n > limit {
		return 0, ErrTooLong
	}
	if len(b) < n {
		return 0, nil
	}
	b = b[:n:n]
	h.Version, h.Command = V2, Command(b[12]&0x0f)
	if local || b[13] == 0 {
		if !known || n < addresses {
			return n, nil
		}
		return n, unspecTLVs(h, b, addresses)
	}
	h.Family, h.Transport = Family(b[13]>>4), Transport(b[13]&0x0f)
	addressesV2(h, b[fixedV2:])
	h.TLVs = TLVs(b[addresses:])
	if len(h.TLVs) == 0 {
		return n, nil
	}
	return n, checkTLVs(b, addresses)
}

// unspecTLVs looks for TLVs where the block after the fixed part must be accepted whatever it holds: with LOCAL it is to be
// discarded, and with UNSPEC it may hold addresses of a kind that nobody knows. It counts as TLVs if it consists of valid
// ones. Then a wrong checksum refuses the header even here, since the very command may be what was damaged.
func unspecTLVs(h *Header, b []byte, start int) *Error {
	switch e := checkTLVs(b, start); e {
	case nil:
		h.TLVs = TLVs(b[start:])
	case ErrBadChecksum:
		return e
	}
	return nil
}

func addressesV2(h *Header, b []byte) {
	switch h.Family {
	case Inet:
		h.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[8:]))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), binary.BigEndian.Uint16(b[10:]))
	case Inet6:
		h.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)), binary.BigEndian.Uint16(b[32:]))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[16:])), binary.BigEndian.Uint16(b[34:]))
	case Unix:
		h.SourcePath = socketPath(b[:pathSize:pathSize])
		h.DestinationPath = socketPath(b[pathSize : 2*pathSize : 2*pathSize])
	}
}

// socketPath cuts the padding off. What follows the NUL of an ordinary path is whatever the sender's memory held; in an
// abstract name (unix(7)) NULs count, so only trailing ones are taken as padding.
func socketPath(b []byte) []byte {
	if b[0] == 0 {
		return bytes.TrimRight(b, "\x00")
	}
	if end := bytes.IndexByte(b, 0); end >= 0 {
		return b[:end:end]
	}
	return b
}
