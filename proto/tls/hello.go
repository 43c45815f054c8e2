package tls

// DefaultMaxSize is the largest ClientHello in bytes, its record headers included, where the configuration does not say. Those
// with post-quantum key shares have about 2 KiB; session tickets and Encrypted Client Hello may add some more.
const DefaultMaxSize = 16 << 10

// ClientHello is what the first message of a TLS client says about where it wants to go. The slices are valid until the bytes
// given to Parse are reused or moved, or Reset is called. The zero value is ready for use; for another connection, call Reset.
type ClientHello struct {
	// LegacyVersion is the highest version of a client that sends no Versions, and TLS12 or a fiction for others.
	LegacyVersion Version
	// SessionIDLen is the length of the session identifier, 0 to 32. What it is, is a matter of the server.
	SessionIDLen int
	// ServerName is the host name in the extension server_name as the client spelled it, nil without the extension. It is a
	// valid DNS name without trailing dot and not an IP address. For comparing, AppendServerName has it in lower case.
	ServerName []byte
	// Protocols are from the extension application_layer_protocol_negotiation, nil without it.
	Protocols Protocols
	// Versions are from the extension supported_versions, nil without it.
	Versions Versions
	// ECH tells whether ServerName may be only the public name of another one.
	ECH ECH

	fragments fragments
	tls       bool // the first bytes are those of TLS
	n         int
	err       *Error
}

// Reset makes the ClientHello ready for another connection, keeping its buffer.
func (h *ClientHello) Reset() {
	*h = ClientHello{fragments: fragments{joined: h.fragments.joined[:0]}}
}

// ParseClientHello is Parse on a new ClientHello with the default limit. It remembers nothing between calls and allocates
// where the message came in several records, so it is for those who have all bytes at hand.
func ParseClientHello(b []byte) (hello ClientHello, n int, err error) {
	if n, err = hello.Parse(b, DefaultMaxSize); n == 0 {
		return ClientHello{}, 0, err
	}
	return hello, n, nil
}

// Parse parses the ClientHello at the start of b, the bytes of a connection. It returns where the last record of it ends, or 0
// and no error when b does not hold all of it: call again with the same bytes and more, which may have moved. Then only the
// new ones are looked at. Faults of the record layer are reported as soon as they are there, those of the message when it is
// complete, and a message that will exceed maxSize bytes of input once that is clear: with so many, Parse asks for no more.
// After an error, each further call returns it again; after success, each further call returns the same n.
func (h *ClientHello) Parse(b []byte, maxSize int) (n int, err error) {
	if e := h.parse(b, maxSize); e != nil {
		h.Reset() // nobody is to route by the half of a ClientHello that was fine
		h.err = e
		return 0, e
	}
	return h.n, nil
}

func (h *ClientHello) parse(b []byte, maxSize int) *Error {
	if h.err != nil || h.n > 0 {
		return h.err
	}
	if !h.tls {
		var e *Error
		if h.tls, e = speaksTLS(b); !h.tls {
			return e
		}
	}
	message, n, e := h.fragments.next(b, maxSize)
	if n == 0 {
		return e
	}
	if e := h.message(message[handshakeHead:]); e != nil {
		return e
	}
	h.n = n
	return nil
}

// AppendServerName appends the server name in lower case to dst.
func (h *ClientHello) AppendServerName(dst []byte) []byte {
	for _, c := range h.ServerName {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// MaxVersion returns the highest version that the client offers (RFC 8446 §4.2.1); 0 if it offers only GREASE.
func (h *ClientHello) MaxVersion() (highest Version) {
	if h.Versions == nil {
		return min(h.LegacyVersion, TLS12)
	}
	for v := range h.Versions.All() {
		highest = max(highest, v)
	}
	return highest
}
