package inbound

import (
	"net/netip"
	"strings"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/proto/tls"
)

// Spec is a listener as it stands in the configuration.
type Spec struct {
	Address   string             `yaml:"address" config:"required" doc:"Where it listens: host:port, :port, or unix:/path."`
	Protocol  Protocol           `yaml:"protocol" doc:"What its clients speak: http, or tcp for anything, which is passed on as it is (layer 4)."`
	Versions  Versions           `yaml:"versions" doc:"HTTP: versions that clients may speak. HTTP/2 is chosen by ALPN over TLS, and without TLS by how a client begins or by an upgrade (h2c)."`
	Cluster   string             `yaml:"cluster" doc:"Layer 4: cluster that every session goes to, instead of routes."`
	Routes    []route.Spec       `yaml:"routes" doc:"Where requests go, and sessions by their server name; the most specific route wins, then the first."`
	TLS       *secure.Spec       `yaml:"tls" doc:"HTTP: speak TLS with the clients; default: plain."`
	Proxy     *preface.ProxySpec `yaml:"proxy_protocol" doc:"Expect a PROXY header at the start of connections from proxies, and take the client's address from it."`
	Upgrades  route.Upgrades     `yaml:"upgrades" doc:"HTTP: protocols that requests may go over to (field Upgrade, extended CONNECT); then the gateway passes bytes on, both ways. What is not here is left out of the request."`
	Timeouts  Timeouts           `yaml:"timeouts" doc:"How long clients may take."`
	Limits    Limits             `yaml:"limits" doc:"Bounds of what clients may send and hold."`
	Forwarded ForwardedSpec      `yaml:"forwarded" doc:"What upstreams are told of the client, in HTTP."`
	HalfClose HalfClose          `yaml:"half_close" doc:"What becomes of a request whose client has ended its sending side. At layer 4 that end is passed on."`
	Backlog   int                `yaml:"backlog" doc:"Length of the accept queue, per loop."`
}

// SetDefaults fills in what a listener has where the file is silent.
func (s *Spec) SetDefaults() {
	s.Protocol, s.Versions, s.HalfClose, s.Backlog = HTTP, Versions{HTTP1, HTTP2}, Cancel, 4096
	s.Upgrades = route.Upgrades{"websocket"}
}

// Validate reports what is wrong with the listener by itself.
func (s *Spec) Validate(c *config.Check) {
	if msg := listenFault(s.Address); msg != "" && c.Has("address") {
		c.At("address").Errorf("%s", msg)
	}
	if s.Backlog < 1 || s.Backlog > 1<<16 {
		c.At("backlog").Errorf("backlog is 1 to 65536")
	}
	if s.Proxy != nil {
		s.Proxy.Check(c.At("proxy_protocol"), s.Address)
	}
	names := map[string]bool{}
	for i := range s.Routes {
		if n := s.Routes[i].Name; n != "" && names[n] {
			c.At("routes", i, "name").Errorf("another route of this listener is named %q", n)
		} else {
			names[n] = true
		}
	}
	if c.At("protocol").Failed() {
		return // what suits it is not known
	}
	s.refuseForeign(c)
	s.validateVersions(c)
	if s.Protocol == TCP {
		s.validateSessions(c)
	} else if s.validateCertificateNames(c); len(s.Routes) == 0 && !c.Failed() && s.Cluster == "" { // a key that is unknown may be meant as routes
		c.At("routes").Errorf("a listener needs at least one route")
	}
}

// Sessions are the routes of a layer 4 listener; the only one where it names its cluster itself.
func (s *Spec) Sessions() []route.Spec {
	if s.Cluster != "" {
		return []route.Spec{{Cluster: s.Cluster}}
	}
	return s.Routes
}

func listenFault(s string) string {
	if strings.HasPrefix(s, "unix:") {
		return upstream.AddressFault(s)
	}
	if strings.HasPrefix(s, ":") {
		s = "[::]" + s
	}
	if _, err := netip.ParseAddrPort(s); err != nil {
		return "not an address to listen on: want ip:port, :port or unix:/path, as 127.0.0.1:8080"
	}
	return ""
}

// Protocol is what a listener's clients speak.
type Protocol string

// The protocols: HTTP/1.1 and HTTP/1.0, and streams of bytes whose meaning is the two sides' own.
const (
	HTTP Protocol = "http"
	TCP  Protocol = "tcp"
)

// EnumValues are the protocols there are.
func (Protocol) EnumValues() []string { return []string{string(HTTP), string(TCP)} }

// HalfClose says what an end of the client's sending side means while its request is being answered.
type HalfClose string

