package probe

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
)

// IdentityLength is the start of every payload: the session's nonce and the probe's number, by which an answer is known.
const IdentityLength = 16

// Size limits of a payload: its identity has to fit, and the packet into the 65,535 bytes that IP can tell the length of.
const (
	MinSize = IdentityLength
	MaxSize = 65535 - 20 - 8
)

// Pattern is what follows the identity in a payload. The zero Pattern is random bytes, different in each probe, which no
// link compresses and no cache knows.
type Pattern struct {
	fixed []byte // repeated; nil for random
	name  string
}

// ParsePattern reads random, zeros, ones, alternating, or hexadecimal bytes that are repeated.
func ParsePattern(s string) (Pattern, error) {
	switch s {
	case "", "random":
		return Pattern{}, nil
	case "zeros":
		return Pattern{[]byte{0}, s}, nil
	case "ones":
		return Pattern{[]byte{0xff}, s}, nil
	case "alternating":
		return Pattern{[]byte{0x55, 0xaa}, s}, nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || len(b) == 0 {
		return Pattern{}, fmt.Errorf("pattern %q is none of random, zeros, ones, alternating, nor hexadecimal bytes", s)
	}
	return Pattern{b, s}, nil
}

// String is the pattern as ParsePattern reads it.
func (p Pattern) String() string {
	if p.fixed == nil {
		return "random"
	}
	return p.name
}

// appendPayload appends the payload of one probe. The same arguments give the same bytes, so nothing of what was sent needs
// to be kept to compare an answer with it.
func (p Pattern) appendPayload(dst []byte, nonce, number uint64, size int) []byte {
	dst = binary.BigEndian.AppendUint64(dst, nonce)
	dst = binary.BigEndian.AppendUint64(dst, number)
	rest := size - IdentityLength
	if p.fixed != nil {
		for rest > 0 {
			n := min(rest, len(p.fixed))
			dst = append(dst, p.fixed[:n]...)
			rest -= n
		}
		return dst
	}
	x := nonce ^ number*0x9e3779b97f4a7c15
	for ; rest >= 8; rest -= 8 {
		dst = binary.LittleEndian.AppendUint64(dst, splitmix(&x))
	}
	if rest > 0 {
		var last [8]byte
		binary.LittleEndian.PutUint64(last[:], splitmix(&x))
		dst = append(dst, last[:rest]...)
	}
	return dst
}

// splitmix is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
func splitmix(x *uint64) uint64 {
	*x += 0x9e3779b97f4a7c15
	z := *x
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Damage says how an answer differs from what was sent, in bytes of the ICMP message.
type Damage struct {
	Byte       int   `json:"byte"`        // the first that differs, counted from the message's type
	Bit        int   `json:"bit"`         // its lowest bit that differs, 0 for the one of least value; -1 if a byte is missing or too many
	Bits       int   `json:"bits"`        // how many bits differ in all, those of bytes that are in both
	Sent       uint8 `json:"sent"`        // the byte as it was sent
	Got        uint8 `json:"got"`         // and as it came
	ChecksumOK bool  `json:"checksum_ok"` // the message's checksum covers the damage: it was damaged before somebody computed it
	SentLength int   `json:"sent_length"`
	GotLength  int   `json:"got_length"`
}

// compare finds the damage between two messages; ok if there is none.
func compare(want, got []byte) (d Damage, ok bool) {
	d = Damage{Byte: -1, Bit: -1, SentLength: len(want), GotLength: len(got)}
	if bytes.Equal(want, got) {
		return d, true
	}
	for i := range min(len(want), len(got)) {
		x := want[i] ^ got[i]
		if x == 0 {
			continue
		}
		if d.Byte < 0 {
			d.Byte, d.Bit, d.Sent, d.Got = i, bits.TrailingZeros8(x), want[i], got[i]
		}
		d.Bits += bits.OnesCount8(x)
	}
	if d.Byte < 0 && len(want) != len(got) {
		d.Byte = min(len(want), len(got))
	}
	return d, d.Byte < 0
}
