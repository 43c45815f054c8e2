package icmp

import "encoding/binary"

// HeaderLength is that of an echo message: type, code, checksum, identifier and sequence number.
const HeaderLength = 8

// AppendEchoRequest appends an echo request with its checksum. For IPv6 the checksum is left nought: it covers addresses
// that only the kernel knows, and the kernel fills it in.
func AppendEchoRequest(dst []byte, f Family, id, seq uint16, payload []byte) []byte {
	return appendEcho(dst, f, f.echoRequest(), id, seq, payload)
}

// AppendEchoReply appends an echo reply, in the same way.
func AppendEchoReply(dst []byte, f Family, id, seq uint16, payload []byte) []byte {
	return appendEcho(dst, f, f.echoReply(), id, seq, payload)
}

func appendEcho(dst []byte, f Family, typ uint8, id, seq uint16, payload []byte) []byte {
	start := len(dst)
	dst = append(dst, typ, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, id)
	dst = binary.BigEndian.AppendUint16(dst, seq)
	dst = append(dst, payload...)
	if f == V4 {
		SetChecksum(dst[start:])
	}
	return dst
}

// SetChecksum computes the checksum of an IPv4 ICMP message anew. The message has at least its first four bytes.
func SetChecksum(message []byte) {
	message[2], message[3] = 0, 0
	binary.BigEndian.PutUint16(message[2:], Checksum(message))
}

// AppendError appends an error message about the packet quoted: of the kind, with the code, and with the MTU where the kind
// has one. What follows the quoted packet's first bytes is left out as routers do.
func AppendError(dst []byte, f Family, typ, code uint8, mtu uint32, quoted []byte) []byte {
	start := len(dst)
	dst = append(dst, typ, code, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, mtu)
	dst = append(dst, quoted...)
	if f == V4 {
		SetChecksum(dst[start:])
	}
	return dst
}
