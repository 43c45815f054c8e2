package preface

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/buf"
	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/epoll"
	"github.com/ringway/ringway/observe/metrics"
	"github.com/ringway/ringway/proto/proxyproto"
	hello "github.com/ringway/ringway/proto/tls"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) {
	buf.Poison = true
	os.Exit(m.Run())
}

// bench is a loop with one connection, whose far end the test writes to.
type bench struct {
	t *testing.T
	l *loop.Loop
	n *conn.Net
}

func newBench(t *testing.T, lim conn.Limits) *bench {
	l, err := loop.Start(loop.DefaultConfig(0, epoll.New))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, l: l}
	l.On(func() { b.n = conn.NewNet(l, lim) })
	t.Cleanup(func() {
		var use conn.Usage
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			if l.On(func() { use = b.n.Usage() }); use == (conn.Usage{}) {
				break
			}
			if time.Now().After(end) {
				t.Errorf("left behind: %+v", use)
				break
			}
		}
		l.Stop(0)
		_ = l.Wait()
	})
	return b
}

// with sends the pieces, each when the one before has been taken in, and calls f in a task with the connection's end here.
func (b *bench) with(pieces [][]byte, end bool, f func(c *conn.Conn)) {
	b.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	defer ln.Close()
	addr, err := conn.NewAddress(ln.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	done := make(chan error, 1)
	taken := make(chan *conn.Conn, 1)
	b.l.Post(func() {
		b.l.Go("test", func(*loop.Task) {
			c, err := conn.Dial(b.n, &addr, patience)
			if err == nil {
				c.SetReadTimeout(2 * time.Second) // for a peer that sends nothing more; a busy machine is slow
				taken <- c
				f(c)
				_ = c.Close()
			}
			done <- err
		})
	})
	far, err := ln.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	defer far.Close()
	<-taken
	for i, p := range pieces {
		if i > 0 {
			time.Sleep(200 * time.Microsecond)
		}
		if _, err := far.Write(p); err != nil {
			b.t.Fatal(err)
		}
	}
	if end {
		_ = far.(*net.TCPConn).CloseWrite()
	}
	if err := <-done; err != nil {
		b.t.Fatal(err)
	}
}

// rest reads what the connection has still, until it has n bytes.
func rest(c *conn.Conn, n int) string {
	var got []byte
	for len(got) < n {
		p, err := c.ReadBuf()
		if err != nil {
			return string(got) + "!" + err.Error()
		}
		got = append(got, p...)
		c.Consume(len(p))
	}
	return string(got)
}

func v2(t *testing.T, tlvs ...proxyproto.TLV) []byte {
	h := proxyproto.Proxied(proxyproto.Stream, netip.MustParseAddrPort("[2001:db8::1]:5000"), netip.MustParseAddrPort("[2001:db8::2]:443"))
	b, err := proxyproto.AppendV2(nil, h, tlvs...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// However the header is cut, it is read, and not a byte of what follows is taken.
func TestReadProxyCutAtEveryByte(t *testing.T) {
	const payload = "payload"
	b := newBench(t, conn.DefaultLimits())
	for name, c := range map[string]struct {
		header   []byte
		src, dst string
	}{
		"v1":        {[]byte("PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n"), "192.0.2.1:4000", "192.0.2.2:80"},
		"v1 mapped": {[]byte("PROXY TCP6 ::ffff:c000:201 ::ffff:c000:202 4000 80\r\n"), "192.0.2.1:4000", "192.0.2.2:80"},
		"unknown":   {[]byte("PROXY UNKNOWN\r\n"), "invalid AddrPort", "invalid AddrPort"},
		"v2":        {v2(t), "[2001:db8::1]:5000", "[2001:db8::2]:443"},
		"local":     {[]byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"), "invalid AddrPort", "invalid AddrPort"},
	} {
		whole := append(bytes.Clone(c.header), payload...)
		for cut := range whole {
			pieces := [][]byte{whole[:cut], whole[cut:]}
			if cut == 0 {
				pieces = [][]byte{whole}
			}
			b.with(pieces, false, func(k *conn.Conn) {
				e, err := ReadProxy(k)
				if err != nil || e.Source.String() != c.src || e.Destination.String() != c.dst {
					t.Errorf("%s cut at %d: %v, %v", name, cut, e, err)
				} else if got := rest(k, len(payload)); got != payload {
					t.Errorf("%s cut at %d: then %q", name, cut, got)
				}
			})
		}
	}
}

func TestReadProxyByteByByte(t *testing.T) {
	b := newBench(t, conn.DefaultLimits())
	var pieces [][]byte
	for _, c := range v2(t, proxyproto.TLV{Type: 0xE0, Value: bytes.Repeat([]byte("x"), 300)}) {
		pieces = append(pieces, []byte{c})
	}
	b.with(append(pieces, []byte("after")), false, func(k *conn.Conn) {
		k.SetReadTimeout(patience)
		if e, err := ReadProxy(k); err != nil || e.Source.Port() != 5000 || rest(k, 5) != "after" {
			t.Errorf("%v, %v", e, err)
		}
	})
}

func TestReadProxyRefuses(t *testing.T) {
	b := newBench(t, conn.DefaultLimits())
	for _, c := range []struct {
		text string
		end  bool
		want error
		ends metrics.SessionEnd
	}{
		{"GET / HTTP/1.1\r\n", false, proxyproto.ErrNoHeader, metrics.BadProxyHeader},
		{"PROXY TCP4 1.2.3.4 5.6.7.8 99999 1\r\n", false, proxyproto.ErrBadPort, metrics.BadProxyHeader},
		{"PROXY " + strings.Repeat("x", 200), false, proxyproto.ErrBadProtocol, metrics.BadProxyHeader},
		{"PROXY TCP4 1.2.3", false, os.ErrDeadlineExceeded, metrics.ProxyHeaderTimeout},
		{"", false, os.ErrDeadlineExceeded, metrics.ProxyHeaderTimeout},
		{"PROXY TCP4", true, io.ErrUnexpectedEOF, metrics.BadProxyHeader},
		{"", true, io.EOF, metrics.ClientClosed},
		{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff", false, proxyproto.ErrTooLong, metrics.BadProxyHeader},
	} {
		b.with([][]byte{[]byte(c.text)}, c.end, func(k *conn.Conn) {
			if _, err := ReadProxy(k); !errors.Is(err, c.want) || ProxyEnd(err) != c.ends {
				t.Errorf("%q: %v, which is %v; want %v, %v", c.text, err, ProxyEnd(err), c.want, c.ends)
			}
		})
	}
}

// record is what a TLS client says first.
func record(t *testing.T, name string) []byte {
	a, z := net.Pipe()
	defer z.Close()
	go func() {
		_ = tls.Client(a, &tls.Config{ServerName: name}).Handshake()
		_ = a.Close()
	}()
	b := make([]byte, 16<<10)
	n, err := z.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// However the ClientHello is cut, its name is read, and the block with what the connection holds still is all of it.
func TestReadHelloCutAtEveryByte(t *testing.T) {
	b := newBench(t, conn.DefaultLimits())
	whole := record(t, "Server.Example")
	for cut := 0; cut < len(whole); cut += 1 + cut%7 { // it has some 1,700 bytes
		pieces := [][]byte{whole[:cut], whole[cut:]}
		if cut == 0 {
			pieces = [][]byte{whole}
		}
		b.with(pieces, false, func(k *conn.Conn) { checkHello(t, k, whole) })
	}
	var single [][]byte
	for i := range 600 {
		single = append(single, whole[i:i+1])
	}
	b.with(append(single, whole[600:]), false, func(k *conn.Conn) {
		k.SetReadTimeout(patience)
		checkHello(t, k, whole)
	})
}

func checkHello(t *testing.T, k *conn.Conn, whole []byte) {
	var h hello.ClientHello
	early, err := ReadHello(k, &h, 16<<10)
	if err != nil || string(h.AppendServerName(nil)) != "server.example" {
		t.Errorf("%q, %v", h.ServerName, err)
	}
	var got []byte
	if early != nil {
		got = bytes.Clone(early.Data())
		early.Put()
	}
	if got = append(got, rest(k, len(whole)-len(got))...); !bytes.Equal(got, whole) {
		t.Errorf("%d bytes of %d are left, or others", len(got), len(whole))
	}
}

func TestReadHelloRefuses(t *testing.T) {
	b := newBench(t, conn.DefaultLimits())
	whole := record(t, "a.example")
	large := append([]byte("\x16\x03\x01\x40\x00\x01\x00\x60\x00"), bytes.Repeat([]byte("x"), 0x4000)...)
	for _, c := range []struct {
		name  string
		text  []byte
		end   bool
		limit int
		want  error
	}{
		{"silent", nil, false, 1 << 14, os.ErrDeadlineExceeded},
		{"slow", whole[:50], false, 1 << 14, os.ErrDeadlineExceeded},
		{"cut off", whole[:50], true, 1 << 14, io.ErrUnexpectedEOF},
		{"not begun", nil, true, 1 << 14, io.EOF},
		{"large", large, false, 1 << 14, hello.ErrTooLarge},
		{"larger than allowed", whole, false, 512, hello.ErrTooLarge},
		{"plain", []byte("GET / HTTP/1.1\r\n\r\n"), false, 1 << 14, hello.ErrPlainHTTP},
		{"other", []byte("EHLO a\r\n"), false, 1 << 14, hello.ErrNotTLS},
	} {
		b.with([][]byte{c.text}, c.end, func(k *conn.Conn) {
			var h hello.ClientHello
			early, err := ReadHello(k, &h, c.limit)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			if early != nil {
				early.Put()
			}
		})
	}
}

// Where no block is to be had, a preface that comes in pieces is refused, and one that comes whole needs none.
func TestReadWithoutBlocks(t *testing.T) {
	b := newBench(t, conn.Limits{})
	whole := record(t, "a.example")
	b.with([][]byte{whole}, false, func(k *conn.Conn) {
		var h hello.ClientHello
		if early, err := ReadHello(k, &h, 16<<10); early != nil || err != nil {
			t.Errorf("in one piece: %v", err)
		}
	})
	b.with([][]byte{whole[:100], whole[100:]}, false, func(k *conn.Conn) {
		var h hello.ClientHello
		_, err := ReadHello(k, &h, 16<<10)
		if err != nil && !errors.Is(err, ErrNoBlocks) { // both pieces may have come as one
			t.Errorf("in two pieces: %v", err)
		}
	})
}

func TestJudge(t *testing.T) {
	spec := &ProxySpec{Others: Refuse}
	for _, p := range []string{"10.0.0.0/8", "2001:db8::/32"} {
		spec.From = append(spec.From, prefix(t, p))
	}
	refusing := NewPolicy(spec)
	spec.Others = Direct
	direct := NewPolicy(spec)
	for _, c := range []struct {
		peer            string
		refuses, direct Verdict
	}{
		{"10.1.2.3", Header, Header}, {"::ffff:10.1.2.3", Header, Header}, {"2001:db8::9", Header, Header},
		{"11.1.2.3", Untrusted, Plain}, {"::1", Untrusted, Plain},
	} {
		a := netip.MustParseAddr(c.peer)
		if got := refusing.Judge(a); got != c.refuses {
			t.Errorf("%s: %d, want %d", c.peer, got, c.refuses)
		}
		if got := direct.Judge(a); got != c.direct {
			t.Errorf("%s: %d, want %d", c.peer, got, c.direct)
		}
		if (*Policy)(nil).Judge(a) != Plain {
			t.Error("no policy expects a header")
		}
	}
	if NewPolicy(&ProxySpec{Others: Refuse}).Judge(netip.Addr{}) != Header {
		t.Error("a peer by a Unix socket is no proxy")
	}
	for _, p := range []*Policy{refusing, direct} {
		if p.Judge(netip.Addr{}) != Gone {
			t.Error("a peer of which nobody knows whence it came may send a header")
		}
	}
}

func TestAppendProxy(t *testing.T) {
	ap := netip.MustParseAddrPort
	for _, c := range []struct {
		e    Endpoints
		want string
	}{
		{Endpoints{ap("192.0.2.1:1"), ap("192.0.2.2:2")}, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"},
		{Endpoints{ap("[::ffff:192.0.2.1]:1"), ap("192.0.2.2:2")}, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"},
		{Endpoints{ap("[2001:db8::1]:1"), ap("192.0.2.2:2")}, "PROXY TCP6 2001:db8::1 ::ffff:c000:202 1 2\r\n"},
		{Endpoints{}, "PROXY UNKNOWN\r\n"},
	} {
		if got := string(AppendProxy(nil, V1, c.e)); got != c.want {
			t.Errorf("%v: %q, want %q", c.e, got, c.want)
		}
		h, n, err := proxyproto.Parse(AppendProxy(nil, V2, c.e))
		if err != nil || n == 0 || h.Command != proxyproto.Proxy || c.e.Source.IsValid() && h.Source.Port() != 1 {
			t.Errorf("%v: %+v, %v", c.e, h, err)
		}
	}
}

func prefix(t *testing.T, s string) (p config.Prefix) {
	if err := p.UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return p
}
