package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// AppendV1 appends a header of version 1 to dst. What version 1 cannot express is written as UNKNOWN (§2.1): Local, Unspec, Unix
// and all but Stream. Some receivers refuse that, so a connection of the proxy's own should better be written as one that is
// relayed between its own endpoints. The only error is ErrBadAddress; dst is then returned as it was.
func AppendV1(dst []byte, h Header) ([]byte, error) {
	if h.Command == Local || h.Transport != Stream || h.Family != Inet && h.Family != Inet6 {
		return append(dst, "PROXY UNKNOWN\r\n"...), nil
	}
	src, target, ok := endpoints(h)
	if !ok {
		return dst, ErrBadAddress
	}
	if h.Family == Inet {
		dst = append(dst, "PROXY TCP4 "...)
	} else {
		dst = append(dst, "PROXY TCP6 "...)
	}
	dst = append(appendAddr(dst, src), ' ')
	dst = append(appendAddr(dst, target), ' ')
	dst = strconv.AppendUint(dst, uint64(h.Source.Port()), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(h.Destination.Port()), 10)
	return append(dst, "\r\n"...), nil
}

// endpoints returns the addresses in the form that the family has on the wire.
func endpoints(h Header) (src, target netip.Addr, ok bool) {
	src, target = h.Source.Addr(), h.Destination.Addr()
	if !src.IsValid() || !target.IsValid() {
		return src, target, false
	}
	if h.Family == Inet {
		src, target = src.Unmap(), target.Unmap()
		return src, target, src.Is4() && target.Is4()
	}
	return netip.AddrFrom16(src.As16()), netip.AddrFrom16(target.As16()), true // maps IPv4, and drops a zone
}

// appendAddr writes mapped addresses in hexadecimal, which is all that the specification allows in TCP6.
func appendAddr(dst []byte, a netip.Addr) []byte {
	if !a.Is4In6() {
		return a.AppendTo(dst)
	}
	b := a.As16()
	dst = strconv.AppendUint(append(dst, "::ffff:"...), uint64(b[12])<<8|uint64(b[13]), 16)
	return strconv.AppendUint(append(dst, ':'), uint64(b[14])<<8|uint64(b[15]), 16)
}

// AppendV2 appends a header of version 2 with the given TLVs to dst; those in h are not looked at. The value of a TLV of
// TypeCRC32C is replaced by the checksum of the header, so TLV{Type: TypeCRC32C} asks for one. What Parse would refuse is not
// written: then dst is returned as it was, with the error that Parse would give. Only the size is the caller's: a header above
// SafeV2 may be refused by receivers, and one above 64 KiB is ErrTooLong.
func AppendV2(dst []byte, h Header, tlvs ...TLV) ([]byte, error) {
	start := len(dst)
	out := append(dst, signatureV2...)
	out, e := appendAddresses(out, h)
	if e != nil {
		return dst, e
	}
	first, checksum := len(out)-start, 0
	for _, v := range tlvs {
		if v.Type == TypeCRC32C {
			v.Value = noChecksum
			checksum = len(out) - start + tlvHead
		}
		if len(out)-start-fixedV2+tlvHead+len(v.Value) > maxBlock {
			return dst, ErrTooLong
		}
		out = appendTLV(out, v)
	}
	header := out[start:]
	binary.BigEndian.PutUint16(header[14:], uint16(len(header)-fixedV2))
	if checksum > 0 {
		binary.BigEndian.PutUint32(header[checksum:], crc32c(header, checksum))
	}
	if e := checkTLVs(header, first); e != nil {
		return dst, e
	}
	return out, nil
}

// appendAddresses appends what follows the signature, with a length of 0, up to the TLVs.
func appendAddresses(out []byte, h Header) ([]byte, *Error) {
	if h.Command == Local || h.Family == Unspec {
		return append(out, 2<<4|byte(h.Command&1), 0, 0, 0), nil
	}
	family := byte(h.Family<<4) | byte(h.Transport)
	if h.Family > Unix || h.Transport > Datagram || !validFamily(family) {
		return nil, ErrBadFamily
	}
	out = append(out, 2<<4|byte(Proxy), family, 0, 0)
	if h.Family == Unix {
		var ok [2]bool
		out, ok[0] = appendPath(out, h.SourcePath)
		out, ok[1] = appendPath(out, h.DestinationPath)
		if !ok[0] || !ok[1] {
			return nil, ErrBadAddress
		}
		return out, nil
	}
	src, target, ok := endpoints(h)
	if !ok {
		return nil, ErrBadAddress
	}
	if h.Family == Inet {
		a, b := src.As4(), target.As4()
		out = append(append(out, a[:]...), b[:]...)
	} else {
		a, b := src.As16(), target.As16()
		out = append(append(out, a[:]...), b[:]...)
	}
	out = binary.BigEndian.AppendUint16(out, h.Source.Port())
	return binary.BigEndian.AppendUint16(out, h.Destination.Port()), nil
}

// appendPath appends a path with its padding, and tells whether it reads as the same path again.
func appendPath(out, path []byte) ([]byte, bool) {
	if len(path) > pathSize {
		return out, false
	}
	start := len(out)
	var padded [pathSize]byte
	copy(padded[:], path)
	out = append(out, padded[:]...)
	return out, len(socketPath(out[start:])) == len(path)
}

func appendTLV(dst []byte, v TLV) []byte {
	dst = append(dst, byte(v.Type))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(v.Value)))
	return append(dst, v.Value...)
}

// AppendTLV appends a TLV to dst, as for SSL.TLVs. A value above 65,535 bytes is ErrTooLong.
func AppendTLV(dst []byte, v TLV) ([]byte, error) {
	if len(v.Value) > maxBlock {
		return dst, ErrTooLong
	}
	return appendTLV(dst, v), nil
}

// AppendSSL appends the value of a TLV of TypeSSL to dst.
func AppendSSL(dst []byte, s SSL) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, byte(s.Client)), s.Verify)
	return append(dst, s.TLVs...)
}
