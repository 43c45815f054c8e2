package conn

import (
	"crypto/tls"
	"io"
	"net"
	"testing"

	"github.com/ringway/ringway/loop"
)

// turns counts what goes on in each turn of a loop.
type turns struct {
	l   *loop.Loop
	had map[uint64]int
}

func newTurns(l *loop.Loop) *turns { return &turns{l, map[uint64]int{}} }

func (s *turns) count() { s.had[s.l.Stats().Ticks]++ }

// want wants so many altogether, and no more than quota in one turn.
func (s *turns) want(all, quota int) {
	sum, most := 0, 0
	for _, n := range s.had {
		sum, most = sum+n, max(most, n)
	}
	if sum != all || most > quota {
		failf("%d of %d, up to %d in one turn, in which there may be %d", sum, all, most, quota)
	}
}

// countingSockets counts the stream sockets that are opened for a dial.
type countingSockets struct {
	loop.Sockets
	opened *turns
}

func (s countingSockets) Socket(family, kind int, nonblock bool) (int, error) {
	s.opened.count()
	return s.Sockets.Socket(family, kind, nonblock)
}

// TestDialsTakeTurns: many dials at once leave the loop free for other work in between, and all are made.
func TestDialsTakeTurns(t *testing.T) {
	eachDriver(t, func(e *env) {
		e.run(func(t *loop.Task) {
			const dials = 5*dialsPerTurn + 1
			cfg := ListenConfig{Address: "127.0.0.1:0"}
			fd, ap, err := OpenListener(e.l.Sockets(), cfg, e.l.NonBlocking())
			must(err)
			to := &accepts{}
			ln := Listen(e.n, fd, cfg, to)
			addr := got(AddressOf(ap))
			seen := newTurns(e.l)
			e.n.sock = countingSockets{e.n.sock, seen}
			var all []loop.Handle
			var conns []*Conn
			for range dials {
				all = append(all, e.spawn("dial", func(*loop.Task) {
					conns = append(conns, got(Dial(e.n, &addr, patience)))
				}))
			}
			join(t, all...)
			seen.want(dials, dialsPerTurn)
			e.until(t, "accepts", func() bool { return len(to.conns) == dials })
			ln.Close()
			e.closeAll(t, append(conns, to.conns...)...)
		})
	})
}

// clientHello is the first flight of a client.
func clientHello() []byte {
	a, b := net.Pipe()
	defer func() { _ = b.Close() }()
	go func() {
		_ = tls.Client(a, clientConfig()).Handshake()
		_ = a.Close()
	}()
	hello := make([]byte, 5)
	must2(io.ReadFull(b, hello))
	body := make([]byte, int(hello[3])<<8|int(hello[4]))
	must2(io.ReadFull(b, body))
	return append(hello, body...)
}

func must2(_ int, err error) { must(err) }

// TestHandshakesTakeTurns: so do many handshakes, whether the first flight is there when they begin or comes later.
func TestHandshakesTakeTurns(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(map[bool]string{false: "there", true: "late"}[late], func(t *testing.T) {
			eachReceive(t, func(e *env) {
				hello := clientHello()
				e.run(func(t *loop.Task) {
					const (
						handshakes = 10
						atOnce     = handshakesPerTurn + (handshakes+4)/handshakeShare // of this test's few tasks
					)
					seen := newTurns(e.l)
					cfg := serverConfig(tls.VersionTLS13)
					cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
						seen.count()
						return nil, nil
					}
					var peers []net.Conn
					var servers []*TLS
					var all []loop.Handle
					for range handshakes {
						c, peer := e.stranger(t)
						peers, servers = append(peers, peer), append(servers, NewTLSServer(c, cfg))
					}
					send := func() {
						must(t.Offload(func() error {
							for _, p := range peers {
								must2(p.Write(hello))
							}
							return nil
						}))
					}
					if !late {
						send()
					}
					for _, s := range servers {
						all = append(all, e.spawn("handshake", func(*loop.Task) { _ = s.Handshake() }))
					}
					if late {
						must(t.Yield())
						send()
					}
					e.until(t, "handshakes", func() bool { return total(seen.had) == handshakes })
					seen.want(handshakes, atOnce)
					for _, p := range peers {
						_ = p.Close()
					}
					join(t, all...)
					for _, s := range servers {
						e.closeTLS(t, s)
					}
				})
				e.noTLSBlocks()
			})
		})
	}
}

func total(of map[uint64]int) (sum int) {
	for _, n := range of {
		sum += n
	}
	return sum
}
