package clientcert

import (
	"strings"
	"testing"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/exchange"
	"github.com/ringway/ringway/gateway/filter"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/proto/header"
)

// upstream notes what it was asked.
type upstream struct{ seen string }

func (u *upstream) Handle(x *exchange.Exchange) error {
	for name, value := range x.Request.Fields.All() {
		u.seen += string(name) + ": " + string(value) + "\n"
	}
	x.Respond(200, nil)
	return nil
}

func decode(text string) (*Spec, error) {
	s := new(Spec)
	return s, config.Decode("c.yaml", []byte(text), s)
}

func TestClientCertificate(t *testing.T) {
	device := &secure.ClientCertificate{Subject: "CN=device 7,O=Example", Issuer: "CN=ca", Serial: "1f",
		Names: []string{"DNS:d7.Devices.example.com", "URI:spiffe://example.com/d/7"}}
	evil := &secure.ClientCertificate{Subject: "CN=x\r\nX-Admin: yes"}
	for _, test := range []struct {
		spec   string
		cert   *secure.ClientCertificate
		status int
		seen   string
	}{
		{"{}", nil, 403, ""},
		{"{}", device, 200, "Other: 1\nX-Subject: forged\n"},
		{"status: 401", nil, 401, ""},
		{"optional: true", nil, 200, "Other: 1\nX-Subject: forged\n"},
		{"{optional: true, forward: {subject: X-Subject}}", nil, 200, "Other: 1\n"},
		{"{forward: {subject: x-subject, serial: X-Serial}}", device, 200, "Other: 1\nx-subject: CN=device 7,O=Example\nX-Serial: 1f\n"},
		{"{forward: {names: X-N, issuer: X-I}}", device, 200,
			"Other: 1\nX-Subject: forged\nX-I: CN=ca\nX-N: DNS:d7.Devices.example.com, URI:spiffe://example.com/d/7\n"},
		{"{forward: {subject: X-Subject}}", evil, 200, "Other: 1\n"},
		{"names: ['DNS:*.devices.example.com']", device, 200, "Other: 1\nX-Subject: forged\n"},
		{"names: ['DNS:devices.example.com']", device, 403, ""},
		{"names: ['URI:spiffe://example.com/*']", device, 200, "Other: 1\nX-Subject: forged\n"},
		{"names: ['URI:spiffe://Example.com/*']", device, 403, ""},
		{"subjects: ['CN=device *,O=Example']", device, 200, "Other: 1\nX-Subject: forged\n"},
		{"subjects: ['CN=device']", device, 403, ""},
		{"{subjects: ['CN=other'], names: ['*']}", device, 200, "Other: 1\nX-Subject: forged\n"},
		{"{optional: true, subjects: ['CN=other']}", device, 200, "Other: 1\nX-Subject: forged\n"},
	} {
		spec, err := decode(test.spec)
		if err != nil {
			t.Fatal(err)
		}
		f := spec.New()
		for range 2 {
			var fields header.Fields
			fields.Add("Other", []byte("1"))
			fields.Add("X-Subject", []byte("forged"))
			x := &exchange.Exchange{TLS: &secure.Info{Client: test.cert}, Request: exchange.Request{Fields: &fields}}
			u := &upstream{}
			chain := filter.Chain{Filters: []filter.Filter{f}, End: u}
			if err := chain.Handle(x); err != nil || x.Response.Status != test.status || u.seen != test.seen {
				t.Errorf("%s: %d, %v, upstream saw %q", test.spec, x.Response.Status, err, u.seen)
			}
		}
	}
}

// TestForged: fields that an application could take for ours do not pass, and no client gets by with what it had written into its
// certificate.
func TestForged(t *testing.T) {
	spec, err := decode("{optional: true, forward: {subject: X-Client-Subject, names: X-Names}}")
	if err != nil {
		t.Fatal(err)
	}
	var fields header.Fields
	for _, name := range []string{"X_Client_Subject", "x-client_subject", "X-Client-Subject", "X-Client-Subjects", "Accept"} {
		fields.Add(name, []byte("CN=admin"))
	}
	cert := &secure.ClientCertificate{Names: []string{"email:a, DNS:admin.example.com", "DNS:a.example", "DNS:b.example"}}
	x := &exchange.Exchange{TLS: &secure.Info{Client: cert}, Request: exchange.Request{Fields: &fields}}
	u := &upstream{}
	chain := filter.Chain{Filters: []filter.Filter{spec.New()}, End: u}
	if err := chain.Handle(x); err != nil || u.seen != "X-Client-Subjects: CN=admin\nAccept: CN=admin\nX-Names: DNS:a.example, DNS:b.example\n" {
		t.Errorf("%v, upstream saw %q", err, u.seen)
	}
}

func TestMatchSubject(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "CN=a,O=b", true},
		{"CN=device *,O=Example", "CN=device 7,O=Example", true},
		{"CN=device *,O=Example", `CN=device a\,O=Example`, false},
		{"CN=device *,O=Example", `CN=device a\,O=Example,O=Example`, true},
		{"CN=device *,O=Example", "CN=device 7,OU=x,O=Example", false},
		{"CN=*,O=Example", "CN=a+OU=b,O=Example", false},
		{"CN=*+OU=b,O=Example", "CN=a+OU=b,O=Example", true},
		{"*CN=device *,O=Example", `CN=x\,CN=device 1,O=Example`, true}, // asked for: any text before it
		{"CN=device *", "CN=device 7,O=Example", false},
		{"CN=a", `CN=a\`, false},
	} {
		if got := matchSubject(test.pattern, test.s); got != test.want {
			t.Errorf("%q and %q: %v", test.pattern, test.s, got)
		}
	}
}

func TestPlainConnection(t *testing.T) {
	spec, err := decode("{}")
	if err != nil {
		t.Fatal(err)
	}
	var fields header.Fields
	x := &exchange.Exchange{Request: exchange.Request{Fields: &fields}}
	if err := spec.New().Handle(x, filter.Next{}); err != nil || x.Response.Status != 403 {
		t.Errorf("%d, %v", x.Response.Status, err)
	}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"a", "", false},
		{"*", "", true},
		{"*", "anything", true},
		{"a*", "a", true},
		{"a*", "ba", false},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "acb", false},
		{"**", "x", true},
		{"DNS:*.x", "DNS:a.x", true},
		{"dns:*.x", "DNS:A.X", true},
		{"DNS:a", "URI:a", false},
		{"URI:a", "DNS:a", false},
		{"IP:10.0.0.*", "IP:10.0.0.7", true},
	} {
		if got := match(test.pattern, test.s); got != test.want {
			t.Errorf("%q and %q: %v", test.pattern, test.s, got)
		}
	}
}

func TestRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"status: 200":                               "400 to 499",
		"names: [example.com]":                      `DNS:example.com`,
		"names: ['URL:x']":                          "is not a kind of name",
		"subjects: ['']":                            "empty",
		"forward: {subject: 'a b'}":                 "not a field name",
		"forward: {subject: Host}":                  "a meaning of its own",
		"forward: {subject: X-A, issuer: x-a}":      "the field for subject already",
		"forward: {subject: X-A, thumbprint: X-B}":  "thumbprint",
		"{names: ['DNS:a'], subject: [CN=x]}":       "subject",
		"forward: {certificate: Transfer-Encoding}": "a meaning of its own",
	} {
		if _, err := decode(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
