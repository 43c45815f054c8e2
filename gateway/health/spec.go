package health

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/probe"
)

// Spec is how a cluster's endpoints are checked, as it stands in the configuration. An endpoint is healthy while all the checks
// say so.
type Spec struct {
	Initial State     `yaml:"initial" doc:"What an endpoint is taken for until its checks have proved something: healthy, or unhealthy, which the first good result ends."`
	Panic   Share     `yaml:"panic_threshold" doc:"All endpoints are used again, by their weights alone, while no more than this share of them is healthy: 0% for when none is. off: never; requests are then answered with 503."`
	Window  int       `yaml:"window" doc:"How many of the last results of each check latency and loss are of."`
	ICMP    *ICMPSpec `yaml:"icmp" doc:"Ping the endpoint's address. Needs CAP_NET_RAW, or the group in net.ipv4.ping_group_range."`
	TCP     *TCPSpec  `yaml:"tcp" doc:"Connect to the endpoint."`
	HTTP    *HTTPSpec `yaml:"http" doc:"Send a GET request to the endpoint, by TLS where the cluster has it."`
	GRPC    *GRPCSpec `yaml:"grpc" doc:"Call grpc.health.v1.Health/Check, over HTTP/2."`
}

// SetDefaults takes endpoints for healthy, uses all when none is, and remembers a hundred results.
func (s *Spec) SetDefaults() { *s = Spec{Initial: Healthy, Window: 100} }

// Bounds of a window.
const (
	minWindow = 10
	maxWindow = 10_000
)

// Validate reports a specification that checks nothing.
func (s *Spec) Validate(c *config.Check) {
	if len(s.kinds()) == 0 && !c.At("icmp").Failed() && !c.At("tcp").Failed() && !c.At("http").Failed() && !c.At("grpc").Failed() {
		c.Errorf("nothing is checked: give icmp, tcp, http or grpc")
	}
	if s.Window < minWindow || s.Window > maxWindow {
		c.At("window").Errorf("window is %d to %d results, not %d", minWindow, maxWindow, s.Window)
	}
}

// kinds are the checks that there are, those whose latency is the best measure first.
func (s *Spec) kinds() (all []kindSpec) {
	if s == nil {
		return nil
	}
	if s.ICMP != nil {
		all = append(all, s.ICMP)
	}
	if s.TCP != nil {
		all = append(all, s.TCP)
	}
	if s.HTTP != nil {
		all = append(all, s.HTTP)
	}
	if s.GRPC != nil {
		all = append(all, s.GRPC)
	}
	return all
}

// kindSpec is the specification of one kind of check.
type kindSpec interface {
	kind() Kind
	pace() *Pace
}

// Kind names a kind of check.
type Kind string

// The kinds.
const (
	ICMP Kind = "icmp"
	TCP  Kind = "tcp"
	HTTP Kind = "http"
	GRPC Kind = "grpc"
)

// State is what an endpoint is taken for.
type State string

// The states.
const (
	Healthy   State = "healthy"
	Unhealthy State = "unhealthy"
)

// EnumValues are the states.
func (State) EnumValues() []string { return []string{string(Healthy), string(Unhealthy)} }

// stateOf names a state.
func stateOf(healthy bool) State {
	if healthy {
		return Healthy
	}
	return Unhealthy
}

// Pace is when a check is made, and how many results in a row decide.
type Pace struct {
	Interval       config.Duration `yaml:"interval" doc:"From one check of an endpoint to the next."`
	Timeout        config.Duration `yaml:"timeout" doc:"How long a check may take."`
	UnhealthyAfter int             `yaml:"unhealthy_after" doc:"Failures in a row that make a healthy endpoint unhealthy."`
	HealthyAfter   int             `yaml:"healthy_after" doc:"Good results in a row that make an unhealthy endpoint healthy."`
}

func paceOf(interval, timeout time.Duration) Pace {
	return Pace{Interval: config.Duration(interval), Timeout: config.Duration(timeout), UnhealthyAfter: 3, HealthyAfter: 2}
}

// pace is what the kinds have in common.
func (p *Pace) pace() *Pace { return p }

// Bounds of a pace.
const (
	minInterval = 10 * time.Millisecond
	maxInterval = time.Hour
	minTimeout  = time.Millisecond
	maxTimeout  = time.Minute
	maxInARow   = 1000
)

// Validate reports what cannot be kept.
func (p *Pace) Validate(c *config.Check) {
	if d := p.Interval.Std(); d < minInterval || d > maxInterval {
		c.At("interval").Errorf("interval is %v to %v, not %v", minInterval, maxInterval, d)
	}
	if d := p.Timeout.Std(); d < minTimeout || d > maxTimeout {
		c.At("timeout").Errorf("timeout is %v to %v, not %v", minTimeout, maxTimeout, d)
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"unhealthy_after", p.UnhealthyAfter}, {"healthy_after", p.HealthyAfter}} {
		if n.value < 1 || n.value > maxInARow {
			c.At(n.key).Errorf("%s is 1 to %d, not %d", n.key, maxInARow, n.value)
		}
	}
}

