package proxyproto

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
	"unicode/utf8"
)

// Type is the type of a TLV. Types from 0xE0 to 0xEF are for applications, those from 0xF0 to 0xF7 for experiments (§2.2.8).
type Type uint8

// The types that the specification registers (§2.2.1 to §2.2.7), and those that stand in the value of TypeSSL.
const (
	TypeALPN      Type = 0x01
	TypeAuthority Type = 0x02 // the host name that the client asked for, as SNI
	TypeCRC32C    Type = 0x03
	TypeNoop      Type = 0x04
	TypeUniqueID  Type = 0x05
	TypeSSL       Type = 0x20
	TypeNetNS     Type = 0x30

	SubtypeSSLVersion Type = 0x21
	SubtypeSSLCN      Type = 0x22
	SubtypeSSLCipher  Type = 0x23
	SubtypeSSLSigAlg  Type = 0x24
	SubtypeSSLKeyAlg  Type = 0x25
)

const (
	tlvHead     = 3   // a type, and a length of 16 bits
	sslHead     = 5   // client and verify
	maxUniqueID = 128 // §2.2.5
	crcSize     = 4
)

// TLV is a type-length-value vector. After Parse, its value aliases the input.
type TLV struct {
	Type  Type
	Value []byte
}

// TLVs is a sequence of TLVs as on the wire. In a Header they are checked: well-formed, values of the registered types valid,
// and none of these but TypeNoop there twice.
type TLVs []byte

// All yields the TLVs in order, all types included. It stops where something is cut off, which the TLVs of a Header never are.
func (t TLVs) All() iter.Seq[TLV] {
	return func(yield func(TLV) bool) {
		for rest := t; ; {
			var v TLV
			var ok bool
			if v, rest, ok = rest.Next(); !ok || !yield(v) {
				return
			}
		}
	}
}

// Next returns the first TLV and the others; false where there is none.
func (t TLVs) Next() (first TLV, rest TLVs, ok bool) {
	if len(t) < tlvHead {
		return TLV{}, nil, false
	}
	end := tlvHead + int(binary.BigEndian.Uint16(t[1:]))
	if end > len(t) {
		return TLV{}, nil, false
	}
	return TLV{Type(t[0]), t[tlvHead:end:end]}, t[end:], true
}

// Get returns the value of the first TLV of a type.
func (t TLVs) Get(typ Type) (value []byte, ok bool) {
	for v := range t.All() {
		if v.Type == typ {
			return v.Value, true
		}
	}
	return nil, false
}

// SSLClient is a set of flags that tell how the client came.
type SSLClient uint8

// The flags (§2.2.6).
const (
	// ClientSSL: over TLS.
	ClientSSL SSLClient = 1 << iota
	// ClientCertConn: it presented a certificate on this connection.
	ClientCertConn
	// ClientCertSess: it presented one at least once in this TLS session.
	ClientCertSess
)

// SSL is the value of TypeSSL.
type SSL struct {
	Client SSLClient
	// Verify is 0 if the client presented a certificate and it was verified.
	Verify uint32
	// TLVs are of the subtypes.
	TLVs TLVs
}

// SSL returns what the TLVs say of the client's TLS connection.
func (t TLVs) SSL() (s SSL, ok bool) {
	value, ok := t.Get(TypeSSL)
	if !ok || len(value) < sslHead {
		return SSL{}, false
	}
	return SSL{SSLClient(value[0]), binary.BigEndian.Uint32(value[1:]), TLVs(value[sslHead:])}, true
}

// once are the types of which a second one is refused, since one recipient would believe the first and another the last.
const once = 1<<TypeALPN | 1<<TypeAuthority | 1<<TypeCRC32C | 1<<TypeUniqueID | 1<<TypeSSL | 1<<TypeNetNS

// checkTLVs checks the TLVs from start to the end of a header, and the header's checksum if one of them has it.
func checkTLVs(header []byte, start int) *Error {
	var seen uint64
	checksum := 0
	for t := TLVs(header[start:]); len(t) > 0; {
		v, rest, ok := t.Next()
		if !ok || !validTLV(v) {
			return ErrBadTLV
		}
		if bit := uint64(1) << v.Type; bit&once != 0 { // 0 for types above 63
			if seen&bit != 0 {
				return ErrDuplicateTLV
			}
			seen |= bit
		}
		if v.Type == TypeCRC32C {
			checksum = len(header) - len(t) + tlvHead
		}
		t = rest
	}
	if checksum > 0 && binary.BigEndian.Uint32(header[checksum:]) != crc32c(header, checksum) {
		return ErrBadChecksum
	}
	return nil
}

// validTLV checks the value of a registered type as far as its definition says something. Names and certificates' contents
// are what some client sent: apart from the host name, whose encoding is fixed, they are not judged here.
func validTLV(v TLV) bool {
	switch v.Type {
	case TypeCRC32C:
		return len(v.Value) == crcSize
	case TypeUniqueID:
		return len(v.Value) <= maxUniqueID
	case TypeAuthority:
		return utf8.Valid(v.Value)
	case TypeNetNS:
		for _, c := range v.Value {
			if c >= utf8.RuneSelf {
				return false
			}
		}
	case TypeSSL:
		if len(v.Value) < sslHead {
			return false
		}
		for sub := TLVs(v.Value[sslHead:]); len(sub) > 0; {
			var ok bool
			if _, sub, ok = sub.Next(); !ok {
				return false
			}
		}
	}
	return true
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// noChecksum stands for the checksum in its own computation. Not to be written to.
	noChecksum = make([]byte, crcSize)
)

// crc32c is the checksum of a header that has room for it at the given position (§2.2.3), whatever stands there.
func crc32c(header []byte, at int) uint32 {
	sum := crc32.Update(0, castagnoli, header[:at])
	sum = crc32.Update(sum, castagnoli, noChecksum)
	return crc32.Update(sum, castagnoli, header[at+crcSize:])
}
