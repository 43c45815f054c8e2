package conn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"

	"github.com/ringway/ringway/loop"
)

// forger12 writes records of TLS 1.2 by itself (RFC 5246 §6.2.3.3, RFC 5288), of a client or a server.
type forger12 struct {
	conn net.Conn
	aead cipher.AEAD
	iv   []byte
	seq  uint64
}

// overheard keeps what went over a connection first.
type overheard struct {
	net.Conn
	read, written []byte
}

func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	if len(o.read) < 100 {
		o.read = append(o.read, p[:n]...)
	}
	return n, err
}

func (o *overheard) Write(p []byte) (int, error) {
	if len(o.written) < 100 {
		o.written = append(o.written, p...)
	}
	return o.Conn.Write(p)
}

// prf12 is the pseudo-random function (RFC 5246 §5).
func prf12(secret []byte, label string, seed []byte, n int) (out []byte) {
	seed = append([]byte(label), seed...)
	mac := func(b ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		for _, p := range b {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	for a := mac(seed); len(out) < n; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:n]
}

// newForger12 goes on for one side of a connection after its handshake. serverHello is the first that the server sent.
func newForger12(c net.Conn, log string, serverHello []byte, server bool) *forger12 {
	w := strings.Fields(log)
	if len(w) != 3 || w[0] != "CLIENT_RANDOM" {
		failf("the key log has %q", log)
	}
	const random = 5 + 4 + 2 // behind the heads of the record and the message, and the version
	seed := append(bytes.Clone(serverHello[random:random+32]), got(hex.DecodeString(w[1]))...)
	keys := prf12(got(hex.DecodeString(w[2])), "key expansion", seed, 40)
	key, iv := keys[:16], keys[32:36]
	if server {
		key, iv = keys[16:32], keys[36:]
	}
	return &forger12{conn: c, aead: got(cipher.NewGCM(got(aes.NewCipher(key)))), iv: iv, seq: 1} // its Finished was the first
}

func (f *forger12) record(typ byte, payload string) []byte {
	explicit := binary.BigEndian.AppendUint64(nil, f.seq)
	extra := append(bytes.Clone(explicit), typ, 3, 3, byte(len(payload)>>8), byte(len(payload)))
	f.seq++
	out := binary.BigEndian.AppendUint16([]byte{typ, 3, 3}, uint16(len(explicit)+len(payload)+f.aead.Overhead()))
	return f.aead.Seal(append(out, explicit...), append(bytes.Clone(f.iv), explicit...), []byte(payload), extra)
}

// only12 makes a configuration one of the forger's cipher suite.
func only12(cfg *tls.Config, log *bytes.Buffer) *tls.Config {
	cfg.MinVersion, cfg.MaxVersion, cfg.KeyLogWriter = tls.VersionTLS12, tls.VersionTLS12, log
	cfg.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	return cfg
}

// pair12 is our side of TLS 1.2, and a forger for the peer's.
func (e *env) pair12(t *loop.Task, client bool) (*TLS, *forger12) {
	var log bytes.Buffer
	c, peer := e.stranger(t)
	heard := &overheard{Conn: peer}
	var s *TLS
	var k *tls.Conn
	if client {
		s, k = NewTLSClient(c, only12(clientConfig(), &log)), tls.Server(heard, serverConfig(tls.VersionTLS12))
	} else {
		s, k = NewTLSServer(c, serverConfig(tls.VersionTLS12)), tls.Client(heard, only12(clientConfig(), &log))
	}
	shaken := make(chan error, 1)
	go func() { shaken <- k.Handshake() }()
	s.SetReadTimeout(patience)
	must(s.Handshake())
	must(t.Offload(func() error { return <-shaken }))
	if client {
		return s, newForger12(peer, log.String(), heard.written, true)
	}
	return s, newForger12(peer, log.String(), heard.read, false)
}

// TestTLS12Records: what no side sends in TLS 1.2 ends the connection with an error, on either side, whether a task waits for it or not; plaintext
// that is in order comes through.
func TestTLS12Records(t *testing.T) {
	for _, test := range []struct {
		name    string
		records func(f *forger12) []byte
		want    string // plaintext before the end
	}{
		{"in order", func(f *forger12) []byte {
			return append(append(f.record(23, "one "), f.record(23, "two")...), f.record(21, "\x01\x00")...)
		}, "one two"},
		{"plaintext behind half a message", func(f *forger12) []byte {
			return append(f.record(22, "\x00"), f.record(23, "hello")...)
		}, ""},
		{"half a message behind plaintext", func(f *forger12) []byte {
			return append(append(f.record(23, "hello"), f.record(22, "\x00")...), f.record(23, "lost")...)
		}, "hello"},
		{"a message that is none", func(f *forger12) []byte { return f.record(22, "\x63\x00\x00\x01x") }, ""},
		{"another change of the cipher", func(f *forger12) []byte { return f.record(20, "\x01") }, ""},
		{"another type", func(f *forger12) []byte { return f.record(24, "hello") }, ""},
	} {
		for _, client := range []bool{false, true} {
			for _, waits := range []bool{false, true} {
				name := test.name + map[bool]string{true: ", to a client", false: ", to a server"}[client] + map[bool]string{true: ", awaited", false: ""}[waits]
				t.Run(name, func(t *testing.T) {
					eachReceive(t, func(e *env) {
						e.run(func(t *loop.Task) {
							s, f := e.pair12(t, client)
							if !waits {
								s.Watch(&noticed{})
								s.Arm()
							}
							e.send(t, f.conn, test.records(f))
							if !waits {
								e.until(t, "something has come", func() bool { return s.in != nil || s.err != nil })
							}
							var text []byte
							for {
								p, err := s.ReadBuf()
								if err != nil {
									if err == errDeadline {
										failf("it goes on")
									}
									break
								}
								text = append(text, p...)
								s.Consume(len(p))
							}
							if string(text) != test.want {
								failf("got %q", text)
							}
							e.closeTLS(t, s)
							_ = f.conn.Close()
						})
						e.noTLSBlocks()
					})
				})
			}
		}
	}
}
