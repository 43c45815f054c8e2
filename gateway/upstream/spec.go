package upstream

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/health"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/secure"
)

// Spec is a cluster as it stands in the configuration.
type Spec struct {
	Endpoints []EndpointSpec     `yaml:"endpoints" config:"required" doc:"Where the cluster's servers listen."`
	Balance   BalanceSpec        `yaml:"balance" doc:"How an endpoint is chosen."`
	Health    *health.Spec       `yaml:"health_check" doc:"Check endpoints beside the traffic, and use those that are healthy; default: all count as healthy."`
	Retries   int                `yaml:"retries" doc:"Further endpoints that are tried when one cannot be connected to."`
	Timeouts  Timeouts           `yaml:"timeouts" doc:"How long the cluster's servers may take."`
	Pool      PoolSpec           `yaml:"pool" doc:"Bounds of the connections to each endpoint, per loop."`
	Limits    Limits             `yaml:"limits" doc:"Bounds of what servers may send."`
	Version   Version            `yaml:"version" doc:"Version of HTTP that is spoken with the servers: http1; http2, by ALPN with tls and with prior knowledge without; auto takes tls and what ALPN settles."`
	HTTP2     HTTP2Spec          `yaml:"http2" doc:"How HTTP/2 connections to the servers are used."`
	TLS       *secure.ClientSpec `yaml:"tls" doc:"Speak TLS with the servers; default: plain."`
	SendProxy preface.Version    `yaml:"send_proxy" doc:"Layer 4: begin each connection with a PROXY header of this version, which tells of the client; default: none."`
}

// SetDefaults fills in what a cluster has where the file is silent.
func (s *Spec) SetDefaults() { s.Retries, s.Version = 2, HTTP1 }

// Validate reports what is wrong with the cluster by itself.
func (s *Spec) Validate(c *config.Check) {
	if len(s.Endpoints) == 0 && !c.At("endpoints").Failed() {
		c.At("endpoints").Errorf("a cluster needs at least one endpoint")
	}
	if len(s.Endpoints) > MaxEndpoints {
		c.At("endpoints").Errorf("a cluster has at most %d endpoints, not %d", MaxEndpoints, len(s.Endpoints))
	}
	if s.Retries < 0 || s.Retries > 16 {
		c.At("retries").Errorf("retries is 0 to 16, not %d", s.Retries)
	}
	s.validateTLS(c)
	s.validateVersion(c)
	s.validateHealth(c)
	seen := map[string]bool{}
	for i, e := range s.Endpoints {
		if seen[e.Address] {
			c.At("endpoints", i).Errorf("endpoint %s stands in the cluster twice; give it a weight instead", e.Address)
		}
		seen[e.Address] = true
	}
}

// validateTLS reports servers whose certificates could not be told to be theirs.
func (s *Spec) validateTLS(c *config.Check) {
	if s.TLS == nil || s.TLS.ServerName != "" || !s.TLS.Verify {
		return
	}
	for i, e := range s.Endpoints {
		if strings.HasPrefix(e.Address, "unix:") {
			c.At("endpoints", i).Errorf("a Unix socket has no name that a certificate could be for: give tls a server_name")
		}
	}
}

// Balance names a way to choose an endpoint.
type Balance string

// RoundRobin takes the endpoints in turn, each as often as its weight says.
const RoundRobin Balance = "round_robin"

// EnumValues are the ways there are.
func (Balance) EnumValues() []string { return []string{string(RoundRobin)} }

// BalanceSpec is how an endpoint is chosen: the name of a way, or that with what changes the weights.
type BalanceSpec struct {
	Policy          Balance `yaml:"policy" doc:"The way to choose."`
	health.Weighing `yaml:",inline"`
}

// SetDefaults takes the endpoints in turn, by their weights alone.
func (b *BalanceSpec) SetDefaults() {
	b.Weighing.SetDefaults()
	b.Policy = RoundRobin
}

// FromScalar takes the short form.
func (b *BalanceSpec) FromScalar(s string) error {
	b.Policy = Balance(s)
	if words := b.Policy.EnumValues(); !slices.Contains(words, s) {
		return fmt.Errorf("expected one of %s, found %q", strings.Join(words, ", "), s)
	}
	return nil
}

// Expects says what the short form is.
func (b *BalanceSpec) Expects() string { return "the policy, such as " + string(RoundRobin) }

// Validate has nothing to add: the weighing checks itself.
func (b *BalanceSpec) Validate(*config.Check) {}

// validateHealth reports what cannot be checked or measured.
func (s *Spec) validateHealth(c *config.Check) {
	if s.Balance.By != health.ByNothing && s.Health == nil {
		c.At("balance", "weight_by").Errorf("nothing measures %s: the cluster needs a health_check", s.Balance.By)
	}
	if s.Health == nil || s.Health.ICMP == nil {
		return
	}
	for i, e := range s.Endpoints {
		if !health.Pingable(e.Address) {
			c.At("endpoints", i).Errorf("a Unix socket cannot be pinged: check it by tcp, http or grpc, which connect to it")
		}
	}
}

