package preface

import (
	"net/netip"
	"strings"

	"github.com/ringway/ringway/config"
)

// Version is a version of the PROXY protocol's header.
type Version string

// The versions that can be sent, and none.
const (
	NoProxy Version = ""
	V1      Version = "v1"
	V2      Version = "v2"
)

// EnumValues are the versions there are.
func (Version) EnumValues() []string { return []string{string(V1), string(V2)} }

// ProxySpec says which peers of a listener are proxies that begin each connection with a PROXY header. A header is believed,
// so only peers named here may send one, and they must: a listener that guessed would let any client choose its address.
type ProxySpec struct {
	From   []config.Prefix `yaml:"from" doc:"Networks whose connections begin with a PROXY header, v1 or v2. To be left out for a Unix socket: all its peers are proxies."`
	Others Others          `yaml:"others" doc:"What becomes of connections from elsewhere: closed, or served as they are, without a header."`
}

// SetDefaults refuses who is no proxy.
func (s *ProxySpec) SetDefaults() { s.Others = Refuse }

// Check reports what does not suit a listener at that address.
func (s *ProxySpec) Check(c *config.Check, address string) {
	unix := strings.HasPrefix(address, "unix:")
	switch {
	case unix && len(s.From) > 0:
		c.At("from").Errorf("peers of a Unix socket have no address; leave from out, and let the file's permissions say who may connect")
	case !unix && len(s.From) == 0 && !c.At("from").Failed():
		c.Errorf("say which networks the proxies connect from, as from: [10.0.0.0/8]: whoever may send a PROXY header may claim any address")
	}
}

// Others says what becomes of connections that are not from proxies.
type Others string

// The two choices.
const (
	Refuse Others = "refuse"
	Direct Others = "direct"
)

// EnumValues are the choices there are.
func (Others) EnumValues() []string { return []string{string(Refuse), string(Direct)} }

// Policy is a ProxySpec in the form that the data path uses. The nil Policy expects no headers.
type Policy struct {
	from   []netip.Prefix
	direct bool
}

// NewPolicy makes the policy of a listener; nil for none.
func NewPolicy(s *ProxySpec) *Policy {
	if s == nil {
		return nil
	}
	p := &Policy{direct: s.Others == Direct}
	for _, f := range s.From {
		p.from = append(p.from, f.Prefix)
	}
	return p
}

// Verdict is what a Policy says of a peer.
type Verdict uint8

// The verdicts.
const (
	Plain     Verdict = iota // its connection begins with what it carries
	Header                   // its connection begins with a PROXY header
	Untrusted                // it may not connect
	Gone                     // it has left again, and nobody knows who it was
)

// Judge says what to expect of a peer, whose address is not valid if it came by a Unix socket, or is gone already.
func (p *Policy) Judge(peer netip.Addr) Verdict {
	if p == nil {
		return Plain
	}
	if !peer.IsValid() {
		if len(p.from) > 0 { // it came by TCP, and has broken off: what it sent is worth nothing
			return Gone
		}
		return Header
	}
	peer = peer.Unmap()
	for _, f := range p.from {
		if f.Contains(peer) {
			return Header
		}
	}
	if p.direct {
		return Plain
	}
	return Untrusted
}