// ICMPSpec pings.
type ICMPSpec struct {
	Pace         `yaml:",inline"`
	Size         int     `yaml:"size" doc:"Bytes of payload."`
	DontFragment bool    `yaml:"dont_fragment" doc:"Packets must pass as they are: one that is too big for the way fails."`
	TOS          int     `yaml:"tos" doc:"TOS byte of the packets: DSCP in the upper six bits, ECN in the lower two."`
	Sockets      Sockets `yaml:"sockets" doc:"How ICMP is sent; auto takes raw sockets where they are permitted, else datagram ones."`
}

func (*ICMPSpec) kind() Kind { return ICMP }

// SetDefaults pings once a second.
func (s *ICMPSpec) SetDefaults() {
	*s = ICMPSpec{Pace: paceOf(time.Second, 500*time.Millisecond), Size: probe.DefaultSize, Sockets: AutoSockets}
}

// Validate reports packets that cannot be sent.
func (s *ICMPSpec) Validate(c *config.Check) {
	if s.Size < probe.MinSize || s.Size > probe.MaxSize {
		c.At("size").Errorf("size is %d to %d bytes, not %d", probe.MinSize, probe.MaxSize, s.Size)
	}
	if s.TOS < 0 || s.TOS > 255 {
		c.At("tos").Errorf("tos is 0 to 255, not %d", s.TOS)
	}
}

// Sockets names a way to send ICMP.
type Sockets string

// The ways.
const (
	AutoSockets     Sockets = "auto"
	RawSockets      Sockets = "raw"
	DatagramSockets Sockets = "datagram"
)

// EnumValues are the ways there are.
func (Sockets) EnumValues() []string {
	return []string{string(AutoSockets), string(RawSockets), string(DatagramSockets)}
}

func (s Sockets) probe() probe.SocketKind {
	switch s {
	case RawSockets:
		return probe.Raw
	case DatagramSockets:
		return probe.Datagram
	}
	return probe.Auto
}

// TCPSpec connects.
type TCPSpec struct {
	Pace `yaml:",inline"`
}

func (*TCPSpec) kind() Kind { return TCP }

// SetDefaults connects every two seconds.
func (s *TCPSpec) SetDefaults() { s.Pace = paceOf(2*time.Second, time.Second) }

// Validate has nothing to add: the pace checks itself.
func (*TCPSpec) Validate(*config.Check) {}

// HTTPSpec asks for a path.
type HTTPSpec struct {
	Pace   `yaml:",inline"`
	Path   string        `yaml:"path" doc:"What is asked for, a query included."`
	Host   string        `yaml:"host" doc:"Host that is named; default: the endpoint's."`
	Expect []StatusRange `yaml:"expect" doc:"Statuses of a healthy endpoint, as 200, 2xx or 200-204."`
}

func (*HTTPSpec) kind() Kind { return HTTP }

// SetDefaults asks for / every two seconds and expects 2xx.
func (s *HTTPSpec) SetDefaults() {
	*s = HTTPSpec{Pace: paceOf(2*time.Second, time.Second), Path: "/", Expect: []StatusRange{{200, 299}}}
}

// Validate reports requests that would be none.
func (s *HTTPSpec) Validate(c *config.Check) {
	if !strings.HasPrefix(s.Path, "/") || strings.ContainsFunc(s.Path, outsideOfTargets) || strings.Contains(s.Path, "#") {
		c.At("path").Errorf("a path begins with / and has no space, no # and nothing but ASCII, not as %q", s.Path)
	}
	if strings.ContainsFunc(s.Host, outsideOfTargets) {
		c.At("host").Errorf("%q is no host", s.Host)
	}
	if len(s.Expect) == 0 && !c.At("expect").Failed() {
		c.At("expect").Errorf("give at least one status")
	}
}

// outsideOfTargets is what a request target or a host cannot have.
func outsideOfTargets(r rune) bool { return r <= ' ' || r > '~' }

// StatusRange is a range of statuses of HTTP.
type StatusRange struct {
	From int `yaml:"from" config:"required" doc:"The first."`
	To   int `yaml:"to" config:"required" doc:"The last."`
}

// FromScalar reads 200, 2xx or 200-204.
func (r *StatusRange) FromScalar(s string) error {
	from, to, ranged := strings.Cut(s, "-")
	if class, ok := strings.CutSuffix(s, "xx"); ok && len(class) == 1 {
		from, to, ranged = class+"00", class+"99", true
	}
	var err, err2 error
	r.From, err = strconv.Atoi(from)
	if r.To = r.From; ranged {
		r.To, err2 = strconv.Atoi(to)
	}
	if err != nil || err2 != nil {
		return fmt.Errorf("expected %s, found %q", r.Expects(), s)
	}
	return nil
}

// Expects says what a range looks like.
func (*StatusRange) Expects() string {
	return "a status such as 200, a class such as 2xx, or a range such as 200-204"
}

// Validate reports what is no range.
func (r *StatusRange) Validate(c *config.Check) {
	if r.From < 200 || r.To > 599 || r.From > r.To {
		c.Errorf("a range of statuses is within 200 to 599 and has its lower end first, not %d to %d", r.From, r.To)
	}
}

// has reports whether the range has the status.
func (r *StatusRange) has(status int) bool { return r.From <= status && status <= r.To }
