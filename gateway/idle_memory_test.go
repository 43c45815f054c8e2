//go:build !race

package gateway

import (
	"bufio"
	"crypto/tls"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// keepOpen leaves a connection open without anything of it in this process's heap; what it gives closes it.
func keepOpen(t *testing.T, c net.Conn) (fd int) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err == nil {
		err = raw.Control(func(own uintptr) { fd, err = syscall.Dup(int(own)) })
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	return fd
}

// TestIdleMemory: what a connection at rest holds of Go's heap, once it has carried requests. Everything else that it holds is the
// kernel's. The bounds are little more than what is reached: who needs more has to say so here.
func TestIdleMemory(t *testing.T) {
	const warm, conns, requests = 32, 256, 3
	a := newAuthority(t)
	p := a.issue("site", false, nil, "a.example")
	secured := with{listener: "tls: {certificates: [" + p.yaml() + "]}"}
	http1 := func(c *client) {
		for range requests {
			c.hello()
		}
	}
	http2 := func(c *client) {
		p := newH2Pinger(t, c.Conn, "", ":method", "GET", ":scheme", "https", ":authority", "a.example", ":path", "/", "user-agent", "test")
		for range requests - 1 { // one is made already
			p.exchange()
		}
	}
	for _, test := range []struct {
		name    string
		with    with
		version uint16
		proto   string
		use     func(c *client)
		most    int // bytes
	}{
		{"plain HTTP/1.1", with{}, 0, "", http1, 1450},
		{"HTTP/1.1 over TLS 1.2", secured, tls.VersionTLS12, "http/1.1", http1, 5000},
		{"HTTP/1.1 over TLS 1.3", secured, tls.VersionTLS13, "http/1.1", http1, 4800},
		{"HTTP/2 over TLS 1.3", secured, tls.VersionTLS13, "h2", http2, 7850},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, test.with, bareOrigin(t, hello, []byte("\r\n\r\n")))
				var open []int
				use := func(n int) {
					for range n {
						raw, err := net.Dial("tcp", r.addr) // not r.dial, which keeps the connection until the test's end
						if err != nil {
							t.Fatal(err)
						}
						c := raw
						if test.version != 0 {
							cfg := a.trusting("a.example")
							cfg.MaxVersion, cfg.NextProtos = test.version, []string{test.proto}
							c = tls.Client(raw, cfg)
						}
						_ = c.SetDeadline(time.Now().Add(patience))
						test.use(&client{Conn: c, t: r, br: bufio.NewReader(c)})
						open = append(open, keepOpen(t, raw))
					}
				}
				use(warm)
				before := liveHeap()
				use(conns)
				per := (liveHeap() - before) / conns
				t.Logf("%d bytes for a connection at rest", per)
				if per > test.most {
					t.Errorf("%d bytes for a connection at rest, more than %d", per, test.most)
				}
				for _, fd := range open {
					_ = syscall.Close(fd)
				}
			})
		})
	}
}

// liveHeap is what is left after collections: what finalizers and pools of Go's have kept goes with the second and third.
func liveHeap() int {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
