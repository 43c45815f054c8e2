package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// suiteTLS is the gateway with TLS towards its clients.
const suiteTLS = "tls"

// Headings of its tables.
const (
	groupTLSSmall      = "TLS 1.3, keep-alive, 128-byte body"
	groupTLSLarge      = "TLS 1.3, keep-alive, larger bodies"
	groupTLSFresh      = "A full handshake (ECDSA P-256) per request"
	groupTLSHandshakes = "Full handshakes: TLS 1.3, ECDSA P-256, one request each"
)

// tlsLoads are requests over TLS; wrk resumes no session, so that each new connection costs a full handshake.
func tlsLoads() []load {
	return []load{
		{name: "tls-64", group: groupTLSSmall, label: "64 connections", path: smallPath, conns: 64, secure: true},
		{name: "tls-256", group: groupTLSSmall, label: "256 connections", path: smallPath, conns: 256, secure: true},
		{name: "tls-16k", group: groupTLSLarge, label: "16 KiB, 64 connections", path: mediumPath, conns: 64, secure: true},
		{name: "tls-1m", group: groupTLSLarge, label: "1 MiB, 16 connections", path: largePath, conns: 16, secure: true},
		{name: "tls-fresh", group: groupTLSFresh, label: "32 at a time", path: smallPath, conns: 32, fresh: true, secure: true},
		{name: "tls-handshakes", group: groupTLSHandshakes, label: "X25519, 32 at a time", conns: 32, secure: true, offers: "X25519"},
		{name: "tls-handshakes-p256", group: groupTLSHandshakes, label: "P-256, 32 at a time", conns: 32, secure: true, offers: "CurveP256"},
		{name: "tls-handshakes-pq", group: groupTLSHandshakes, label: "X25519MLKEM768 or X25519, 32 at a time", conns: 32, secure: true, offers: "X25519MLKEM768,X25519"},
	}
}

// tlsPeers are the proxies of the comparison, with TLS in front.
func tlsPeers(o options) []peer {
	var all []peer
	for _, p := range allPeers(o) {
		switch {
		case p.subject:
			p.config = strings.Replace(p.config, `"{{.Listen}}",`, `"{{.Listen}}", tls: {certificates: [{cert: "{{.Dir}}/cert.pem", key: "{{.Dir}}/key.pem"}]},`, 1)
		case p.name == "nginx":
			p.config = strings.Replace(p.config, "listen {{.Listen}};", "listen {{.Listen}} ssl;\n    ssl_certificate {{.Dir}}/cert.pem;\n    ssl_certificate_key {{.Dir}}/key.pem;\n    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_cache shared:tls:8m;", 1)
		case p.name == "haproxy":
			p.config = strings.Replace(p.config, "bind {{.Listen}}", "bind {{.Listen}} ssl crt {{.Dir}}/both.pem ssl-min-ver TLSv1.2", 1)
		case p.name == "caddy":
			p.config = strings.Replace(p.config, "http://:{{.Port}} {", "https://:{{.Port}} {\n  tls {{.Dir}}/cert.pem {{.Dir}}/key.pem", 1)
		default:
			continue
		}
		p.name += "-tls"
		p.secure = true
		p.prepare, p.check = writeCertificate, checkSecureBodies
		all = append(all, p)
	}
	return all
}

// writeCertificate puts a certificate and its key into a program's directory, each by itself and together.
func writeCertificate(s site) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for name, data := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM, "both.pem": append(certPEM, keyPEM...)} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// checkSecureBodies demands every body as the origin has it, over TLS 1.3.
func checkSecureBodies(ctx context.Context, _ *bench, addr string) error {
	transport := &http.Transport{DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}} // its certificate is nobody's
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for path, want := range bodies() {
		if err := checkBody(ctx, client, "https://"+addr+path, want); err != nil {
			return err
		}
	}
	return nil
}
