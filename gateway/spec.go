package gateway

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/filter/table"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/preface"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/admin"
	"github.com/ringway/ringway/observe/applog"
)

// Spec is the whole configuration.
type Spec struct {
	Listeners map[string]*inbound.Spec  `yaml:"listeners" config:"required" doc:"Where clients connect, by name."`
	Clusters  map[string]*upstream.Spec `yaml:"clusters" doc:"Where requests go, by name."`
	Admin     AdminSpec                 `yaml:"admin" doc:"Metrics, health and profiles over HTTP."`
	Runtime   RuntimeSpec               `yaml:"runtime" doc:"Loops and their driver."`
	Process   ProcessSpec               `yaml:"process" doc:"Master and workers."`
	AccessLog AccessLogSpec             `yaml:"access_log" doc:"One line for every request."`
	Log       applog.Spec               `yaml:"log" doc:"The program's own log, on standard error."`

	reading *config.Reading // what the next configuration may repeat of this one
}

// Validate reports references that lead nowhere and addresses that are taken twice.
func (s *Spec) Validate(c *config.Check) {
	if len(s.Listeners) == 0 && !c.At("listeners").Failed() {
		c.At("listeners").Errorf("a gateway needs at least one listener")
	}
	taken := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Listeners)) {
		l := s.Listeners[name]
		if l == nil {
			continue
		}
		s.validateClusters(c.At("listeners", name), l)
		if other, ok := taken[l.Address]; ok && !strings.HasSuffix(l.Address, ":0") {
			c.At("listeners", name, "address").Errorf("listener %s listens on %s already", other, l.Address)
		}
		taken[l.Address] = name
		if n := int(s.Runtime.Loops); l.Limits.Connections < n {
			c.At("listeners", name, "limits", "connections").Errorf("%d connections cannot be shared by %d loops: at least one for each", l.Limits.Connections, n)
		}
	}
	if name, ok := taken[s.Admin.Address]; ok && s.Admin.Address != "" && !strings.HasSuffix(s.Admin.Address, ":0") {
		c.At("admin", "address").Errorf("listener %s listens on %s already", name, s.Admin.Address)
	}
}

const encrypted = "cluster %s has tls, and a tcp listener passes bytes on as they are: use a cluster without"

// validateClusters reports clusters of a listener that do not exist, or that its protocol cannot go to.
func (s *Spec) validateClusters(c *config.Check, l *inbound.Spec) {
	known := func(name string) bool {
		_, ok := s.Clusters[name]
		return ok
	}
	names := func() []string { return slices.Collect(maps.Keys(s.Clusters)) }
	if cl := s.Clusters[l.Cluster]; l.Cluster != "" && !known(l.Cluster) {
		c.At("cluster").Unknown("cluster", l.Cluster, names())
	} else if cl != nil && cl.TLS != nil {
		c.At("cluster").Errorf(encrypted, l.Cluster)
	}
	for i := range l.Routes {
		name := l.Routes[i].Cluster
		if name == "" {
			continue
		}
		at := func() *config.Check { return c.At("routes", i, "cluster") } // made for complaints only: there may be many routes
		if cl := s.Clusters[name]; !known(name) {
			at().Unknown("cluster", name, names())
		} else if cl != nil && cl.TLS != nil && l.Protocol == inbound.TCP {
			at().Errorf(encrypted, name)
		} else if cl != nil && (cl.SendProxy == preface.V1 || cl.SendProxy == preface.V2) && l.Protocol == inbound.HTTP {
			at().Errorf("cluster %s has send_proxy, which tells of one client a connection, and HTTP clients share connections: use forwarded, or a cluster without", name)
		} else if cl != nil && cl.Version == upstream.HTTP1 && translatesGRPC(&l.Routes[i]) {
			at().Errorf("cluster %s speaks HTTP/1.1, and gRPC, which grpc_web makes of requests, needs HTTP/2: give it version: http2, or auto", name)
		}
	}
}

// translatesGRPC reports whether a filter of the route makes requests ones of gRPC.
func translatesGRPC(r *route.Spec) bool {
	return slices.ContainsFunc(r.Filters, func(e table.Entry) bool { return e.GrpcWeb != nil })
}

// AdminSpec is the admin server.
type AdminSpec struct {
	Address     string        `yaml:"address" doc:"Where it listens: host:port or unix:/path; default: nowhere."`
	AllowRemote bool          `yaml:"allow_remote" doc:"Permit an address that other machines can reach; it needs a token."`
	Token       config.Secret `yaml:"token" doc:"What requests to the API have to bring with them over TCP (Authorization: Bearer). Without one the API changes nothing there."`
	Users       []uint32      `yaml:"users" doc:"Numbers of the users that may use a Unix socket, beside root and the gateway's own."`
}

func (a *AdminSpec) access() admin.Access { return admin.Access{Token: a.Token, Users: a.Users} }

// minToken is how long a token is at least.
const minToken = 16

