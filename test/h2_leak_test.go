package test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// h2LeakConfig has little patience with the path that never answers, and enough with the others: a busy machine is late.
const h2LeakConfig = `
listeners:
  web:
    address: 127.0.0.1:0
    timeouts: {request_head: 500ms, read: 500ms, write: 500ms}
    routes: [{path: /hang, cluster: hanging}, {cluster: site}]
clusters:
  site: {endpoints: [%[1]q], timeouts: {idle: 500ms}}
  hanging: {endpoints: [%[1]q], timeouts: {idle: 500ms, response_head: 300ms}}
`

// TestH2Leaks: connections that end at any byte, with requests at every stage, leave nothing behind, and others are served meanwhile.
func TestH2Leaks(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		origin := serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/hang":
				_, _ = io.Copy(io.Discard, r.Body) // until then net/http does not see that its client leaves
				<-r.Context().Done()
			case "/cut":
				w.Header().Set("Content-Length", "1000000")
				_, _ = w.Write(make([]byte, 500_000))
				panic(http.ErrAbortHandler)
			case "/close":
				panic(http.ErrAbortHandler)
			case "/large":
				_, _ = w.Write(make([]byte, 300_000))
			}
		}))
		p := start(t, driver, fmt.Sprintf(h2LeakConfig, origin), options{plain: !raceEnabled})
		p.ask("/metrics")
		before := p.holds()
		end := loadH2(t, p.url("/"))
		var all sync.WaitGroup
		for i := range 10 {
			r := rand.New(rand.NewPCG(7, uint64(i)))
			all.Go(func() {
				for range 30 {
					misbehaveH2(t, p.addr, r)
				}
			})
		}
		all.Wait()
		end()
		eventually(t, func() error {
			for _, m := range []string{"ringway_listener_connections{", "ringway_listener_http2_connections{", "ringway_listener_http2_streams{",
				"ringway_loop_tasks{", "ringway_endpoint_connections_active{"} {
				if got := p.metric(m); got != 0 {
					return fmt.Errorf("%s is %v", m, got)
				}
			}
			return nil
		})
		if !raceEnabled {
			p.settles(before)
		}
	})
}

// misbehaveH2 makes some requests on a connection, sends what makes them up to a byte somewhere, and leaves.
func misbehaveH2(t *testing.T, addr string, r *rand.Rand) {
	var script bytes.Buffer
	f := newFrames(t, nil)
	f.fr = http2.NewFramer(&script, nil)
	f.fr.AllowIllegalWrites = true
	script.WriteString(http2.ClientPreface)
	_ = f.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(r.IntN(3) * 40000)}) // to memory, as all that follows
	paths := []string{"/", "/hang", "/cut", "/close", "/large"}
	for n := range 1 + r.IntN(8) {
		id, path := uint32(2*n+1), paths[r.IntN(len(paths))]
		switch r.IntN(5) {
		case 0:
			_ = f.request(id, "GET", path, true)
		case 1:
			_ = f.request(id, "GET", path, true)
			_ = f.fr.WriteRSTStream(id, http2.ErrCodeCancel)
		case 2:
			_ = f.request(id, "POST", path, false)
			_ = f.fr.WriteData(id, r.IntN(2) == 0, make([]byte, r.IntN(16000)))
		case 3:
			_ = f.request(id, "POST", path, false, "content-length", "10")
			_ = f.fr.WriteData(id, true, make([]byte, 5+r.IntN(10)))
		case 4:
			_ = f.request(id, "POST", path, false)
			_ = f.fr.WriteWindowUpdate(id, uint32(r.IntN(2)))
		}
	}
	if r.IntN(4) == 0 {
		_ = f.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	all := script.Bytes()
	_, _ = c.Write(all[:len(all)-r.IntN(min(len(all), 200))]) // the gateway may have closed
	if r.IntN(2) == 0 {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(300)) * time.Millisecond))
	buf := make([]byte, 64<<10)
	for reads := r.IntN(50); reads > 0; reads-- {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}
