package inbound

import (
	"net/netip"
	"strings"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/gateway/upstream"
)

// Spec is a listener as it stands in the configuration.
type Spec struct {
	Address   string        `yaml:"address" config:"required" doc:"Where it listens: host:port, :port, or unix:/path."`
	Protocol  Protocol      `yaml:"protocol" doc:"What its clients speak."`
	Routes    []route.Spec  `yaml:"routes" config:"required" doc:"Where requests go; the most specific route wins, then the first."`
	Timeouts  Timeouts      `yaml:"timeouts" doc:"How long clients may take."`
	Limits    Limits        `yaml:"limits" doc:"Bounds of what clients may send and hold."`
	Forwarded ForwardedSpec `yaml:"forwarded" doc:"What upstreams are told of the client."`
	HalfClose HalfClose     `yaml:"half_close" doc:"What becomes of a request whose client has ended its sending side."`
	Backlog   int           `yaml:"backlog" doc:"Length of the accept queue, per loop."`
}

// SetDefaults fills in what a listener has where the file is silent.
func (s *Spec) SetDefaults() { s.Protocol, s.HalfClose, s.Backlog = HTTP, Cancel, 4096 }

// Validate reports what is wrong with the listener by itself.
func (s *Spec) Validate(c *config.Check) {
	if msg := listenFault(s.Address); msg != "" && c.Has("address") {
		c.At("address").Errorf("%s", msg)
	}
	if len(s.Routes) == 0 && !c.At("routes").Failed() {
		c.At("routes").Errorf("a listener needs at least one route")
	}
	if s.Backlog < 1 || s.Backlog > 1<<16 {
		c.At("backlog").Errorf("backlog is 1 to 65536")
	}
	names := map[string]bool{}
	for i := range s.Routes {
		if n := s.Routes[i].Name; n != "" && names[n] {
			c.At("routes", i, "name").Errorf("another route of this listener is named %q", n)
		} else {
			names[n] = true
		}
	}
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

// HTTP is HTTP/1.1 and HTTP/1.0.
const HTTP Protocol = "http"

// EnumValues are the protocols there are.
func (Protocol) EnumValues() []string { return []string{string(HTTP)} }

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
	RequestHead config.Duration `yaml:"request_head" doc:"From the first byte of a request to the end of its head."`
	Idle        config.Duration `yaml:"idle" doc:"For the first byte of the next request."`
	Read        config.Duration `yaml:"read" doc:"For every wait for more of a request's body."`
	Write       config.Duration `yaml:"write" doc:"For every wait to send more of a response."`
}

// SetDefaults fills in 15 s for heads, 75 s between requests and a minute for the rest.
func (t *Timeouts) SetDefaults() {
	*t = Timeouts{RequestHead: config.Duration(15 * time.Second), Idle: config.Duration(75 * time.Second),
		Read: config.Duration(time.Minute), Write: config.Duration(time.Minute)}
}

// Limits bound what clients may send and hold.
type Limits struct {
	Head        config.Size `yaml:"head" doc:"Largest head of a request."`
	Line        config.Size `yaml:"line" doc:"Longest request line or header field."`
	Fields      int         `yaml:"fields" doc:"Most header fields of a request."`
	Body        config.Size `yaml:"body" doc:"Largest body of a request; 0: any size."`
	Connections int         `yaml:"connections" doc:"Connections open at a time, over all loops; the next ones wait in the accept queue. Three quarters of the open files limit at most."`
	Requests    int         `yaml:"requests_per_connection" doc:"Requests that one connection may carry; 0: any number."`
}

// SetDefaults fills in heads of 32 KiB with 100 fields, any size of body, and 65,536 connections.
func (l *Limits) SetDefaults() {
	*l = Limits{Head: 32 << 10, Line: 8 << 10, Fields: 100, Connections: 65536}
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
}