// Validate reports an address that cannot be listened on.
func (a *AdminSpec) Validate(c *config.Check) {
	if len(a.Users) > 0 && !strings.HasPrefix(a.Address, unixPrefix) {
		c.At("users").Errorf("only a Unix socket tells who connects: give token, or an address unix:/path")
	}
	if a.Token != "" && len(a.Token) < minToken {
		c.At("token").Errorf("a token has %d characters at least: it is all that stands before the gateway", minToken)
	}
	if a.Address == "" {
		return
	}
	if msg := upstream.AddressFault(a.Address); msg != "" && !strings.HasSuffix(a.Address, ":0") {
		c.At("address").Errorf("%s", msg)
		return
	}
	if a.AllowRemote && a.Token == "" && !strings.HasPrefix(a.Address, unixPrefix) {
		c.At("allow_remote").Errorf("other machines could read status and profiles: this needs a token, too")
	}
	if host, _, err := net.SplitHostPort(a.Address); err == nil && !a.AllowRemote {
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && !ip.IsLoopback() {
			c.At("address").Suggest("allow_remote: true", "%s can be reached from other machines, and profiles and metrics with it", a.Address)
		}
	}
}

// RuntimeSpec is the runtime.
type RuntimeSpec struct {
	Driver       DriverName      `yaml:"driver" doc:"How loops speak with the kernel; auto takes io_uring where it is allowed."`
	Loops        config.Auto     `yaml:"loops" doc:"Event loops, each on a thread; auto: one for every processor."`
	Pin          bool            `yaml:"pin" doc:"Bind each loop to a processor."`
	DrainTimeout config.Duration `yaml:"drain_timeout" doc:"How long requests in flight may take when the gateway ends."`
	Buffers      int             `yaml:"buffers" doc:"Receive buffers of 32KiB in use at a time, on each loop."`
	Heads        int             `yaml:"heads" doc:"Blocks of 8KiB for message heads in use at a time, on each loop."`
	Stall        config.Duration `yaml:"stall" doc:"How long something may hold a loop until the log names it; off: nobody looks."`
}

// SetDefaults chooses automatically what it can.
func (r *RuntimeSpec) SetDefaults() {
	*r = RuntimeSpec{Driver: Auto, DrainTimeout: config.Duration(30 * time.Second), Buffers: 2048, Heads: 16384, Stall: config.Duration(loop.DefaultStall)}
}

// Validate reports bounds that cannot hold.
func (r *RuntimeSpec) Validate(c *config.Check) {
	if r.Loops > 1024 {
		c.At("loops").Errorf("at most 1024 loops")
	}
	if r.Buffers < 2 || r.Buffers > 32768 {
		c.At("buffers").Errorf("buffers is 2 to 32768")
	}
	if r.Heads < 4 || r.Heads > 1<<20 {
		c.At("heads").Errorf("heads is 4 to 1048576")
	}
	if d := r.Stall.Std(); d != 0 && d < time.Millisecond {
		c.At("stall").Errorf("stall is off or at least 1ms")
	}
}

// DriverName names a driver of the loops.
type DriverName string

// The drivers, and the choice by probing.
const (
	Auto  DriverName = "auto"
	Uring DriverName = "uring"
	Epoll DriverName = "epoll"
)

// EnumValues are the names there are.
func (DriverName) EnumValues() []string { return []string{string(Auto), string(Uring), string(Epoll)} }

// AccessLogSpec is the access log's own Spec with this package's way of reporting.
type AccessLogSpec struct {
	accesslog.Spec `yaml:",inline"`
}

// Validate reports what the access log cannot do.
func (a *AccessLogSpec) Validate(c *config.Check) {
	if err := a.Check(); err != nil {
		c.Errorf("%v", err)
	}
}

// Load decodes and checks a configuration.
func Load(file string, data []byte) (*Spec, error) { return new(Spec).load(file, data, nil) }

// LoadBeside is Load beside a gateway that runs, maybe another process, which it gives way to.
func LoadBeside(file string, data []byte) (s *Spec, err error) {
	beside(data, func() { s, err = Load(file, data) })
	return s, err
}

// beside runs what reads data in the background.
func beside(data []byte, read func()) {
	defer collectLess(len(data))()
	loop.Background(read)
}

// LoadAdmin reads where the admin server of the gateway is, beside the gateway, and nothing else: the file may be one that is
// being changed, or a long one.
func LoadAdmin(file string, data []byte) (a AdminSpec, err error) {
	var part struct {
		Admin AdminSpec `yaml:"admin"`
	}
	beside(data, func() { err = config.DecodePart(file, data, &part) })
	return part.Admin, err
}

// LoadProcess reads of what processes the gateway is made, as LoadAdmin does.
func LoadProcess(file string, data []byte) (p ProcessSpec, err error) {
	var part struct {
		Process ProcessSpec `yaml:"process"`
	}
	beside(data, func() { err = config.DecodePart(file, data, &part) })
	return part.Process, err
}

// load decodes and checks a configuration that may repeat much of s, which it then shares, but for faults of files that can be borne. Nobody
// may change data, s or the result from then on.
func (s *Spec) load(file string, data []byte, bear config.Tolerance) (_ *Spec, err error) {
	next := new(Spec)
	next.reading, err = bear.DecodeAfter(s.reading, file, data, next)
	if err != nil {
		return nil, err
	}
	return next, nil
}

// Forward is the configuration of `ringway run --listen --to`: everything from one address to one server.
func Forward(listen, to string, protocol inbound.Protocol) (*Spec, error) {
	return Load("command line", ForwardText(listen, to, protocol))
}

// ForwardText is what Forward decodes.
func ForwardText(listen, to string, protocol inbound.Protocol) []byte {
	where := "routes: [{cluster: main}]"
	if protocol == inbound.TCP {
		where = "cluster: main"
	}
	return fmt.Appendf(nil, "listeners: {main: {address: %q, protocol: %q, %s}}\nclusters: {main: {endpoints: [%q]}}\n", listen, protocol, where, to)
}
