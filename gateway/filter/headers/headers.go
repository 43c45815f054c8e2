// Package headers is the filter that sets, adds and removes header fields. See README.md.
package headers

import (
	"slices"
	"strings"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/proto/header"
	"github.com/ringway/ringway/proto/http1"
)

// Change is what is done to the fields of one message.
type Change struct {
	Set    map[string]string `yaml:"set" doc:"Fields that get this one value."`
	Add    map[string]string `yaml:"add" doc:"Fields that are added to those of the same name."`
	Remove []string          `yaml:"remove" doc:"Fields that are removed."`
}

// Spec is the filter's configuration: the request's change, and the response's.
type Spec struct {
	Change   `yaml:",inline"`
	Response Change `yaml:"response" doc:"The same for the response."`
}

// reserved are the fields that belong to the gateway, since framing and connections rest on them.
var reserved = []header.ID{header.ContentLength, header.TransferEncoding, header.Connection, header.KeepAlive,
	header.ProxyConnection, header.TE, header.Trailer, header.Upgrade}

// Validate reports names and values that cannot stand in a message.
func (ch *Change) Validate(c *config.Check) {
	for kind, fields := range map[string]map[string]string{"set": ch.Set, "add": ch.Add} {
		for name, value := range fields {
			checkName(c.At(kind, name), name)
			if kind == "add" && header.Lookup([]byte(name)) == header.Host {
				c.At(kind, name).Errorf("a request has one Host: set it instead")
			}
			if header.EqualFold([]byte(name), "Host") && !http1.ValidAuthority([]byte(value)) {
				c.At(kind, name).Errorf("%q is not a host with an optional port", value)
			}
			if !header.ValidValue([]byte(value)) {
				c.At(kind, name).Errorf("the value of %s holds a control character, or white space at an end", name)
			}
		}
	}
	for i, name := range ch.Remove {
		checkName(c.At("remove", i), name)
	}
}

func checkName(c *config.Check, name string) {
	switch {
	case !header.ValidName([]byte(name)):
		c.Errorf("%q is not a field name", name)
	case slices.Contains(reserved, header.Lookup([]byte(name))):
		c.Errorf("%s belongs to the gateway: it says how this connection's messages are framed", name)
	}
}

// New makes the filter.
func (s *Spec) New() filter.Filter {
	return &headers{request: compile(&s.Change), response: compile(&s.Response)}
}

// Answers is false: the request goes on.
func (s *Spec) Answers() bool { return false }

type field struct {
	name  string
	value []byte
}

type change struct {
	set, add []field
	remove   []string
}

func compile(c *Change) change {
	return change{set: fields(c.Set), add: fields(c.Add), remove: c.Remove}
}

func fields(m map[string]string) []field {
	if len(m) == 0 {
		return nil
	}
	out := make([]field, 0, len(m))
	for name, value := range m {
		out = append(out, field{name, []byte(value)})
	}
	slices.SortFunc(out, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return out
}

func (c *change) apply(f *header.Fields) {
	for _, name := range c.remove {
		f.Del(name)
	}
	for i := range c.set {
		f.Set(c.set[i].name, c.set[i].value)
	}
	for i := range c.add {
		f.Add(c.add[i].name, c.add[i].value)
	}
}

type headers struct{ request, response change }

// Handle changes the request, then what comes back.
func (h *headers) Handle(x *exchange.Exchange, next filter.Next) error {
	h.request.apply(x.Request.Fields)
	err := next.Handle(x)
	if err == nil && x.Response.Status != 0 {
		h.response.apply(x.Response.Fields)
	}
	return err
}
