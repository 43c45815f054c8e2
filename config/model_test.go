package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// The types below are a small gateway's, so that the golden messages read as a user would meet them.

type testSpec struct {
	Listeners map[string]*testListener `yaml:"listeners" doc:"What is listened on." config:"required"`
	Clusters  map[string]testCluster   `yaml:"clusters" doc:"Where requests go."`
	Admin     *testAdmin               `yaml:"admin" doc:"The admin address."`
	Runtime   testRuntime              `yaml:"runtime" doc:"How the process runs."`
	Trusted   []Prefix                 `yaml:"trusted" doc:"Proxies whose word is taken."`
	Labels    map[testColor]string     `yaml:"labels" doc:"Labels by colour."`
}

func (s *testSpec) Validate(c *Check) {
	known := make([]string, 0, len(s.Clusters))
	for name := range s.Clusters {
		known = append(known, name)
	}
	if len(s.Listeners) == 0 {
		c.At("listeners").Errorf("at least one listener is needed")
	}
	for name, l := range s.Listeners {
		for i, r := range l.Routes {
			if _, ok := s.Clusters[r.Cluster]; r.Cluster != "" && !ok {
				c.At("listeners", name, "routes", i, "cluster").Unknown("cluster", r.Cluster, known)
			}
		}
	}
}

type testListener struct {
	Address  string       `yaml:"address" doc:"Where to listen." config:"required"`
	Protocol testProtocol `yaml:"protocol" doc:"What is spoken."`
	Routes   []testRoute  `yaml:"routes" doc:"Where requests go."`
	Port     uint16       `yaml:"port" doc:"A port."`
	Ratio    float64      `yaml:"ratio" doc:"A ratio."`
	Timeout  Duration     `yaml:"timeout" doc:"How long to wait."`
	MaxBody  Size         `yaml:"max_body" doc:"The largest body."`
	compiled int          // not the file's: unexported fields are left alone
}

func (l *testListener) SetDefaults() {
	l.Protocol = "http"
	l.Timeout = Duration(30e9)
	l.MaxBody = 10 << 20
	l.compiled = 7
}

func (l *testListener) Validate(c *Check) {
	if l.Protocol == "tcp" && c.Has("max_body") {
		c.At("max_body").Errorf("max_body is for protocol http")
	}
	if l.Address == "nowhere" {
		c.At("address").Suggest("127.0.0.1:80", "no such address %q", l.Address)
	}
	if l.Protocol == "udp" {
		c.Errorf("udp is not served")
	}
}

type testProtocol string

func (testProtocol) EnumValues() []string { return []string{"http", "tcp", "udp"} }

type testColor string

func (testColor) EnumValues() []string { return []string{"red", "green"} }

type testRoute struct {
	TestMatch `yaml:",inline"`
	Cluster   string       `yaml:"cluster" doc:"The cluster's name."`
	Filters   []testFilter `yaml:"filters" doc:"What happens on the way."`
}

// TestMatch is lifted up into a route; embedded structs have to be exported.
type TestMatch struct {
	Host  string  `yaml:"host" doc:"The host."`
	Path  *Regexp `yaml:"path" doc:"The path."`
	Share float32 `yaml:"share" doc:"A share."`
}

func (m *TestMatch) SetDefaults() { m.Share = 1 }

func (m *TestMatch) Validate(c *Check) {
	if m.Share < 0 {
		c.At("share").Errorf("a share cannot be negative")
	}
}

type testFilter struct {
	_       struct{}     `config:"oneof" doc:"One thing that happens on the way."`
	Name    string       `yaml:"name" doc:"A name for the log."`
	Headers *testHeaders `yaml:"headers" doc:"Changes header fields."`
	Limit   *testLimit   `yaml:"rate_limit" doc:"Limits the rate."`
}

type testHeaders struct {
	Set map[string]string `yaml:"set" doc:"Fields to set."`
}

type testLimit struct {
	Rate  Rate `yaml:"rate" doc:"How many." config:"required"`
	Burst int  `yaml:"burst" doc:"How many at once."`
}

type testCluster struct {
	Endpoints []testEndpoint `yaml:"endpoints" doc:"The servers." config:"required"`
	Connect   testTimeouts   `yaml:"connect" doc:"Timeouts."`
}

func (c *testCluster) SetDefaults() { c.Connect.Wait = Duration(1e9) }

type testTimeouts struct {
	Wait  Duration `yaml:"wait" doc:"How long."`
	Tries int8     `yaml:"tries" doc:"How often."`
}

func (t *testTimeouts) SetDefaults() { t.Wait, t.Tries = Duration(5e9), 3 }

type testEndpoint struct {
	Address string `yaml:"address" doc:"host:port" config:"required"`
	Weight  int    `yaml:"weight" doc:"Its share."`
}

func (e *testEndpoint) SetDefaults() { e.Weight = 1 }

func (e *testEndpoint) FromScalar(s string) error {
	if !strings.Contains(s, ":") {
		return &Error{Problem: "an endpoint needs a port", Suggestion: s + ":80"}
	}
	e.Address = s
	return nil
}

type testAdmin struct {
	Address netip.AddrPort `yaml:"address" doc:"ip:port" config:"required"`
	Pprof   bool           `yaml:"pprof" doc:"Whether to profile."`
}

type testRuntime struct {
	Driver string `yaml:"driver" doc:"The driver."`
	Loops  Auto   `yaml:"loops" doc:"How many."`
	Pin    bool   `yaml:"pin" doc:"Whether to pin."`
	Hidden string `yaml:"-"`
}

func (r *testRuntime) SetDefaults() { r.Driver = "auto" }

func TestUnsupportedTypesAreNamed(t *testing.T) {
	type loop struct {
		Next *loop `yaml:"next"`
	}
	for _, c := range []struct {
		name string
		dst  any
		want string
	}{
		{"channel", &struct{ C chan int }{}, "C is a chan int, which a file cannot hold"},
		{"interface", &struct{ A []any }{}, "A[] is a interface {}"},
		{"map key", &struct{ M map[int]string }{}, "only strings can be"},
		{"double pointer", &struct{ P **int }{}, "pointer to a pointer"},
		{"twice", &struct {
			A int `yaml:"a"`
			B int `yaml:"a"`
		}{}, `has the key "a" twice`},
		{"lifted twice", &struct {
			Host      string `yaml:"host"`
			TestMatch `yaml:",inline"`
		}{}, `has the key "host" twice`},
		{"tag", &struct {
			A int `config:"requird"`
		}{}, `config:"requird"`},
		{"tag of a struct", &struct {
			_ struct{} `config:"oneOf"`
		}{}, `config:"oneOf"`},
		{"not a pointer", struct{}{}, "want a pointer to a struct"},
		{"recursive is fine", &loop{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				p, _ := recover().(string)
				if c.want == "" && p != "" || !strings.Contains(p, c.want) {
					t.Errorf("panic %q, want one with %q", p, c.want)
				}
			}()
			var errs Errors
			if err := Decode("f", []byte("next: {next: {}}"), c.dst); err != nil && !errors.As(err, &errs) {
				t.Error(err)
			}
		})
	}
}
