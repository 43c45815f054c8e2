package tls

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	stdtls "crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample is a ClientHello as some client sends it.
type sample struct {
	name string
	wire []byte
}

// wireConn keeps what is written to it and has the given bytes to read.
type wireConn struct {
	net.Conn
	in  bytes.Reader
	out bytes.Buffer
}

func (c *wireConn) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *wireConn) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *wireConn) Close() error                     { return nil }
func (c *wireConn) SetDeadline(time.Time) error      { return nil }
func (c *wireConn) SetWriteDeadline(time.Time) error { return nil }

// clientHello is what crypto/tls sends first with a configuration.
func clientHello(t testing.TB, cfg *stdtls.Config) []byte {
	t.Helper()
	var c wireConn
	if err := stdtls.Client(&c, cfg).Handshake(); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return c.out.Bytes()
}

// samples are of crypto/tls in several configurations, and the recorded ones.
func samples(t testing.TB) []sample {
	t.Helper()
	all := recorded(t)
	for name, cfg := range map[string]*stdtls.Config{
		"default":    {ServerName: "example.com"},
		"no name":    {InsecureSkipVerify: true},
		"IP address": {ServerName: "192.0.2.1"},
		"ALPN":       {ServerName: "WWW.Example.com", NextProtos: []string{"h2", "http/1.1", "x"}},
		"TLS 1.2":    {ServerName: "a.example", MaxVersion: stdtls.VersionTLS12, NextProtos: []string{"http/1.1"}},
		"TLS 1.0":    {ServerName: "a.example", MinVersion: stdtls.VersionTLS10, MaxVersion: stdtls.VersionTLS10},
		"one curve":  {ServerName: strings.Repeat("a", 63) + ".example", CurvePreferences: []stdtls.CurveID{stdtls.CurveP256}},
		"ECH":        {ServerName: "secret.example", EncryptedClientHelloConfigList: echConfig(t), NextProtos: []string{"h2"}},
		"PSK":        resuming(t, stdtls.VersionTLS13),
		"ticket":     resuming(t, stdtls.VersionTLS12),
	} {
		all = append(all, sample{"crypto/tls, " + name, clientHello(t, cfg)})
	}
	return all
}

// recorded are of clients not written in Go (testdata), and one built here; the same in each run.
func recorded(t testing.TB) []sample {
	t.Helper()
	all := []sample{{"built like a browser's", helloOf(browser())}}
	files, err := filepath.Glob("testdata/*.hex")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		wire, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatal(file, err)
		}
		all = append(all, sample{filepath.Base(file), wire})
	}
	return all
}

// echConfig is an ECHConfigList (RFC 9849 §4) for public.example.
func echConfig(t testing.TB) []byte {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	body := "\x07\x00\x20" + vec(2, string(key.PublicKey().Bytes())) + vec(2, "\x00\x01\x00\x01") + "\x20" + vec(1, "public.example") + vec(2, "")
	return []byte(vec(2, "\xfe\x0d"+vec(2, body)))
}

// resuming returns a configuration of a client that has spoken with a server before.
func resuming(t testing.TB, version uint16) *stdtls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"again.example"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	client := &stdtls.Config{ServerName: "again.example", RootCAs: roots, ClientSessionCache: stdtls.NewLRUClientSessionCache(1), MaxVersion: version}
	l, err := net.Listen("tcp", "127.0.0.1:0") // not net.Pipe: a server of TLS 1.3 writes its tickets before it reads
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		far, err := l.Accept()
		if err != nil {
			return
		}
		server := stdtls.Server(far, &stdtls.Config{Certificates: []stdtls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
		_, _ = server.Write([]byte("x"))
		_ = server.Close()
	}()
	near, err := stdtls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	if got, err := io.ReadAll(near); string(got) != "x" || err != nil {
		t.Fatal(got, err)
	}
	return client
}

// fields are the parts of a ClientHello that tests vary.
type fields struct {
	version    string
	sessionID  string
	suites     string
	methods    string
	extensions []string
}

// vec writes s with its length before it.
func vec(size int, s string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(len(s)))
	return string(b[4-size:]) + s
}

// ext writes an extension.
func ext(typ uint16, data string) string {
	return string([]byte{byte(typ >> 8), byte(typ)}) + vec(2, data)
}

func sni(name string) string { return ext(extServerName, vec(2, "\x00"+vec(2, name))) }

func alpn(names ...string) string {
	list := ""
	for _, n := range names {
		list += vec(1, n)
	}
	return ext(extALPN, vec(2, list))
}

// plain is a small valid ClientHello with the given extensions.
func plain(extensions ...string) fields {
	return fields{"\x03\x03", "", "\x13\x01", "\x00", extensions}
}

// browser has what Chrome sends: GREASE wherever it may be, and GREASE ECH.
func browser() fields {
	ech := "\x00\x00\x01\x00\x01\x2a" + vec(2, strings.Repeat("k", 32)) + vec(2, strings.Repeat("p", 144))
	return fields{"\x03\x03", strings.Repeat("s", 32), "\x3a\x3a\x13\x01\x13\x02\x13\x03\xc0\x2b\xc0\x2f", "\x00", []string{
		ext(0x8a8a, ""), ext(17613, vec(2, vec(1, "h2"))), ext(23, ""), ext(51, vec(2, "\x4a\x4a"+vec(2, "\x00")+"\x11\xec"+vec(2, strings.Repeat("q", 1216)))),
		ext(extECH, ech), ext(10, vec(2, "\x4a\x4a\x11\xec\x00\x1d\x00\x17")), sni("Accounts.Example.com"), alpn("\x2a\x2a", "h2", "http/1.1"),
		ext(extSupportedVersions, vec(1, "\x1a\x1a\x03\x04\x03\x03")), ext(13, vec(2, "\x04\x03\x08\x04")), ext(0xff01, "\x00"), ext(45, "\x01\x01"), ext(0xdada, "\x00"),
	}}
}

