// Package clientcert is the filter that lets requests pass by their client's certificate, and tells upstreams of it. See README.md.
package clientcert

import (
	"strings"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/proto/header"
)

// Spec is the filter's configuration.
type Spec struct {
	Names    []string `yaml:"names" doc:"Patterns of subject alternative names, such as DNS:*.example.com; one of these or of subjects has to fit."`
	Subjects []string `yaml:"subjects" doc:"Patterns of subjects, such as CN=device *,O=Example."`
	Optional bool     `yaml:"optional" doc:"Let requests pass whose client has no such certificate."`
	Status   int      `yaml:"status" doc:"Status of the response to who may not pass, 400 to 499."`
	Forward  Forward  `yaml:"forward" doc:"Fields that tell the upstream; those that the client sends are dropped."`
}

// Forward names the field that each property goes upstream in; empty for none.
type Forward struct {
	Subject     string `yaml:"subject" doc:"Field for the subject, as RFC 2253 writes it."`
	Issuer      string `yaml:"issuer" doc:"Field for the issuer."`
	Serial      string `yaml:"serial" doc:"Field for the serial number, hexadecimal."`
	Names       string `yaml:"names" doc:"Field for the subject alternative names, with commas between them."`
	Fingerprint string `yaml:"fingerprint" doc:"Field for the SHA-256 of the certificate, hexadecimal."`
	Certificate string `yaml:"certificate" doc:"Field for the certificate itself, as RFC 9440 writes Client-Cert."`
}

// SetDefaults has who may not pass get a 403.
func (s *Spec) SetDefaults() { s.Status = 403 }

// Validate reports patterns and fields that cannot be.
func (s *Spec) Validate(c *config.Check) {
	if s.Status < 400 || s.Status > 499 {
		c.At("status").Errorf("who may not pass gets 400 to 499, not %d", s.Status)
	}
	for i, p := range s.Names {
		kind, _, ok := strings.Cut(p, ":")
		switch {
		case p == "*":
		case !ok:
			c.At("names", i).Suggest("DNS:"+p, "a name begins with its kind: DNS:, email:, IP: or URI:")
		case kind != "DNS" && kind != "email" && kind != "IP" && kind != "URI":
			c.At("names", i).Errorf("%q is not a kind of name: DNS:, email:, IP: and URI: are", kind+":")
		}
	}
	for i, p := range s.Subjects {
		if p == "" {
			c.At("subjects", i).Errorf("the pattern is empty")
		}
	}
	seen := map[string]string{}
	for _, f := range s.Forward.fields() {
		lower := strings.ToLower(f.name)
		switch {
		case f.name == "":
		case !header.ValidName([]byte(f.name)):
			c.At("forward", f.key).Errorf("%q is not a field name", f.name)
		case header.Lookup([]byte(f.name)) != header.Other:
			c.At("forward", f.key).Errorf("%s has a meaning of its own", f.name)
		case seen[lower] != "":
			c.At("forward", f.key).Errorf("%s is the field for %s already", f.name, seen[lower])
		default:
			seen[lower] = f.key
		}
	}
}

// New makes the filter.
func (s *Spec) New() filter.Filter {
	c := &clientcert{Spec: s}
	for _, f := range s.Forward.fields() {
		if f.name != "" {
			c.forward = append(c.forward, f)
		}
	}
	return c
}

// Answers is false: some requests go on.
func (s *Spec) Answers() bool { return false }

// field is where a property goes.
type field struct {
	key, name string
	property  secure.Property
}

func (f *Forward) fields() []field {
	return []field{
		{"subject", f.Subject, secure.Subject},
		{"issuer", f.Issuer, secure.Issuer},
		{"serial", f.Serial, secure.Serial},
		{"names", f.Names, secure.Names},
		{"fingerprint", f.Fingerprint, secure.Fingerprint},
		{"certificate", f.Certificate, secure.Encoded},
	}
}

type clientcert struct {
	*Spec
	forward []field
}

// Handle refuses, or tells the upstream and goes on.
func (c *clientcert) Handle(x *exchange.Exchange, next filter.Next) error {
	for i := range c.forward {
		drop(x.Request.Fields, c.forward[i].name)
	}
	var cert *secure.ClientCertificate
	if x.TLS != nil {
		cert = x.TLS.Client
	}
	if !c.Optional && (cert == nil || !c.fits(cert)) {
		x.Respond(c.Status, nil)
		return nil
	}
	if cert != nil {
		for i := range c.forward {
			if v := cert.Text(c.forward[i].property); v != nil {
				x.Request.Fields.Add(c.forward[i].name, v)
			}
		}
	}
	return next.Handle(x)
}

// drop removes the fields that an application could take for the named one: many tell neither case nor - from _.
func drop(f *header.Fields, name string) {
	for i := range f.Len() {
		if n, _, ok := f.At(i); ok && alike(n, name) {
			f.Del(string(n))
		}
	}
}

func alike(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if c := a[i]; plain(c) != plain(b[i]) {
			return false
		}
	}
	return true
}

func plain(c byte) byte {
	switch {
	case c == '_':
		return '-'
	case c >= 'A' && c <= 'Z':
		return c | 0x20
	}
	return c
}

func (c *clientcert) fits(cert *secure.ClientCertificate) bool {
	if len(c.Names) == 0 && len(c.Subjects) == 0 {
		return true
	}
	for _, p := range c.Subjects {
		if matchSubject(p, cert.Subject) {
			return true
		}
	}
	for _, p := range c.Names {
		for _, n := range cert.Names {
			if match(p, n) {
				return true
			}
		}
	}
	return false
}

// matchSubject is match for subjects, part by part: what a * stands for is within one attribute, whatever its value looks like.
func matchSubject(pattern, s string) bool {
	if pattern == "*" {
		return true
	}
	for {
		p, psep, prest := attribute(pattern)
		a, asep, arest := attribute(s)
		if psep != asep || !match(p, a) {
			return false
		}
		if psep == 0 {
			return true
		}
		pattern, s = prest, arest
	}
}

// attribute cuts the first attribute off a subject as RFC 2253 writes it; sep is what stood behind it, 0 at the end.
func attribute(s string) (first string, sep byte, rest string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ',', '+':
			return s[:i], s[i], s[i+1:]
		}
	}
	return s, 0, ""
}

// match reports whether s is as the pattern says, in which each * stands for any text. Letters count as they are, but those of
// names in DNS.
func match(pattern, s string) bool {
	if strings.HasPrefix(s, "DNS:") {
		pattern, s = strings.ToLower(pattern), strings.ToLower(s)
		if p, ok := strings.CutPrefix(pattern, "dns:"); ok {
			pattern, s = p, s[len("dns:"):]
		}
	}
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return s == pattern
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for {
		part, more, wild := strings.Cut(rest, "*")
		if !wild {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}