// EndpointSpec is one server: "host:port", or an address with a weight.
type EndpointSpec struct {
	Address   string        `yaml:"address" config:"required" doc:"host:port or unix:/path; a name is resolved at the start and at each reload."`
	Weight    int           `yaml:"weight" doc:"Its share of the requests, in proportion to the others'."`
	Addresses NameAddresses `yaml:"addresses" doc:"Which addresses of a name are used: one, of IPv4 if there is any; or all, each as an endpoint of that weight."`
}

// MaxWeight is the largest weight of an endpoint.
const MaxWeight = 1000

// SetDefaults gives an endpoint the weight 1, and takes one address of a name.
func (e *EndpointSpec) SetDefaults() { e.Weight, e.Addresses = 1, OneAddress }

// FromScalar takes the short form.
func (e *EndpointSpec) FromScalar(s string) error {
	e.Address = s
	return nil
}

// ConfigKey is the address, by which a difference of configurations tells an endpoint from the others.
func (e *EndpointSpec) ConfigKey() string { return e.Address }

// Validate reports an address that cannot be dialled.
func (e *EndpointSpec) Validate(c *config.Check) {
	if msg := AddressFault(e.Address); msg != "" {
		at := c
		if c.Has("address") {
			at = c.At("address")
		}
		at.Errorf("%s", msg)
	}
	if e.Weight < 1 || e.Weight > MaxWeight {
		c.At("weight").Errorf("a weight is 1 to %d, not %d", MaxWeight, e.Weight)
	}
}

// AddressFault says why s is not host:port or unix:/path; empty if it is.
func AddressFault(s string) string {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" || len(path) > 107 {
			return "the path of a Unix socket has 1 to 107 bytes"
		}
		return ""
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return strconv.Quote(s) + " is not host:port, as 127.0.0.1:3000, or unix:/path"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "port " + strconv.Quote(port) + " is not a number from 1 to 65535"
	}
	if host == "" {
		return strconv.Quote(s) + " names no host"
	}
	return ""
}

// Timeouts bound the waits for an upstream.
type Timeouts struct {
	Connect      config.Duration `yaml:"connect" doc:"For a connection to be established."`
	ResponseHead config.Duration `yaml:"response_head" doc:"From the request sent to the response's head."`
	Read         config.Duration `yaml:"read" doc:"For every wait for more of the response's body."`
	Write        config.Duration `yaml:"write" doc:"For every wait to send more of the request."`
	Idle         config.Duration `yaml:"idle" doc:"How long an unused connection is kept."`
}

// SetDefaults fills in 2 s to connect and a minute for the rest.
func (t *Timeouts) SetDefaults() {
	minute := config.Duration(time.Minute)
	*t = Timeouts{Connect: config.Duration(2 * time.Second), ResponseHead: minute, Read: minute, Write: minute, Idle: minute}
}

// PoolSpec bounds the connections to one endpoint, on each loop.
type PoolSpec struct {
	Idle        int `yaml:"idle" doc:"Unused connections kept at most; 0 keeps none."`
	Connections int `yaml:"connections" doc:"Connections open at most; requests beyond wait."`
	Waiting     int `yaml:"waiting" doc:"Requests that wait for a connection at most; more are refused with 503."`
	Requests    int `yaml:"requests" doc:"Requests that one connection carries at most; 0: any number."`
}

// SetDefaults fills in 512 idle of 4,096 connections and 1,024 waiting requests.
func (p *PoolSpec) SetDefaults() { *p = PoolSpec{Idle: 512, Connections: 4096, Waiting: 1024} }

// Validate reports bounds that contradict themselves.
func (p *PoolSpec) Validate(c *config.Check) {
	if p.Idle < 0 || p.Waiting < 0 || p.Requests < 0 {
		c.Errorf("a bound is not negative")
	}
	if p.Connections < 1 {
		c.At("connections").Errorf("at least one connection must be allowed")
	}
}

// Limits bound what a server may send.
type Limits struct {
	Head   config.Size `yaml:"head" doc:"Largest head of a response."`
	Fields int         `yaml:"fields" doc:"Most header fields of a response."`
}

// SetDefaults fills in 32 KiB and 200 fields.
func (l *Limits) SetDefaults() { *l = Limits{Head: 32 << 10, Fields: 200} }

// Validate keeps heads within what a block holds.
func (l *Limits) Validate(c *config.Check) {
	if l.Head < 1<<10 || l.Head > 64<<10 {
		c.At("head").Errorf("a head is limited to 1KiB at least and 64KiB at most")
	}
	if l.Fields < 1 || l.Fields > 10000 {
		c.At("fields").Errorf("fields is 1 to 10000")
	}
}
