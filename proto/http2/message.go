package http2

import (
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// Message is a field section that was received: the head of a request or a response, or trailers. Its slices alias a store of
// its own and are valid until its stream is released (for interim responses: until the next Feed).
//
// The fields are those of HTTP/1.1, so that filters and the other protocol's codec need not know where they come from: each
// stands as a line "name: value", :authority also as Host, cookie crumbs joined (RFC 9113 §8.2.3). TE is hop-by-hop.
type Message struct {
	header.Fields

	// Of a request. Path has no query, Query no '?'. Protocol is that of extended CONNECT (RFC 8441), else nil. A plain CONNECT
	// has an Authority only.
	Method      http1.Method
	MethodToken []byte
	Scheme      []byte
	Authority   []byte
	Path        []byte
	Query       []byte
	HasQuery    bool
	Protocol    []byte

	Status        int   // of a response
	ContentLength int64 // the field's value, -1 where there is none

	// TooLarge says that the section was larger than the Config allows: fields are missing. A server answers 431.
	TooLarge bool

	kind  kind
	store []byte
	size  int    // as RFC 9113 §10.5.1 counts
	count int    // field lines
	fault string // why the message is malformed; "" if it is not
	bomb  bool   // too large by far
	seen  pseudo

	lengthSet bool
	cookies   int
	hosts     int
	host      header.Span // the value of Host, or of :authority once that has become a line

	method, scheme, authority, path, protocol header.Span
}

// kind is what a field section is.
type kind uint8

const (
	kindRequest kind = iota
	kindResponse
	kindTrailers
	kindMetadata // trailers of a response of gRPC
)

// isTrailers tells whether a field section stands behind a body.
func (k kind) isTrailers() bool { return k >= kindTrailers }

// rule says which fields of trailers pass.
func (k kind) rule() header.TrailerRule {
	if k == kindMetadata {
		return header.Metadata
	}
	return header.Restricted
}

// pseudo is a set of pseudo-header fields, and whether other fields came already.
type pseudo uint8

const (
	seenMethod pseudo = 1 << iota
	seenScheme
	seenAuthority
	seenPath
	seenProtocol
	seenStatus
	seenRegular
)

// reset makes the message ready for another section, keeping its storage.
func (m *Message) reset(k kind) {
	m.Fields.Reset(nil)
	m.Method, m.MethodToken, m.Scheme, m.Authority, m.Path = http1.Other, nil, nil, nil, nil
	m.Query, m.HasQuery, m.Protocol = nil, false, nil
	m.Status, m.ContentLength, m.TooLarge = 0, -1, false
	m.kind, m.store, m.size, m.count, m.fault, m.bomb, m.seen = k, m.store[:0], 0, 0, "", false, 0
	m.lengthSet, m.cookies, m.hosts, m.host = false, 0, 0, header.Span{}
	m.method, m.scheme, m.authority, m.path, m.protocol = header.Span{}, header.Span{}, header.Span{}, header.Span{}, header.Span{}
}

// repeat makes a message that was reset what of is, which has not been finished either.
func (m *Message) repeat(of *Message) {
	m.Fields.Repeat(&of.Fields)
	m.store = append(m.store, of.store...)
	m.Status, m.ContentLength, m.lengthSet = of.Status, of.ContentLength, of.lengthSet
	m.size, m.count, m.seen = of.size, of.count, of.seen
	m.cookies, m.hosts, m.host = of.cookies, of.hosts, of.host
	m.method, m.scheme, m.authority, m.path, m.protocol = of.method, of.scheme, of.authority, of.path, of.protocol
}

// field takes one field as HPACK delivers it, and reports whether more are of interest. Faults are kept for the end of the
// section, which must be decoded whole in any case.
func (m *Message) field(name, value string, cfg *Config) bool {
	m.size += len(name) + len(value) + 32
	m.count++
	if m.size > cfg.MaxHeaderList || m.count > cfg.MaxFields {
		m.TooLarge = true
		m.bomb = m.size > bombFactor*cfg.MaxHeaderList
		return !m.bomb
	}
	switch {
	case m.fault != "":
	case len(name) > 0 && name[0] == ':':
		m.fault = m.pseudo(name, value)
	case !validName(name):
		m.fault = "a field name is not a token in lower case"
	case !validValue(value):
		m.fault = "a field value holds what it may not"
	default:
		m.fault = m.regular(name, value)
	}
	return true
}

// pseudoBits says which pseudo-header field a name is, and in which kind of message it may stand (RFC 9113 §8.3).
func pseudoBits(name string) (pseudo, kind) {
	switch name {
	case ":method":
		return seenMethod, kindRequest
	case ":scheme":
		return seenScheme, kindRequest
	case ":authority":
		return seenAuthority, kindRequest
	case ":path":
		return seenPath, kindRequest
	case ":protocol":
		return seenProtocol, kindRequest
	case ":status":
		return seenStatus, kindResponse
	}
	return 0, kindTrailers
}

// pseudo takes a pseudo-header field and says what is wrong with it, or "".
func (m *Message) pseudo(name, value string) string {
	bit, k := pseudoBits(name)
	switch {
	case bit == 0 || k != m.kind:
		return "a pseudo-header field that may not stand here"
	case m.seen&seenRegular != 0:
		return "a pseudo-header field behind other fields"
	case m.seen&bit != 0:
		return "a pseudo-header field twice"
	}
	m.seen |= bit
	switch bit {
	case seenMethod:
		if len(value) == 0 || !all(value, classToken) {
			return ":method is not a token"
		}
		m.method = m.keep(value)
	case seenScheme:
		if len(value) == 0 || !isLower(value[0]) || !all(value, classScheme) {
			return ":scheme is malformed"
		}
		m.scheme = m.keep(value)
	case seenAuthority:
		m.authority = m.keep(value)
		if value != "" && !http1.ValidAuthority(m.bytes(m.authority)) {
			return ":authority is malformed"
		}
	case seenPath:
		if len(value) == 0 || !all(value, classTarget) {
			return ":path is malformed"
		}
		m.path = m.keep(value)
	case seenProtocol:
		if len(value) == 0 || !all(value, classToken) {
			return ":protocol is not a token"
		}
		m.protocol = m.keep(value)
	case seenStatus:
		if len(value) != 3 || value[0] < '1' || !isDigit(value[0]) || !isDigit(value[1]) || !isDigit(value[2]) {
			return ":status has not three digits"
		}
		m.Status = int(value[0]-'0')*100 + int(value[1]-'0')*10 + int(value[2]-'0')
	}
	return ""
}

// keep stores bytes that are not part of a field line.
func (m *Message) keep(value string) header.Span {
	start := len(m.store)
	m.store = append(m.store, value...)
	return header.Span{Start: uint32(start), End: uint32(len(m.store))}
}

func (m *Message) bytes(s header.Span) []byte { return m.store[s.Start:s.End:s.End] }

// line stores a field line and adds it to the list. The pointer is valid until the next line.
func (m *Message) line(name, value string) *header.Field {
	start, at := m.beginLine(name)
	m.store = append(m.store, value...)
	return m.endLine(start, at)
}

// beginLine stores the name of a field line and returns where the line and its value start.
func (m *Message) beginLine(name string) (start, at int) {
	start = len(m.store)
	m.store = append(append(m.store, name...), ": "...)
	return start, len(m.store)
}

// endLine adds the line to the list, whose value has been stored from at on.
func (m *Message) endLine(start, at int) *header.Field {
	end := len(m.store)
	m.store = append(m.store, "\r\n"...)
	id := header.Lookup(m.store[start : at-2])
	return m.AppendLine(id, start, at-2, at, end, end+2)
}

// forbidden are the fields that only HTTP/1.1 has (RFC 9113 §8.2.2). HTTP2-Settings belongs to its upgrade.
const forbidden = 1<<header.Connection | 1<<header.ProxyConnection | 1<<header.KeepAlive | 1<<header.TransferEncoding |
	1<<header.Upgrade | 1<<header.HTTP2Settings

// regular takes a field that is not a pseudo-header field and says what is wrong with it, or "".
func (m *Message) regular(name, value string) string {
	if m.seen&seenRegular == 0 {
		m.seen |= seenRegular
		m.hostLine()
	}
	f := m.line(name, value)
	switch f.ID {
	case header.Other: // most fields
	case header.Host:
		return m.hostField(f)
	case header.Cookie:
		m.cookies++
	case header.TE:
		if value != "trailers" {
			return "TE asks for more than trailers"
		}
		f.Flags |= header.HopByHop
	case header.ContentLength:
		return m.contentLength(f, value)
	default:
		if forbidden>>f.ID&1 != 0 {
			return "a field of HTTP/1.1's connections"
		}
	}
	if m.kind.isTrailers() && !m.kind.rule().Allows(f.ID, m.bytes(f.Name)) {
		f.Flags |= header.Removed
	}
	return ""
}

// hostLine writes :authority as Host, first of all fields.
func (m *Message) hostLine() {
	if m.kind != kindRequest || m.authority.Len() == 0 {
		return
	}
	start, at := m.beginLine("host")
	m.store = append(m.store, m.bytes(m.authority)...)
	m.host = m.endLine(start, at).Value
}

// hostField checks Host (RFC 9113 §8.3.1): at most one, valid, and the same as :authority, whose line stands for both then.
func (m *Message) hostField(f *header.Field) string {
	value := m.bytes(f.Value)
	if m.kind.isTrailers() {
		f.Flags |= header.Removed
		return ""
	}
	if m.hosts++; m.hosts > 1 {
		return "several Host fields"
	}
	if len(value) > 0 && !http1.ValidAuthority(value) {
		return "Host is malformed"
	}
	if m.authority.Len() > 0 {
		f.Flags |= header.Removed
		if !header.EqualFold(value, m.bytes(m.authority)) {
			return "Host is not :authority"
		}
		return ""
	}
	m.host = f.Value
	return ""
}

// contentLength reads Content-Length. Where it stands several times with one value, one is left.
func (m *Message) contentLength(f *header.Field, value string) string {
	if m.kind.isTrailers() {
		f.Flags |= header.Removed
		return ""
	}
	if len(value) == 0 || len(value) > 18 {
		return "Content-Length is malformed"
	}
	n := int64(0)
	for i := range len(value) {
		if !isDigit(value[i]) {
			return "Content-Length is malformed"
		}
		n = n*10 + int64(value[i]-'0')
	}
	if m.lengthSet {
		f.Flags |= header.Removed
		if n != m.ContentLength {
			return "differing Content-Length"
		}
	}
	m.ContentLength, m.lengthSet = n, true
	return ""
}

// finish draws the conclusions that need the whole section, and sets the slices. It says why the message is malformed, or "".
func (m *Message) finish(extendedConnect bool) string {
	if m.fault == "" {
		if m.seen&seenRegular == 0 {
			m.hostLine()
		}
		if m.cookies > 1 && !m.kind.isTrailers() {
			m.joinCookies()
		}
		switch m.kind {
		case kindRequest:
			m.fault = m.finishRequest(extendedConnect)
		case kindResponse:
			m.fault = m.finishResponse()
		}
	}
	m.Rebase(m.store)
	if m.fault != "" {
		m.understood()
	}
	return m.fault
}

// understood sets what a log can say of a malformed request.
func (m *Message) understood() {
	m.MethodToken, m.Authority, m.Path = m.bytes(m.method), m.bytes(m.authority), m.bytes(m.path)
	if m.host.Len() > 0 {
		m.Authority = m.bytes(m.host)
	}
}

// finishRequest checks which pseudo-header fields a request has (RFC 9113 §8.3.1, §8.5, RFC 8441 §4) and takes the target apart.
func (m *Message) finishRequest(extendedConnect bool) string {
	const target = seenScheme | seenPath
	m.MethodToken = m.bytes(m.method)
	m.Method = http1.MethodOf(m.MethodToken)
	connect := m.Method == http1.CONNECT
	m.Authority = m.bytes(m.host)
	switch {
	case m.seen&seenMethod == 0:
		return ":method is missing"
	case m.seen&seenProtocol != 0 && !(connect && extendedConnect):
		return ":protocol where extended CONNECT may not be"
	case connect && m.seen&seenProtocol == 0:
		if m.seen&target != 0 || m.seen&seenAuthority == 0 || !hasPort(m.Authority) {
			return "CONNECT with other pseudo-header fields than :authority, or without host and port"
		}
		return ""
	case m.seen&target != target:
		return ":scheme or :path is missing"
	case len(m.Authority) == 0:
		return "neither :authority nor Host"
	}
	m.Scheme, m.Path = m.bytes(m.scheme), m.bytes(m.path)
	if m.seen&seenProtocol != 0 {
		m.Protocol = m.bytes(m.protocol)
	}
	if m.Path[0] != '/' && (string(m.Path) != "*" || m.Method != http1.OPTIONS) {
		return ":path is not of a form that the method allows"
	}
	for i, c := range m.Path {
		if c == '?' {
			m.Path, m.Query, m.HasQuery = m.Path[:i:i], m.Path[i+1:], true
			break
		}
	}
	return ""
}

// hasPort tells whether a valid authority names a port, as CONNECT must (RFC 9110 §9.3.6).
func hasPort(authority []byte) bool {
	for i := len(authority) - 1; i > 0; i-- {
		if c := authority[i]; c == ':' {
			return i < len(authority)-1
		} else if !isDigit(c) {
			return false
		}
	}
	return false
}

// finishResponse checks what holds for every response (RFC 9113 §8.3.2). Interim and bodiless ones have no Content-Length (RFC 9110
// §8.6); 101 has no meaning in HTTP/2 (§8.6 of RFC 9113).
func (m *Message) finishResponse() string {
	switch {
	case m.seen&seenStatus == 0 && !m.TooLarge:
		return ":status is missing"
	case m.Status == 101:
		return "status 101"
	case m.lengthSet && (m.Status < 200 || m.Status == 204):
		if m.ContentLength > 0 && m.Status < 200 {
			return "an interim response that announces a body"
		}
		m.DelID(header.ContentLength)
		m.ContentLength = -1
	}
	return ""
}

// joinCookies makes one field of the crumbs that a client may cut Cookie into (RFC 9113 §8.2.3), since other protocols allow no
// more than one.
func (m *Message) joinCookies() {
	start, at := m.beginLine("cookie")
	for i := range m.Len() {
		f := m.Field(i)
		if f.ID != header.Cookie {
			continue
		}
		if len(m.store) > at {
			m.store = append(m.store, "; "...)
		}
		m.store = append(m.store, m.bytes(f.Value)...)
		f.Flags |= header.Removed
	}
	m.endLine(start, at)
}
