package accesslog

import (
	"encoding/binary"
	"net/netip"
	"unicode/utf8"

	"github.com/ringway/ringway/errs"
)

// Record is what is known of one finished request, or of one session of layer 4: the server name it asked for is its Host,
// the time to connect its UpstreamDuration. Push copies it, so the
// slices may point into buffers that are reused afterwards.
type Record struct {
	Time             int64 // when the request's first byte came, Unix nanoseconds
	Duration         int64 // from then to the response's last byte, nanoseconds
	UpstreamDuration int64 // the part spent on the upstream, nanoseconds

	Client netip.AddrPort // invalid if the client has no address (Unix socket)

	// What came over the wire, unchecked.
	Method    []byte
	Host      []byte
	Path      []byte // the request target, query included
	Referer   []byte
	UserAgent []byte
	RequestID []byte

	// Names of ours.
	Protocol string // "HTTP/1.1"
	Listener string
	Route    string
	Cluster  string
	Upstream string    // the endpoint that answered last; empty if none was asked
	Code     errs.Code // empty if the request did not fail
	End      string    // why a session of layer 4, which has no status, or a tunnel ended; empty for other requests
	TLS      string    // "TLS 1.3"; empty if the client's connection is plain
	Subject  string    // of the client's verified certificate, as CN=device 7,O=Example; empty for none

	Status   uint16
	Retries  uint16
	BytesIn  uint64 // request body, or what a session's client sent
	BytesOut uint64 // response body, or what it got
}

// The most bytes kept of each string. What is longer is cut at the end of a
// character, and the record says so.
const (
	maxMethod    = 32
	maxHost      = 255 // the longest name in DNS
	maxPath      = 2048
	maxReferer   = 1024
	maxUserAgent = 512
	maxSubject   = 256
	maxName      = 128 // every other string
)

// A record in the ring is a fixed header, little endian, and the bytes of its
// strings one after the other:
//
//	 0 uint32 size of header and strings, not rounded up
//	 4 uint16 status
//	 6 uint16 retries
//	 8 int64  time
//	16 int64  duration
//	24 int64  upstream duration
//	32 uint64 bytes in
//	40 uint64 bytes out
//	48 [16]   client address, IPv4 mapped
//	64 uint16 client port
//	66 uint8  client family: 0, 4 or 6
//	67 uint8  1 if a string was cut
//	68 uint16 × 15 lengths of the strings
const (
	stringCount = 15
	lengthsAt   = 68
	headerSize  = lengthsAt + 2*stringCount

	maxRecordSize = headerSize + maxMethod + maxHost + maxPath + maxReferer + maxUserAgent + maxSubject + 9*maxName
)

// cut returns how many bytes of s are kept: at most limit, and no part of a
// character that would end beyond it.
func cut[T ~string | ~[]byte](s T, limit int) int {
	if len(s) <= limit {
		return len(s)
	}
	for n := limit; n > limit-utf8.UTFMax && n > 0; n-- {
		if utf8.RuneStart(s[n]) {
			return n
		}
	}
	return limit // not UTF-8 anyway
}

// lengths holds how much of each string of a record is kept.
type lengths [stringCount]int

// measure returns the kept lengths, their sum with the header, and whether
// anything is cut.
func (r *Record) measure() (n lengths, size int, truncated bool) {
	n = lengths{
		cut(r.Method, maxMethod), cut(r.Host, maxHost), cut(r.Path, maxPath),
		cut(r.Referer, maxReferer), cut(r.UserAgent, maxUserAgent), cut(r.RequestID, maxName),
		cut(r.Protocol, maxName), cut(r.Listener, maxName), cut(r.Route, maxName),
		cut(r.Cluster, maxName), cut(r.Upstream, maxName), cut(r.Code, maxName),
		cut(r.End, maxName), cut(r.TLS, maxName), cut(r.Subject, maxSubject),
	}
	kept := 0
	for _, v := range n {
		kept += v
	}
	whole := len(r.Method) + len(r.Host) + len(r.Path) + len(r.Referer) + len(r.UserAgent) + len(r.RequestID) +
		len(r.Protocol) + len(r.Listener) + len(r.Route) + len(r.Cluster) + len(r.Upstream) + len(r.Code) + len(r.End) +
		len(r.TLS) + len(r.Subject)
	return n, headerSize + kept, kept != whole
}

