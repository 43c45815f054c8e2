package conn

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
)

// TestHandshakeSlots: a handshake has a slot while it is at work and none while it waits for the peer, and gives it back however it ends.
func TestHandshakeSlots(t *testing.T) {
	eachTLS(t, func(e *env, version uint16) {
		e.run(func(t *loop.Task) {
			slots := loop.NewSemaphore(1)
			cfg := serverConfig(version)
			worked := 0
			cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if worked++; slots.Free() != 0 {
					failf("it is at work without a slot")
				}
				must(e.l.Current().Offload(func() error { return nil })) // as a signature
				c := testCertificate()
				return &c, nil
			}
			hello := clientHello()
			var idle []*TLS
			var peers []net.Conn
			var all []loop.Handle
			for range 5 { // of which some wait amid the first flight, and some for the second
				c, peer := e.stranger(t)
				s := NewTLSServer(c, cfg)
				part := hello[:6]
				if len(idle)%2 == 0 {
					part = hello
				}
				must(t.Offload(func() error { _, err := peer.Write(part); return err }))
				idle, peers = append(idle, s), append(peers, peer)
				all = append(all, e.spawn("idle", func(*loop.Task) { _ = s.HandshakeWithin(slots) }))
			}
			e.until(t, "all wait for their peers", func() bool { return worked == 3 && slots.Free() == 1 })
			c, peer := e.stranger(t)
			s, k := NewTLSServer(c, cfg), tls.Client(peer, clientConfig())
			shaken := make(chan error, 1)
			go func() { shaken <- k.Handshake() }()
			s.SetReadTimeout(patience)
			must(s.HandshakeWithin(slots))
			must(t.Offload(func() error { return <-shaken }))
			if worked != 4 || slots.Free() != 1 {
				failf("%d were at work, %d slots are free", worked, slots.Free())
			}
			must(slots.Acquire(t, 1)) // now nobody gets on
			late, lateHello := peers[1], hello[6:]
			must(t.Offload(func() error { _, err := late.Write(lateHello); return err }))
			c2, peer2 := e.stranger(t)
			must(t.Offload(func() error { _, err := peer2.Write(hello); return err }))
			_ = got(c2.ReadBuf()) // it is there
			s2 := NewTLSServer(c2, cfg)
			if err := loop.Timeout(t, 50*time.Millisecond, func() error { return s2.HandshakeWithin(slots) }); err != ErrNoSlot {
				failf("without a slot the handshake ends with %v", err)
			}
			if worked != 4 {
				failf("%d were at work", worked)
			}
			slots.Release(1)
			e.until(t, "the late one gets on", func() bool { return worked == 5 })
			for _, p := range append(peers, peer2) {
				_ = p.Close()
			}
			join(t, all...)
			if slots.Free() != 1 {
				failf("a slot is lost")
			}
			_ = k.NetConn().Close()
			e.closeTLS(t, append(idle, s, s2)...)
		})
	})
}

// TestHandshakeFlight: a client may send so much in a flight of its handshake, and no more. A server may.
func TestHandshakeFlight(t *testing.T) {
	one := testCertificate()
	chain := func(size int) tls.Certificate {
		c := one
		for n := len(c.Certificate[0]); n < size; n += len(c.Certificate[0]) {
			c.Certificate = append(c.Certificate, c.Certificate[0])
		}
		return c
	}
	for _, test := range []struct {
		name  string
		bytes int
		err   error
	}{{"short", tlsFlight * 3 / 4, nil}, {"long", tlsFlight * 5 / 4, ErrTLSFlight}} {
		t.Run(test.name, func(t *testing.T) {
			eachTLS(t, func(e *env, version uint16) {
				e.run(func(t *loop.Task) {
					c, peer := e.stranger(t)
					cfg, kcfg := serverConfig(version), clientConfig()
					cfg.ClientAuth = tls.RequestClientCert
					kcfg.Certificates = []tls.Certificate{chain(test.bytes)}
					s, k := NewTLSServer(c, cfg), tls.Client(peer, kcfg)
					go func() { _ = k.Handshake() }()
					s.SetReadTimeout(patience)
					if err := s.Handshake(); err != test.err {
						failf("a client's flight of %d bytes ends with %v", test.bytes, err)
					}
					e.closeTLS(t, s)
					_ = peer.Close()

					c, peer = e.stranger(t)
					cfg = serverConfig(version)
					cfg.Certificates = []tls.Certificate{chain(test.bytes)}
					shaken := make(chan error, 1)
					go func() { shaken <- tls.Server(peer, cfg).Handshake() }()
					s = NewTLSClient(c, clientConfig())
					s.SetReadTimeout(patience)
					must(s.Handshake())
					must(t.Offload(func() error { return <-shaken }))
					e.closeTLS(t, s)
					_ = peer.Close()
				})
			})
		})
	}
}

