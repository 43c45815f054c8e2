package gateway

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTLSClientRules: who a client is decides which route it gets, reaches the upstream, and stands in the access log.
func TestTLSClientRules(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		ca := newAuthority(t)
		site := ca.issue("site", false, nil, "a.example")
		device, other := ca.issue("device", false, nil, "d7.devices.example"), ca.issue("other", false, nil, "else.example")
		up := origin(t, func(c *client) {
			for {
				head, err := readHead(c.br)
				if err != nil {
					return
				}
				c.send("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(head), head)
			}
		})
		log := filepath.Join(t.TempDir(), "access.log")
		r := start(t, d, with{
			listener: fmt.Sprintf("tls: {certificates: [%s], client_auth: {mode: optional, ca: '%s'}}", site.yaml(), ca.file("ca.pem")),
			route:    "filters: [{client_certificate: {names: ['DNS:*.devices.example'], forward: {names: X-Names, certificate: Client-Cert}}}]",
			top:      "access_log: {path: '" + log + "'}",
		}, up)
		for _, test := range []struct {
			cert *pair
			want string
		}{{nil, "403"}, {other, "403"}, {device, "200"}} {
			cfg := ca.trusting("a.example")
			if test.cert != nil {
				cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &test.cert.Certificate, nil }
			}
			c, _ := r.dialTLS(cfg)
			c.send("GET / HTTP/1.1\r\nHost: a.example\r\nclient-cert: :Zm9yZ2Vk:\r\nConnection: close\r\n\r\n")
			head := c.head()
			body, _ := c.rest()
			if !strings.HasPrefix(head, "HTTP/1.1 "+test.want+" ") {
				t.Errorf("got %q, want %s", head, test.want)
			}
			if test.want != "200" {
				continue
			}
			der := ":" + base64.StdEncoding.EncodeToString(test.cert.Certificate.Certificate[0]) + ":"
			for _, want := range []string{"X-Names: DNS:d7.devices.example\n", "Client-Cert: " + der + "\n"} {
				if strings.Count(strings.ToLower(body), strings.ToLower(want[:strings.Index(want, ":")])+":") != 1 || !strings.Contains(body, want) {
					t.Errorf("the upstream saw %q, want %q", body, want)
				}
			}
		}
		want := `"tls":"TLS 1.3","client_subject":"` + device.Leaf.Subject.String() + `"`
		eventually(t, "it is logged", func() bool {
			text, _ := os.ReadFile(log)
			return strings.Contains(string(text), want)
		})
	})
}