// encode writes r into b, whose length is the size that measure returned.
func (r *Record) encode(b []byte, n *lengths, truncated bool) {
	le := binary.LittleEndian
	h := b[:headerSize]
	le.PutUint32(h[0:], uint32(len(b)))
	le.PutUint16(h[4:], r.Status)
	le.PutUint16(h[6:], r.Retries)
	le.PutUint64(h[8:], uint64(r.Time))
	le.PutUint64(h[16:], uint64(r.Duration))
	le.PutUint64(h[24:], uint64(r.UpstreamDuration))
	le.PutUint64(h[32:], r.BytesIn)
	le.PutUint64(h[40:], r.BytesOut)
	r.encodeClient(h)
	h[67] = 0
	if truncated {
		h[67] = 1
	}
	for i, v := range n {
		le.PutUint16(h[lengthsAt+2*i:], uint16(v))
	}
	p := b[headerSize:]
	p = p[copy(p, r.Method[:n[0]]):]
	p = p[copy(p, r.Host[:n[1]]):]
	p = p[copy(p, r.Path[:n[2]]):]
	p = p[copy(p, r.Referer[:n[3]]):]
	p = p[copy(p, r.UserAgent[:n[4]]):]
	p = p[copy(p, r.RequestID[:n[5]]):]
	p = p[copy(p, r.Protocol[:n[6]]):]
	p = p[copy(p, r.Listener[:n[7]]):]
	p = p[copy(p, r.Route[:n[8]]):]
	p = p[copy(p, r.Cluster[:n[9]]):]
	p = p[copy(p, r.Upstream[:n[10]]):]
	p = p[copy(p, r.Code[:n[11]]):]
	p = p[copy(p, r.End[:n[12]]):]
	p = p[copy(p, r.TLS[:n[13]]):]
	copy(p, r.Subject[:n[14]])
}

// encodeClient writes the client's address. A zone is left out: it is a name
// of this machine's interface, and no address.
func (r *Record) encodeClient(h []byte) {
	addr := r.Client.Addr()
	a := addr.As16()
	copy(h[48:64], a[:])
	binary.LittleEndian.PutUint16(h[64:], r.Client.Port())
	switch {
	case !addr.IsValid():
		h[66] = 0
	case addr.Is4():
		h[66] = 4
	default:
		h[66] = 6
	}
}

// decode reads the record that encode wrote into b; its strings point into b.
func (v *view) decode(b []byte) {
	le := binary.LittleEndian
	h := b[:headerSize]
	v.status = le.Uint16(h[4:])
	v.retries = le.Uint16(h[6:])
	v.time = int64(le.Uint64(h[8:]))
	v.duration = int64(le.Uint64(h[16:]))
	v.upstreamDuration = int64(le.Uint64(h[24:]))
	v.bytesIn = le.Uint64(h[32:])
	v.bytesOut = le.Uint64(h[40:])
	v.client = decodeClient(h)
	v.truncated = h[67] != 0
	p := b[headerSize:]
	for i := range v.text {
		n := int(le.Uint16(h[lengthsAt+2*i:]))
		v.text[i], p = p[:n:n], p[n:]
	}
}

// decodeClient is the opposite of encodeClient.
func decodeClient(h []byte) netip.AddrPort {
	if h[66] == 0 {
		return netip.AddrPort{}
	}
	addr := netip.AddrFrom16([16]byte(h[48:64]))
	if h[66] == 4 {
		addr = addr.Unmap()
	}
	return netip.AddrPortFrom(addr, binary.LittleEndian.Uint16(h[64:]))
}

// Places of the strings in view.text, in the order of encode.
const (
	textMethod = iota
	textHost
	textPath
	textReferer
	textUserAgent
	textRequestID
	textProtocol
	textListener
	textRoute
	textCluster
	textUpstream
	textCode
	textEnd
	textTLS
	textSubject
)

// view is a record as the writer sees it: its strings lie in the ring and
// stay valid until the record's room is given back.
type view struct {
	time, duration, upstreamDuration int64
	client                           netip.AddrPort
	status, retries                  uint16
	bytesIn, bytesOut                uint64
	truncated                        bool
	text                             [stringCount][]byte
}
