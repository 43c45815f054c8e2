//go:build !race

package conn

import (
	"crypto/tls"
	"io"
	"runtime"
	"testing"
	"unsafe"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/loop"
)

// TestTLSAllocations: a record that came whole costs none. crypto/tls alone allocates a reader of 24 bytes for each, as the client does here.
func TestTLSAllocations(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			s, k := e.tlsPair(t, tls.VersionTLS13, clientConfig())
			echo := e.spawn("echo", func(*loop.Task) {
				for {
					p, err := s.ReadBuf()
					if err != nil {
						return
					}
					b := e.block(p)
					s.Consume(len(p))
					must(s.Send(b))
				}
			})
			const n = 2000
			var before, after runtime.MemStats
			must(t.Offload(func() error {
				p := make([]byte, 100)
				for i := range 2 * n {
					if i == n {
						runtime.ReadMemStats(&before)
					}
					if _, err := k.Write(p); err != nil {
						return err
					}
					if _, err := io.ReadFull(k, p); err != nil {
						return err
					}
				}
				runtime.ReadMemStats(&after)
				return nil
			}))
			if per := float64(after.Mallocs-before.Mallocs) / n; per > 1.1 { // the client's, for the record that comes back
				failf("%.2f allocations for a message there and back", per)
			}
			_ = k.Close()
			join(t, echo)
			e.closeTLS(t, s)
		})
	})
}

// TestConnSize: a byte more costs every connection 128, since Go's heap has no size between this one and 896.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 768 {
		t.Errorf("a Conn has %d bytes", n)
	}
}

// TestTLSIdleMemory: what a connection at rest holds, beside the kernel's part, however large the records were that it has received.
func TestTLSIdleMemory(t *testing.T) {
	const (
		conns = 200
		sent  = 40000
	)
	most := map[uint16]uint64{tls.VersionTLS12: 6800, tls.VersionTLS13: 5200} // bytes
	for _, version := range tlsVersions {
		eachDriver(t, func(e *env) {
			var all []*TLS
			var peers []*tls.Conn
			live := func() uint64 {
				var m runtime.MemStats
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			use := func(t *loop.Task, client *tls.Config, n int) {
				for range n {
					s, k := e.tlsPair(t, version, client)
					must(t.Offload(func() error { _, err := k.Write(make([]byte, sent)); return err }))
					for have := 0; have < sent; {
						n := len(got(s.ReadBuf()))
						s.Consume(n)
						have += n
					}
					s.Watch(&noticed{})
					s.Arm()
					all, peers = append(all, s), append(peers, k)
				}
			}
			e.run(func(t *loop.Task) {
				client := clientConfig()
				use(t, client, 10)
				before := live()
				use(t, client, conns)
				both := live() - before
				for i := range peers { // their sockets stay
					peers[i] = nil
				}
				one := live() - before
				t.Loop().Log().Info("TLS at rest", "version", tls.VersionName(version), "server_bytes", one/conns, "with_client_bytes", both/conns)
				if one/conns > most[version] {
					failf("%d bytes for a connection at rest", one/conns)
				}
				e.closeTLS(t, all...)
			})
		})
	}
}

// BenchmarkTLSEcho is a message of 128 bytes there and back between two connections of one loop, plain and encrypted.
func BenchmarkTLSEcho(b *testing.B) {
	buf.Poison = false // which would cost more than all the rest
	defer func() { buf.Poison = true }()
	for _, d := range drivers {
		if d.probe() != nil {
			continue
		}
		for _, secure := range []bool{false, true} {
			name := d.name + "/plain"
			if secure {
				name = d.name + "/TLS"
			}
			b.Run(name, func(b *testing.B) {
				e := start(b, d.open)
				done := make(chan struct{})
				e.l.Post(func() { e.l.Go("bench", func(t *loop.Task) { echoStreams(e, t, b, secure); close(done) }) })
				<-done
				if err := stop(e.l); err != nil {
					b.Error(err)
				}
			})
		}
	}
}

func echoStreams(e *env, t *loop.Task, b *testing.B, secure bool) {
	x, y := e.pair(t)
	var near, far Stream = x, y
	if secure {
		s, k := NewTLSServer(y, serverConfig(tls.VersionTLS13)), NewTLSClient(x, clientConfig())
		h := e.l.Go("server", func(*loop.Task) { must(s.Handshake()) })
		must(k.Handshake())
		join(t, h)
		near, far = k, s
	}
	near.Multishot(true)
	far.Multishot(true)
	h := e.l.Go("echo", func(*loop.Task) {
		for p, err := far.ReadBuf(); err == nil; p, err = far.ReadBuf() {
			out := e.block(p)
			far.Consume(len(p))
			must(far.Send(out))
		}
	})
	b.ReportAllocs()
	p := make([]byte, 128)
	for range b.N {
		must(near.Send(e.block(p)))
		for have := 0; have < len(p); {
			q := got(near.ReadBuf())
			have += len(q)
			near.Consume(len(q))
		}
	}
	must(near.Close())
	join(t, h)
	must(far.Close())
	e.closeAll(t, x, y)
}