// TestHandshakesEndBeforeOthersBegin: of more than can be served, those that have begun are brought to their end.
func TestHandshakesEndBeforeOthersBegin(t *testing.T) {
	eachTLS(t, func(e *env, version uint16) {
		e.run(func(t *loop.Task) {
			const clients = 40
			slots := loop.NewSemaphore(1)
			begun, ended, most := 0, 0, 0
			cfg := serverConfig(version)
			cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				begun++
				most = max(most, begun-ended)
				c := testCertificate()
				return &c, e.l.Current().Sleep(10 * time.Millisecond) // as a key server
			}
			var servers []*TLS
			var peers []net.Conn
			var all []loop.Handle
			for range clients {
				c, peer := e.stranger(t)
				servers, peers = append(servers, NewTLSServer(c, cfg)), append(peers, peer)
			}
			shaken := make(chan error, clients)
			for i, s := range servers {
				go func() { shaken <- tls.Client(peers[i], clientConfig()).Handshake() }()
				all = append(all, e.spawn("server", func(*loop.Task) {
					s.SetReadTimeout(patience)
					must(s.HandshakeWithin(slots))
					ended++
				}))
			}
			join(t, all...)
			for range clients {
				must(t.Offload(func() error { return <-shaken }))
			}
			if most > clients/2 {
				failf("%d had begun that had not ended", most)
			}
			for _, p := range peers {
				_ = p.Close()
			}
			e.closeTLS(t, servers...)
		})
	})
}

// TestHandshakeByTheByte: part of a record takes no slot, and a flight is not cut into records without end.
func TestHandshakeByTheByte(t *testing.T) {
	eachReceive(t, func(e *env) {
		e.run(func(t *loop.Task) {
			slots := loop.NewSemaphore(1)
			must(slots.Acquire(t, 1)) // nobody gets one
			c, peer := e.stranger(t)
			s := NewTLSServer(c, serverConfig(tls.VersionTLS13))
			var ended error
			h := e.spawn("server", func(*loop.Task) { ended = s.HandshakeWithin(slots) })
			hello := clientHello()
			for _, b := range hello[:len(hello)-1] {
				must2(peer.Write([]byte{b}))
			}
			e.until(t, "all of it is taken", func() bool { return s.shake != nil && s.shake.flight == len(hello)-1-tlsTicket })
			slots.Release(1)
			_ = peer.Close()
			join(t, h)
			if ended == nil || slots.Free() != 1 {
				failf("it ends with %v, and %d slots are free", ended, slots.Free())
			}
			e.closeTLS(t, s)

			c, peer = e.stranger(t)
			s, ended = NewTLSServer(c, serverConfig(tls.VersionTLS13)), nil
			h = e.spawn("server", func(*loop.Task) { ended = s.HandshakeWithin(slots) })
			for i := range tlsRecords + 1 {
				must2(peer.Write([]byte{22, 3, 1, 0, 1, hello[tlsHeader+i]}))
				e.until(t, "it is taken", func() bool {
					return ended != nil || s.shake != nil && s.shake.flight == 6*(i+1)-tlsTicket
				})
			}
			join(t, h)
			if ended != ErrTLSFlight {
				failf("it ends with %v", ended)
			}
			_ = peer.Close()
			e.closeTLS(t, s)
		})
		e.noTLSBlocks()
	})
}
