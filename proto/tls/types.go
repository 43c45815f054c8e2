package tls

import (
	"encoding/binary"
	"iter"
	"strconv"
)

// Version is a protocol version as on the wire.
type Version uint16

// The versions.
const (
	SSL30 Version = 0x0300
	TLS10 Version = 0x0301
	TLS11 Version = 0x0302
	TLS12 Version = 0x0303
	TLS13 Version = 0x0304
)

// String names the version for logs, as "TLS 1.3".
func (v Version) String() string {
	switch {
	case v == SSL30:
		return "SSL 3.0"
	case v >= TLS10 && v <= TLS13:
		return "TLS 1." + string(rune('0'+v-TLS10))
	}
	return "0x" + strconv.FormatUint(uint64(v), 16)
}

// grease tells whether a value is one of those that clients send so that servers stay used to unknown ones (RFC 8701).
func grease(hi, lo byte) bool { return hi == lo && lo&0x0f == 0x0a }

// Versions is a list of versions as on the wire.
type Versions []byte

// All yields the versions in the client's order, without GREASE.
func (l Versions) All() iter.Seq[Version] {
	return func(yield func(Version) bool) {
		for ; len(l) >= 2; l = l[2:] {
			if !grease(l[0], l[1]) && !yield(Version(binary.BigEndian.Uint16(l))) {
				return
			}
		}
	}
}

// Protocols is a list of ALPN protocol names as on the wire (RFC 7301 §3.1).
type Protocols []byte

// All yields the names in the client's order, without GREASE. They alias the list.
func (l Protocols) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(l) > 0 {
			end := 1 + int(l[0])
			if end > len(l) {
				return
			}
			name := l[1:end:end]
			l = l[end:]
			if len(name) == 2 && grease(name[0], name[1]) {
				continue
			}
			if !yield(name) {
				return
			}
		}
	}
}

// Contains tells whether the client offers a protocol, such as "h2".
func (l Protocols) Contains(name string) bool {
	for p := range l.All() {
		if string(p) == name {
			return true
		}
	}
	return false
}

// ECH tells what a ClientHello has to do with Encrypted Client Hello (RFC 9849).
type ECH uint8

// The kinds of a ClientHello.
const (
	// NoECH: the server name is the one that is meant.
	NoECH ECH = iota
	// ECHOuter: the server name is that of the client-facing server, and another ClientHello is encrypted in this one; unless
	// the extension is only GREASE, which cannot be told without the key.
	ECHOuter
	// ECHInner: a client-facing server has decrypted this one and passed it on.
	ECHInner
)

// String names the kind for logs.
func (e ECH) String() string { return [...]string{"none", "outer", "inner", "none"}[e&3] }