// messageOf writes the handshake message, helloOf with a record around it.
func messageOf(f fields) string {
	body := f.version + strings.Repeat("r", 32) + vec(1, f.sessionID) + vec(2, f.suites) + vec(1, f.methods)
	if f.extensions != nil {
		body += vec(2, strings.Join(f.extensions, ""))
	}
	return "\x01" + vec(3, body)
}

func helloOf(f fields) []byte { return []byte("\x16\x03\x01" + vec(2, messageOf(f))) }

// payloads joins the payloads of the records in wire.
func payloads(wire []byte) (message []byte) {
	for len(wire) > 0 {
		end := recordHead + int(binary.BigEndian.Uint16(wire[3:]))
		message = append(message, wire[recordHead:end]...)
		wire = wire[end:]
	}
	return message
}

// fragment writes a message as records of at most size bytes.
func fragment(message []byte, size int) (wire []byte) {
	for len(message) > 0 {
		k := min(size, len(message))
		wire = binary.BigEndian.AppendUint16(append(wire, "\x16\x03\x01"...), uint16(k))
		wire = append(wire, message[:k]...)
		message = message[k:]
	}
	return wire
}

// describe writes all that a ClientHello says.
func describe(h *ClientHello) string {
	s := fmt.Sprintf("%v, session %d, name %q, ECH %v, ALPN", h.LegacyVersion, h.SessionIDLen, h.ServerName, h.ECH)
	for p := range h.Protocols.All() {
		s += fmt.Sprintf(" %q", p)
	}
	s += ", versions"
	for v := range h.Versions.All() {
		s += " " + v.String()
	}
	return s + fmt.Sprintf(", max %v, lists %v %v", h.MaxVersion(), h.Protocols != nil, h.Versions != nil)
}

// parse parses input whole and in steps, the latter in bytes that move each time: the result must not depend on that.
func parse(t *testing.T, input []byte, maxSize, step int) (*ClientHello, int, error) {
	t.Helper()
	var h, inSteps ClientHello
	n, err := h.Parse(bytes.Clone(input), maxSize)
	if n == 0 && describe(&h) != describe(&ClientHello{}) {
		t.Fatalf("%x: %v, but %s", input, err, describe(&h))
	}
	var part []byte
	for i := 0; i <= len(input); i += step {
		if step > 1 && i+step > len(input) {
			i = len(input)
		}
		part = append(part[:0], input[:i]...)
		m, e := inSteps.Parse(part[:i:i], maxSize)
		if m == 0 && e == nil {
			if n > 0 && i >= n || i >= maxSize {
				t.Fatalf("%x: undecided at %d of %d", input, i, n)
			}
			continue
		}
		if m != n || e != err || describe(&inSteps) != describe(&h) || e == nil && step == 1 && i != n {
			t.Fatalf("%x:\n%d, %v, %s\nat byte %d\n%d, %v, %s", input, n, err, describe(&h), i, m, e, describe(&inSteps))
		}
		if again, e := inSteps.Parse(nil, maxSize); again != n || e != err {
			t.Fatalf("%x: %d, %v, then %d, %v", input, n, err, again, e)
		}
		return &h, n, err
	}
	if n != 0 || err != nil {
		t.Fatalf("%x: %d, %v only at once", input, n, err)
	}
	return &h, n, err
}

// errSeen ends the oracle's handshake.
var errSeen = errors.New("seen")

// oracle is what crypto/tls understands, nil where it refuses.
func oracle(wire []byte) (seen *stdtls.ClientHelloInfo) {
	var c wireConn
	c.in.Reset(wire)
	cfg := &stdtls.Config{GetConfigForClient: func(info *stdtls.ClientHelloInfo) (*stdtls.Config, error) {
		seen = info
		return nil, errSeen
	}}
	_ = stdtls.Server(&c, cfg).HandshakeContext(context.Background())
	return seen
}

// checkAgainstCryptoTLS compares name, protocols and versions; crypto/tls does not filter GREASE.
func checkAgainstCryptoTLS(t *testing.T, h *ClientHello, info *stdtls.ClientHelloInfo) {
	t.Helper()
	if info.ServerName != string(h.ServerName) {
		t.Fatalf("name %q, crypto/tls says %q", h.ServerName, info.ServerName)
	}
	want, got := "", ""
	for _, p := range info.SupportedProtos {
		if len(p) != 2 || p[0] != p[1] || p[0]&0x0f != 0x0a {
			want += fmt.Sprintf("%q ", p)
		}
	}
	for p := range h.Protocols.All() {
		got += fmt.Sprintf("%q ", p)
		if !h.Protocols.Contains(string(p)) {
			t.Fatalf("%q is yielded but not contained", p)
		}
	}
	if h.Versions != nil {
		for _, v := range info.SupportedVersions {
			if v>>8 != v&0xff || v&0x0f != 0x0a {
				want += fmt.Sprintf("%04x ", v)
			}
		}
		for v := range h.Versions.All() {
			got += fmt.Sprintf("%04x ", uint16(v))
		}
	}
	if got != want {
		t.Fatalf("%s, crypto/tls says %s", got, want)
	}
}