// The two readings: a client that closes usually has gone, and then its request is cancelled; but it may also have ended
// its side only and wait for the answer.
const (
	Cancel HalfClose = "cancel"
	Finish HalfClose = "finish"
)

// EnumValues are the readings there are.
func (HalfClose) EnumValues() []string { return []string{string(Cancel), string(Finish)} }

// Timeouts bound the waits for a client.
type Timeouts struct {
	RequestHead config.Duration `yaml:"request_head" doc:"HTTP: from the first byte of a request to the end of its head."`
	Idle        config.Duration `yaml:"idle" doc:"HTTP: for the first byte of the next request."`
	Read        config.Duration `yaml:"read" doc:"HTTP: for every wait for more of a request's body."`
	Write       config.Duration `yaml:"write" doc:"HTTP: for every wait to send more of a response."`
	Ping        config.Duration `yaml:"ping" doc:"HTTP/2: of silence before a client with requests open is asked for a sign of life (PING)."`
	Pong        config.Duration `yaml:"pong" doc:"HTTP/2: for the answer to that."`
	ProxyHeader config.Duration `yaml:"proxy_header" doc:"For the PROXY header, where one is expected."`
	ClientHello config.Duration `yaml:"client_hello" doc:"Layer 4: for the TLS ClientHello, where routes have an sni. A client that has sent nothing by then goes to the route without one."`
	Tunnel      config.Duration `yaml:"tunnel" doc:"Layer 4, and HTTP after an upgrade: without a byte in either direction."`
}

// SetDefaults fills in 15 s for heads, 75 s between requests and a minute for the rest of HTTP; 5 s for what stands before a
// connection's first byte, and an hour for tunnels at rest.
func (t *Timeouts) SetDefaults() {
	*t = Timeouts{RequestHead: config.Duration(15 * time.Second), Idle: config.Duration(75 * time.Second),
		Read: config.Duration(time.Minute), Write: config.Duration(time.Minute), Ping: config.Duration(30 * time.Second), Pong: config.Duration(15 * time.Second),
		ProxyHeader: config.Duration(5 * time.Second), ClientHello: config.Duration(5 * time.Second), Tunnel: config.Duration(time.Hour)}
}

// Limits bound what clients may send and hold.
type Limits struct {
	Head        config.Size `yaml:"head" doc:"HTTP: largest head of a request."`
	Line        config.Size `yaml:"line" doc:"HTTP: longest request line or header field."`
	Fields      int         `yaml:"fields" doc:"HTTP: most header fields of a request."`
	Body        config.Size `yaml:"body" doc:"HTTP: largest body of a request; 0: any size."`
	HTTP2       HTTP2Limits `yaml:"http2" doc:"What one connection of HTTP/2 may have open, on the way, and cost."`
	Connections int         `yaml:"connections" doc:"Connections open at a time, over all loops; the next ones wait in the accept queue. Three quarters of the open files limit at most, where a session of layer 4 counts twice."`
	Requests    int         `yaml:"requests_per_connection" doc:"HTTP: requests that one connection may carry; 0: any number."`
	ClientHello config.Size `yaml:"client_hello" doc:"Layer 4: largest TLS ClientHello, where routes have an sni."`
}

// SetDefaults fills in heads of 32 KiB with 100 fields, any size of body, 65,536 connections, and ClientHellos of 16 KiB.
func (l *Limits) SetDefaults() {
	*l = Limits{HTTP2: l.HTTP2, Head: 32 << 10, Line: 8 << 10, Fields: 100, Connections: 65536, ClientHello: tls.DefaultMaxSize}
}

// Validate keeps heads within what a block holds.
func (l *Limits) Validate(c *config.Check) {
	if l.Head < 1<<10 || l.Head > 64<<10 {
		c.At("head").Errorf("a head is limited to 1KiB at least and 64KiB at most")
	}
	if l.Line < 256 || l.Line > l.Head {
		c.At("line").Errorf("a line is limited to 256 bytes at least and the size of a head at most")
	}
	if l.Fields < 1 || l.Fields > 10000 {
		c.At("fields").Errorf("fields is 1 to 10000")
	}
	if l.Connections < 1 {
		c.At("connections").Errorf("at least one connection must be allowed")
	}
	if l.Requests < 0 {
		c.At("requests_per_connection").Errorf("a bound is not negative")
	}
	if l.ClientHello < 512 || l.ClientHello > preface.MaxHello {
		c.At("client_hello").Errorf("a ClientHello is limited to 512 bytes at least and 64KiB at most")
	}
}
