// Package respond is the filter that answers a request itself. See README.md.
package respond

import (
	"maps"
	"slices"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/proto/header"
)

// Spec is the filter's configuration.
type Spec struct {
	Status      int               `yaml:"status" doc:"Status of the response, 200 to 599."`
	Body        string            `yaml:"body" doc:"Body of the response."`
	ContentType string            `yaml:"content_type" doc:"Its media type."`
	Headers     map[string]string `yaml:"headers" doc:"Further fields, such as Location."`
}

// SetDefaults fills in 200 and plain text.
func (s *Spec) SetDefaults() { s.Status, s.ContentType = 200, "text/plain; charset=utf-8" }

// Validate reports what cannot be sent.
func (s *Spec) Validate(c *config.Check) {
	if s.Status < 200 || s.Status > 599 {
		c.At("status").Errorf("a final status is 200 to 599, not %d", s.Status)
	}
	if (s.Status == 204 || s.Status == 304) && s.Body != "" {
		c.At("body").Errorf("a response with status %d has no body", s.Status)
	}
	if !header.ValidValue([]byte(s.ContentType)) {
		c.At("content_type").Errorf("the media type holds a control character, or white space at an end")
	}
	for name, value := range s.Headers {
		switch header.Lookup([]byte(name)) {
		case header.ContentLength, header.TransferEncoding, header.Connection, header.Upgrade, header.TE, header.Trailer, header.KeepAlive:
			c.At("headers", name).Errorf("%s belongs to the gateway", name)
		}
		if !header.ValidName([]byte(name)) || !header.ValidValue([]byte(value)) {
			c.At("headers", name).Errorf("%q cannot stand in a message", name+": "+value)
		}
	}
}

// New makes the filter.
func (s *Spec) New() filter.Filter {
	r := &respond{status: s.Status, body: []byte(s.Body)}
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		r.names, r.values = append(r.names, name), append(r.values, []byte(s.Headers[name]))
	}
	if len(s.Body) > 0 {
		r.contentType = []byte(s.ContentType)
	}
	return r
}

// Answers is true.
func (s *Spec) Answers() bool { return true }

type respond struct {
	status      int
	body        []byte
	contentType []byte
	names       []string
	values      [][]byte
}

// Handle answers.
func (r *respond) Handle(x *exchange.Exchange, _ filter.Next) error {
	f := x.Respond(r.status, r.body)
	if r.contentType != nil {
		f.AddID(header.ContentType, r.contentType)
	}
	for i, name := range r.names {
		f.Set(name, r.values[i])
	}
	return nil
}
