package test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tlsVisitor is a client that connects by TLS for each of its requests. It tries nothing twice.
type tlsVisitor struct {
	addr  string
	cfg   *tls.Config
	http2 bool
	pause time.Duration // at most, before the handshake and before the request
}

func (v *tlsVisitor) wait() {
	if v.pause > 0 {
		time.Sleep(rand.N(v.pause))
	}
}

// visit connects, asks once, and closes.
func (v *tlsVisitor) visit() error {
	c, err := net.Dial("tcp", v.addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	v.wait()
	return v.ask(c)
}

// ask makes the handshake and the request.
func (v *tlsVisitor) ask(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	cfg, protocols := v.cfg.Clone(), new(http.Protocols)
	protocols.SetHTTP1(!v.http2)
	protocols.SetHTTP2(v.http2)
	if cfg.NextProtos = []string{"http/1.1"}; v.http2 {
		cfg.NextProtos = []string{"h2"}
	}
	k := tls.Client(c, cfg)
	if err := k.Handshake(); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	defer func() { _ = k.Close() }()
	v.wait()
	tr := &http.Transport{Protocols: protocols, DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return k, nil }}
	one, err := tr.NewClientConn(context.Background(), "https", "localhost:443")
	if err != nil {
		return err
	}
	defer func() { _ = one.Close() }()
	req, err := http.NewRequest("GET", "https://localhost/", nil)
	if err != nil {
		return err
	}
	res, err := one.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != 200 || string(text) != "fine") {
		err = fmt.Errorf("%s, %q", res.Status, text)
	}
	return err
}

// TestTLSUpgrade replaces program and master again and again while clients connect by TLS, and some take their time: none of them
// notices. Connections whose handshake has not begun go on in the new worker.
func TestTLSUpgrade(t *testing.T) {
	certs := newPKI(t)
	roots, err := readPool(certs.file("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	eachDriver(t, func(t *testing.T, driver string) {
		u := &upgrades{dir: t.TempDir()}
		u.control = filepath.Join(u.dir, "control")
		u.process = start(t, driver, fmt.Sprintf("listeners:\n  web: {address: 127.0.0.1:0, routes: [{filters: [{respond: {body: fine}}]}], tls: {certificates: [%s]}}\n"+
			"process: {control: %q}", certs.pair("ec"), u.control), options{runtime: "drain_timeout: 20s"})
		u.config = u.cmd.Args[3]
		cfg := &tls.Config{RootCAs: roots, ServerName: "localhost"}
		visitors := []tlsVisitor{{pause: 0}, {http2: true}, {pause: 200 * time.Millisecond}, {http2: true, pause: 200 * time.Millisecond}}
		var all sync.WaitGroup
		var stop atomic.Bool
		var visits [4]int
		for i := range visitors {
			v := &visitors[i]
			v.addr, v.cfg = u.addr, cfg
			all.Go(func() {
				for ; !stop.Load(); visits[i]++ {
					if err := v.visit(); err != nil {
						t.Errorf("visit %d (HTTP/2: %v, pauses of %v): %v", visits[i], v.http2, v.pause, err)
					}
					time.Sleep(2 * time.Millisecond) // the machine has other things to do
				}
			})
		}
		const times, early = 5, 3
		for range times {
			var idle []net.Conn
			for range early {
				c, err := net.Dial("tcp", u.addr)
				if err != nil {
					t.Fatal(err)
				}
				idle = append(idle, c)
			}
			if err := visitors[0].visit(); err != nil { // they have been accepted before
				t.Error(err)
			}
			u.upgrade()
			for _, c := range idle {
				if err := visitors[0].ask(c); err != nil {
					t.Errorf("who had connected before the upgrade: %v", err)
				}
				_ = c.Close()
			}
		}
		stop.Store(true)
		all.Wait()
		given := regexp.MustCompile(`handed over" given=(\d+)`).FindAllStringSubmatch(u.log.String(), -1)
		for _, g := range given {
			if n, _ := strconv.Atoi(g[1]); n < early {
				t.Errorf("%d connections were handed over", n)
			}
		}
		if len(given) != times {
			t.Errorf("%d hand-overs", len(given))
		}
		t.Logf("visits: %v", visits)
	})
}
