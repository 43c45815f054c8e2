package inbound

import (
	"bytes"
	"net/netip"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/proto/header"
)

// ForwardedSpec says what upstreams are told of the client.
type ForwardedSpec struct {
	Headers        ForwardedHeaders `yaml:"headers" doc:"Which fields tell of the client."`
	TrustedProxies []config.Prefix  `yaml:"trusted_proxies" doc:"Networks whose own such fields are believed and kept."`
}

// SetDefaults chooses the X-Forwarded fields.
func (f *ForwardedSpec) SetDefaults() { f.Headers = XForwarded }

// ForwardedHeaders names a choice of fields.
type ForwardedHeaders string

// The choices: X-Forwarded-For, -Proto and -Host; Forwarded (RFC 7239); both; none.
const (
	XForwarded    ForwardedHeaders = "x_forwarded"
	Forwarded     ForwardedHeaders = "forwarded"
	BothForwarded ForwardedHeaders = "both"
	NoForwarded   ForwardedHeaders = "none"
)

// EnumValues are the choices there are.
func (ForwardedHeaders) EnumValues() []string {
	return []string{string(XForwarded), string(Forwarded), string(BothForwarded), string(NoForwarded)}
}

// forwarder writes the fields of one listener's exchanges.
type forwarder struct {
	x, rfc  bool
	trusted []netip.Prefix
	scratch []byte
}

func newForwarder(s *ForwardedSpec) forwarder {
	f := forwarder{
		x:   s.Headers == XForwarded || s.Headers == BothForwarded,
		rfc: s.Headers == Forwarded || s.Headers == BothForwarded,
	}
	for _, p := range s.TrustedProxies {
		f.trusted = append(f.trusted, p.Prefix)
	}
	return f
}

func (f *forwarder) trusts(a netip.Addr) bool {
	for _, p := range f.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// apply sets the fields on x's request and works out whom it is for. peer is the address as text, made once a
// connection. What an untrusted peer says of others is dropped.
func (f *forwarder) apply(x *exchange.Exchange, peer []byte) {
	h := x.Request.Fields
	addr := x.Peer.Addr()
	x.ClientIP = addr
	trusted := len(f.trusted) > 0 && f.trusts(addr)
	if trusted {
		x.ClientIP = f.origin(h, addr)
	} else {
		for _, id := range claims {
			if h.Count(id) > 0 {
				h.DelID(id)
			}
		}
	}
	if f.x {
		f.setX(x, h, peer, trusted)
	}
	if f.rfc {
		f.setForwarded(x, h, peer)
	}
}

// claims are the fields by which a proxy tells of its client.
var claims = [...]header.ID{header.XForwardedFor, header.XForwardedProto, header.XForwardedHost, header.XForwardedPort,
	header.XRealIP, header.Forwarded}

func (f *forwarder) setX(x *exchange.Exchange, h *header.Fields, peer []byte, trusted bool) {
	if old, ok := h.Get(header.XForwardedFor); ok {
		f.scratch = f.joined(f.scratch[:0], h, header.XForwardedFor, old)
		f.scratch = append(append(f.scratch, ", "...), peer...)
		h.SetID(header.XForwardedFor, f.scratch)
	} else {
		h.AddID(header.XForwardedFor, peer)
	}
	if !trusted || h.Count(header.XForwardedProto) == 0 {
		h.AddID(header.XForwardedProto, scheme(x))
	}
	if (!trusted || h.Count(header.XForwardedHost) == 0) && len(x.Request.Authority) > 0 {
		h.AddID(header.XForwardedHost, x.Request.Authority)
	}
}

// joined appends all values of a list field, in order (RFC 9110 §5.3).
func (f *forwarder) joined(dst []byte, h *header.Fields, id header.ID, first []byte) []byte {
	if h.Count(id) == 1 {
		return append(dst, first...)
	}
	for i := range h.Len() {
		if _, value, ok := h.At(i); ok && h.Field(i).ID == id {
			if len(dst) > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(dst, value...)
		}
	}
	return dst
}

// setForwarded adds this hop's element to Forwarded (RFC 7239 §4).
func (f *forwarder) setForwarded(x *exchange.Exchange, h *header.Fields, peer []byte) {
	dst := f.scratch[:0]
	if old, ok := h.Get(header.Forwarded); ok {
		dst = append(f.joined(dst, h, header.Forwarded, old), ", "...)
	}
	dst = append(dst, "for="...)
	if x.Peer.Addr().Is6() {
		dst = append(append(append(dst, `"[`...), peer...), `]"`...)
	} else {
		dst = append(dst, peer...)
	}
	dst = append(append(dst, ";proto="...), x.Request.Scheme...)
	if a := x.Request.Authority; len(a) > 0 {
		dst = append(dst, ";host="...)
		if header.ValidName(a) { // a token; otherwise "a;for=b" would add a pair
			dst = append(dst, a...)
		} else { // an authority holds nothing that a quoted string would have to escape
			dst = append(append(append(dst, '"'), a...), '"')
		}
	}
	f.scratch = dst
	h.SetID(header.Forwarded, dst)
}

// origin walks X-Forwarded-For from its end to the first address that no trusted proxy has.
func (f *forwarder) origin(h *header.Fields, peer netip.Addr) netip.Addr {
	first, ok := h.Get(header.XForwardedFor)
	if !ok {
		return peer
	}
	list := f.joined(f.scratch[:0], h, header.XForwardedFor, first)
	f.scratch = list
	client := peer
	for len(list) > 0 {
		i := bytes.LastIndexByte(list, ',')
		a, err := netip.ParseAddr(string(bytes.TrimSpace(list[i+1:])))
		if err != nil {
			break
		}
		if client = a.Unmap(); !f.trusts(client) || i < 0 {
			break
		}
		list = list[:i]
	}
	return client
}

var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

func scheme(x *exchange.Exchange) []byte {
	if x.Request.Scheme == "https" {
		return schemeHTTPS
	}
	return schemeHTTP
}

// peerText is a connection's address as the fields show it; a Unix socket's peer has none.
func peerText(dst []byte, ap netip.AddrPort) []byte {
	if !ap.IsValid() {
		return append(dst, "unknown"...)
	}
	return ap.Addr().AppendTo(dst)
}
