package conn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// testCertificate is for localhost and 127.0.0.1.
var testCertificate = sync.OnceValue(func() tls.Certificate {
	key := got(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der := got(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: got(x509.ParseCertificate(der))}
})

func serverConfig(version uint16) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{testCertificate()}, MinVersion: version, MaxVersion: version, DynamicRecordSizingDisabled: true}
}

func clientConfig() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(testCertificate().Leaf)
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

var tlsVersions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// eachTLS is eachReceive with either version.
func eachTLS(t *testing.T, f func(e *env, version uint16)) {
	for _, v := range tlsVersions {
		t.Run(tls.VersionName(v), func(t *testing.T) {
			eachReceive(t, func(e *env) {
				f(e, v)
				e.noTLSBlocks()
			})
		})
	}
}

// noTLSBlocks waits until no connection holds a block.
func (e *env) noTLSBlocks() {
	e.t.Helper()
	eventually(e.t, "blocks of TLS are given back", func() (none bool) {
		e.l.On(func() { none = TLSBlocksInUse(e.l) == 0 })
		return none
	})
}

// stranger is a peer outside of the loop, with a plain socket.
func (e *env) stranger(t *loop.Task) (*Conn, net.Conn) {
	cfg := ListenConfig{Address: "127.0.0.1:0"}
	fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
	must(err)
	to := &accepts{}
	ln := Listen(e.n, fd, cfg, to)
	var c net.Conn
	must(t.Offload(func() (err error) {
		c, err = net.Dial("tcp", ap.String())
		return err
	}))
	e.until(t, "accept", func() bool { return len(to.conns) == 1 })
	ln.Close()
	to.conns[0].Multishot(e.multi)
	return to.conns[0], c
}

// tlsPair is a server of the loop and a client of package net.
func (e *env) tlsPair(t *loop.Task, version uint16, cfg *tls.Config) (*TLS, *tls.Conn) {
	c, peer := e.stranger(t)
	s := NewTLSServer(c, serverConfig(version))
	k := tls.Client(peer, cfg)
	shaken := make(chan error, 1)
	go func() { shaken <- k.Handshake() }()
	s.SetReadTimeout(patience)
	must(s.Handshake())
	s.SetReadTimeout(0)
	must(t.Offload(func() error { return <-shaken }))
	return s, k
}

func (e *env) closeTLS(t *loop.Task, conns ...*TLS) {
	for _, c := range conns {
		_ = c.Close()
		e.closeAll(t, c.c)
	}
}

// TestTLSEcho sends much in both directions at a time, in pieces of every size, one task for each direction.
func TestTLSEcho(t *testing.T) {
	const total = 3<<20 + 12345
	eachTLS(t, func(e *env, version uint16) {
		e.run(func(t *loop.Task) {
			s, k := e.tlsPair(t, version, clientConfig())
			sent, received := make(chan error, 1), make(chan error, 1)
			go func() {
				for off := 0; off < total; {
					n := min(1+off%40000, total-off)
					if _, err := k.Write(bytesAt(int64(off), n)); err != nil {
						sent <- err
						return
					}
					off += n
				}
				sent <- k.CloseWrite()
			}()
			go func() {
				p, err := io.ReadAll(k)
				if err == nil && !bytes.Equal(p, bytesAt(0, total)) {
					err = errors.New("other bytes came back")
				}
				received <- err
			}()
			w := e.spawn("writer", func(*loop.Task) {
				for off, n := 0, 0; off < total; off += n {
					n = min(1+off%50000, total-off)
					p := bytesAt(int64(off), n)
					if off%3 == 0 && n <= SmallBlock {
						must(s.Send(e.block(p)))
					} else {
						must(s.WriteBufs(p[:n/3], p[n/3:], false))
					}
				}
				must(s.CloseWrite())
			})
			off := 0
			for {
				p, err := s.ReadBuf()
				if err == io.EOF {
					break
				}
				must(err)
				n := min(len(p), 1+off%20000)
				checkAt(int64(off), p[:n])
				s.Consume(n)
				off += n
			}
			if off != total {
				failf("%d bytes came, not %d", off, total)
			}
			join(t, w)
			must(t.Offload(func() error { return errors.Join(<-sent, <-received) }))
			e.closeTLS(t, s)
			_ = k.Close()
		})
	})
}

// TestTLSBothSides: the loop's client speaks with the loop's server; what is sent before Close arrives, and its end.
func TestTLSBothSides(t *testing.T) {
	eachTLS(t, func(e *env, version uint16) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			s, k := NewTLSServer(a, serverConfig(version)), NewTLSClient(b, clientConfig())
			h := e.spawn("server", func(*loop.Task) { must(s.Handshake()) })
			must(k.Handshake())
			join(t, h)
			if v := k.State().Version; v != version {
				failf("version %x", v)
			}
			must(k.Send(e.block([]byte("question"))))
			p := got(s.ReadBuf())
			if string(p) != "question" {
				failf("got %q", p)
			}
			s.Consume(len(p))
			r := e.spawn("reader", func(*loop.Task) {
				off := 0
				for p, err := k.ReadBuf(); err != io.EOF; p, err = k.ReadBuf() {
					must(err)
					checkAt(int64(off), p)
					off += len(p)
					k.Consume(len(p))
				}
				if off != 300000 {
					failf("%d bytes before the end", off)
				}
			})
			got(s.Write(bytesAt(0, 300000)))
			must(s.Close())
			join(t, r)
			e.closeTLS(t, s, k)
		})
	})
}

