package icmp

import (
	"encoding/binary"
	"math/bits"
)

// Checksum is the Internet checksum (RFC 1071) of b: the value that belongs into the checksum field if that field is
// nought in b, and nought if b holds a right one. IPv6 counts a pseudo-header too, which the kernel adds.
func Checksum(b []byte) uint16 {
	var sum, carry uint64
	for len(b) >= 8 {
		// Ones' complement addition does not mind the width of a word (RFC 1071 §2(C)), so eight bytes go at once.
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var tail [8]byte
	copy(tail[:], b)
	sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(tail[:]), carry)
	sum, carry = bits.Add64(sum, 0, carry)
	sum += carry
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum)
}
