package tls

import (
	"encoding/binary"
	"slices"
)

// The extensions that are looked into, and the one that has a fixed place.
const (
	extServerName        = 0
	extALPN              = 16
	extPreSharedKey      = 41
	extSupportedVersions = 43
	extECH               = 0xfe0d
)

const (
	randomSize   = 32
	maxSessionID = 32
	// lowTypes is how many extension types fit the bit set of those seen; IANA has given out nearly all of them and few others.
	lowTypes = 64
	// maxHighTypes bounds the other ones, since each is compared with each. Browsers send up to five, with GREASE.
	maxHighTypes = 32
)

// vector cuts the vector with a length of size bytes off the front of b; false where b is too short.
func vector(b []byte, size int) (v, rest []byte, ok bool) {
	if len(b) < size {
		return nil, nil, false
	}
	end := size
	if size == 1 {
		end += int(b[0])
	} else {
		end += int(binary.BigEndian.Uint16(b))
	}
	if len(b) < end {
		return nil, nil, false
	}
	return b[size:end:end], b[end:], true
}

// whole is vector where nothing may follow it and it may not be empty.
func whole(b []byte, size int) (v []byte, ok bool) {
	v, rest, ok := vector(b, size)
	return v, ok && len(rest) == 0 && len(v) > 0
}

// message parses the body of the ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2).
func (h *ClientHello) message(b []byte) *Error {
	if len(b) < 2+randomSize {
		return ErrMalformed
	}
	if b[0] != major {
		return ErrVersion
	}
	h.LegacyVersion = Version(binary.BigEndian.Uint16(b))
	sessionID, b, ok := vector(b[2+randomSize:], 1)
	if !ok || len(sessionID) > maxSessionID {
		return ErrMalformed
	}
	h.SessionIDLen = len(sessionID)
	suites, b, ok := vector(b, 2)
	if !ok || len(suites) == 0 || len(suites)%2 != 0 {
		return ErrMalformed
	}
	methods, b, ok := vector(b, 1)
	if !ok || !slices.Contains(methods, 0) { // the null method must be offered
		return ErrMalformed
	}
	if len(b) == 0 {
		return nil // up to TLS 1.2, extensions may be missing as a whole
	}
	extensions, b, ok := vector(b, 2)
	if !ok || len(b) != 0 {
		return ErrMalformed
	}
	return h.extensions(extensions)
}

// extensions goes over the extensions and checks that there is none twice (RFC 8446 §4.2).
func (h *ClientHello) extensions(b []byte) *Error {
	var low uint64
	var high [maxHighTypes]uint16
	highs := 0
	for len(b) > 0 {
		if len(b) < 4 {
			return ErrMalformed
		}
		typ := binary.BigEndian.Uint16(b)
		data, rest, ok := vector(b[2:], 2)
		if !ok {
			return ErrMalformed
		}
		b = rest
		switch {
		case typ < lowTypes:
			if low&(1<<typ) != 0 {
				return ErrDuplicateExtension
			}
			low |= 1 << typ
		case slices.Contains(high[:highs], typ):
			return ErrDuplicateExtension
		case highs == maxHighTypes:
			return ErrTooManyExtensions
		default:
			high[highs] = typ
			highs++
		}
		if e := h.extension(typ, data, len(b) == 0); e != nil {
			return e
		}
	}
	return nil
}

func (h *ClientHello) extension(typ uint16, data []byte, last bool) *Error {
	switch typ {
	case extServerName:
		return h.serverName(data)
	case extALPN:
		return h.protocols(data)
	case extSupportedVersions:
		list, ok := whole(data, 1)
		if !ok || len(list)%2 != 0 {
			return ErrSupportedVersions
		}
		h.Versions = list
	case extPreSharedKey:
		if !last { // RFC 8446 §4.2.11
			return ErrExtensionOrder
		}
	case extECH:
		return h.encryptedHello(data)
	}
	return nil
}

// serverName takes exactly one entry, a host name (RFC 6066 §3). No other type of name was ever defined, and recipients differ
// in what they make of one.
func (h *ClientHello) serverName(data []byte) *Error {
	const hostName = 0
	list, ok := whole(data, 2)
	if !ok || list[0] != hostName {
		return ErrServerName
	}
	name, ok := whole(list[1:], 2)
	if !ok || !validHostName(name) {
		return ErrServerName
	}
	h.ServerName = name
	return nil
}

// nameByte is 1 for letters and the hyphen, 2 for digits. The underscore is in names that people use, and so are hyphens at
// the ends of labels; both are harmless to routing.
var nameByte = func() (t [256]uint8) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_" {
		t[c] = 1
	}
	for _, c := range "0123456789" {
		t[c] = 2
	}
	return t
}()

// validHostName takes a DNS name in ASCII without trailing dot. A name whose last label is a number would be taken for an IPv4
// address, which RFC 6066 forbids here as it does IPv6.
func validHostName(name []byte) bool {
	const maxName, maxLabel = 253, 63
	if len(name) > maxName {
		return false
	}
	label, classes := 0, uint8(0)
	for _, c := range name {
		if c == '.' {
			if label == 0 || label > maxLabel {
				return false
			}
			label, classes = 0, 0
			continue
		}
		class := nameByte[c]
		if class == 0 {
			return false
		}
		label++
		classes |= class
	}
	return label > 0 && label <= maxLabel && classes&1 != 0
}

// protocols checks a list of ALPN names, none of which may be empty (RFC 7301 §3.1).
func (h *ClientHello) protocols(data []byte) *Error {
	list, ok := whole(data, 2)
	if !ok {
		return ErrALPN
	}
	for rest := list; len(rest) > 0; {
		var name []byte
		if name, rest, ok = vector(rest, 1); !ok || len(name) == 0 {
			return ErrALPN
		}
	}
	h.Protocols = list
	return nil
}

// encryptedHello checks the form of encrypted_client_hello (RFC 9849 §5): an outer one has a cipher suite, a configuration's
// id, a key and a payload, an inner one nothing.
func (h *ClientHello) encryptedHello(data []byte) *Error {
	const outer, inner = 0, 1
	switch {
	case len(data) == 1 && data[0] == inner:
		h.ECH = ECHInner
		return nil
	case len(data) < 6 || data[0] != outer:
		return ErrECH
	}
	_, rest, ok := vector(data[6:], 2)
	if !ok {
		return ErrECH
	}
	if _, ok = whole(rest, 2); !ok {
		return ErrECH
	}
	h.ECH = ECHOuter
	return nil
}