// TestTLSTruncated: an end without close_notify is no end to a client, and one to a server.
func TestTLSTruncated(t *testing.T) {
	eachTLS(t, func(e *env, version uint16) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			s, k := NewTLSServer(a, serverConfig(version)), NewTLSClient(b, clientConfig())
			h := e.spawn("server", func(*loop.Task) { must(s.Handshake()) })
			must(k.Handshake())
			join(t, h)
			must(a.CloseWrite())
			if _, err := k.ReadBuf(); err != io.ErrUnexpectedEOF {
				failf("the client reads %v", err)
			}
			must(b.CloseWrite())
			if _, err := s.ReadBuf(); err != io.EOF {
				failf("the server reads %v", err)
			}
			e.closeTLS(t, s, k)
		})
	})
}

// noticed is a Watcher that counts.
type noticed struct{ readable, expired int }

func (n *noticed) Readable(*Conn) { n.readable++ }
func (n *noticed) Expired(*Conn)  { n.expired++ }

// dribble is a connection whose writes leave byte by byte.
type dribble struct{ net.Conn }

func (d dribble) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		time.Sleep(20 * time.Microsecond)
	}
	return len(p), nil
}

// TestTLSRest: a connection at rest has no task and no block, and is told of plaintext, not of parts of a record.
func TestTLSRest(t *testing.T) {
	eachTLS(t, func(e *env, version uint16) {
		e.run(func(t *loop.Task) {
			c, peer := e.stranger(t)
			s := NewTLSServer(c, serverConfig(version))
			k := tls.Client(dribble{peer}, clientConfig())
			shaken := make(chan error, 1)
			go func() { shaken <- k.Handshake() }()
			must(s.Handshake())
			must(t.Offload(func() error { return <-shaken }))
			w := &noticed{}
			s.Watch(w)
			for i := range 3 {
				s.Arm()
				if n := TLSBlocksInUse(e.l); n != 0 {
					failf("%d blocks are held at rest", n)
				}
				go func() { _, _ = k.Write([]byte("hello")) }()
				e.until(t, "the watcher is told", func() bool { return w.readable == i+1 })
				if p := s.Buffered(); string(p) != "hello" {
					failf("buffered %q", p)
				}
				s.Consume(5)
				if s.Buffered() != nil || s.Err() != nil {
					failf("something is left")
				}
			}
			s.SetReadTimeout(time.Millisecond)
			s.Arm()
			e.until(t, "the watcher is told of the deadline", func() bool { return w.expired == 1 })
			s.SetReadTimeout(0)
			go func() { _ = k.Close() }()
			e.until(t, "the watcher is told of the end", func() bool { return w.readable > 3 && s.Err() == io.EOF })
			e.closeTLS(t, s)
		})
	})
}

// TestTLSHandshakeEnds: a handshake ends by deadline, by Close, and by what is no TLS, and leaves nothing.
func TestTLSHandshakeEnds(t *testing.T) {
	tests := []struct {
		name string
		peer string
		do   func(s *TLS)
		want func(error) bool
	}{
		{"silent peer", "", func(s *TLS) { s.SetReadTimeout(20 * time.Millisecond) }, func(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }},
		{"half a record", "\x16\x03\x01\x01\x00\x01\x00", func(s *TLS) { s.SetReadTimeout(20 * time.Millisecond) }, func(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }},
		{"closed meanwhile", "", func(s *TLS) { s.c.n.Loop.Post(func() { _ = s.Close() }) }, func(err error) bool { return err == net.ErrClosed }},
		{"no TLS", "GET / HTTP/1.1\r\n\r\n", func(*TLS) {}, func(err error) bool { return errors.As(err, new(tls.RecordHeaderError)) }},
		{"an empty record", "\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00", func(s *TLS) { s.SetReadTimeout(20 * time.Millisecond) }, func(err error) bool { return err != nil }},
		{"too large a record", "\x16\x03\x01\xff\xff", func(*TLS) {}, func(err error) bool { return errors.As(err, new(tls.RecordHeaderError)) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(e *env) {
				e.run(func(t *loop.Task) {
					c, peer := e.stranger(t)
					s := NewTLSServer(c, serverConfig(tls.VersionTLS13))
					must(t.Offload(func() error { _, err := peer.Write([]byte(test.peer)); return err }))
					test.do(s)
					if err := s.Handshake(); !test.want(err) {
						failf("the handshake ends with %v", err)
					}
					e.closeTLS(t, s)
					_ = peer.Close()
				})
				e.noTLSBlocks()
			})
		})
	}
}
