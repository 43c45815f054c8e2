package conn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/ringway/ringway/loop"
)

var _ net.Conn = (*Conn)(nil)

// fromOutside lets goroutines use a connection: every call is made by a task of the loop. A connection has one reading
// and one writing task at a time, which is what the locks are for.
type fromOutside struct {
	c           *Conn
	l           *loop.Loop
	read, write sync.Mutex
}

func (o *fromOutside) do(f func()) {
	done := make(chan struct{})
	o.l.Post(func() {
		o.l.Go("call", func(*loop.Task) {
			defer close(done)
			f()
		})
	})
	<-done
}

func (o *fromOutside) Read(b []byte) (n int, err error) {
	o.read.Lock()
	defer o.read.Unlock()
	o.do(func() { n, err = o.c.Read(b) })
	return n, err
}

func (o *fromOutside) Write(b []byte) (n int, err error) {
	o.write.Lock()
	defer o.write.Unlock()
	o.do(func() { n, err = o.c.Write(b) })
	return n, err
}

func (o *fromOutside) Close() (err error) {
	o.do(func() { err = o.c.Close() })
	return err
}

func (o *fromOutside) LocalAddr() (a net.Addr) {
	o.do(func() { a = o.c.LocalAddr() })
	return a
}

func (o *fromOutside) RemoteAddr() (a net.Addr) {
	o.do(func() { a = o.c.RemoteAddr() })
	return a
}

func (o *fromOutside) SetDeadline(t time.Time) (err error) {
	o.do(func() { err = o.c.SetDeadline(t) })
	return err
}

func (o *fromOutside) SetReadDeadline(t time.Time) (err error) {
	o.do(func() { err = o.c.SetReadDeadline(t) })
	return err
}

func (o *fromOutside) SetWriteDeadline(t time.Time) (err error) {
	o.do(func() { err = o.c.SetWriteDeadline(t) })
	return err
}

func TestConnKeepsTheContractOfNetConn(t *testing.T) {
	eachDriver(t, func(e *env) {
		for name, pair := range map[string]func(*loop.Task) (a, b *Conn){"tcp": e.pair, "unix": e.unixPair} {
			e.t.Run(name, func(t *testing.T) {
				nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
					var a, b *Conn
					e.run(func(t *loop.Task) { a, b = pair(t) })
					c1, c2 := &fromOutside{c: a, l: e.l}, &fromOutside{c: b, l: e.l}
					return c1, c2, func() { _, _ = c1.Close(), c2.Close() }, nil
				})
			})
		}
	})
}

func TestTLSRunsInTasks(t *testing.T) {
	server, client := tlsConfigs(t)
	const size, piece = 1 << 20, 16 << 10
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			a, b := e.pair(t)
			echo := e.spawn("server", func(*loop.Task) {
				c := tls.Server(b, server)
				must(c.Handshake())
				n := got(io.Copy(c, c))
				if n != size {
					failf("server saw %d bytes", n)
				}
				must(c.Close())
			})
			c := tls.Client(a, client)
			must(c.Handshake())
			p := make([]byte, piece)
			for off := int64(0); off < size; off += piece {
				got(c.Write(bytesAt(off, piece)))
				got(io.ReadFull(c, p))
				checkAt(off, p)
			}
			must(c.CloseWrite())
			if _, err := c.Read(p); err != io.EOF {
				failf("after the server's end: %v", err)
			}
			must(c.Close())
			join(t, echo)
		})
	})
}

func tlsConfigs(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example.com"}, DNSNames: []string{"example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: roots, ServerName: "example.com"}
}
