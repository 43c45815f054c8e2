package gateway

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/gateway/health"
)

// patient is an origin that says whether it is well.
type patient struct {
	*httptest.Server
	name   string
	well   atomic.Bool
	asked  atomic.Int32 // by health checks
	served atomic.Int32 // other requests
	host   atomic.Value // that a check named
	proto  atomic.Value // that it spoke
}

func newPatient(t *testing.T, name string) *patient {
	return newPatientAt(t, name, "tcp", "127.0.0.1:0")
}

// newPatientAt has the one listener it will serve: httptest opens another of its own, and one that is replaced stays open until
// a collection finds it.
func newPatientAt(t *testing.T, name, network, at string) *patient {
	t.Helper()
	ln, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	p := &patient{name: name}
	p.well.Store(true)
	p.Server = &httptest.Server{Listener: ln, Config: &http.Server{Handler: p}}
	t.Cleanup(p.Close)
	return p
}

func startPatient(t *testing.T, name string) *patient {
	p := newPatient(t, name)
	p.Start()
	return p
}

func (p *patient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/healthz" {
		p.served.Add(1)
		_, _ = w.Write([]byte(p.name))
		return
	}
	p.asked.Add(1)
	p.host.Store(r.Host)
	p.proto.Store(r.Proto + " " + r.URL.RawQuery)
	if !p.well.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (p *patient) at() string { return p.Listener.Addr().String() }

const (
	httpCheck = "http: {path: /healthz, interval: 20ms, timeout: 5s, unhealthy_after: 2, healthy_after: 2}"
	tcpCheck  = "tcp: {interval: 20ms, timeout: 5s, unhealthy_after: 2, healthy_after: 2}"
)

// clinic is a gateway in front of endpoints that are checked; more is further keys of the cluster.
func clinic(d DriverName, loops int, check, more string, endpoints ...string) string {
	return withAdmin(fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', routes: [{name: all, cluster: out}]}}\n"+
		"clusters: {out: {endpoints: ['%s'], health_check: {%s}%s}}\nruntime: {driver: %s, loops: %d, drain_timeout: 10s}\n",
		strings.Join(endpoints, "','"), check, comma(more), d, loops))
}

// mix is who answers n requests, sorted: "aabb".
func (r *rig) mix(n int) string {
	r.Helper()
	c := r.dial()
	defer c.Close()
	var got []string
	for range n {
		got = append(got, c.get())
	}
	all := ""
	for _, name := range []string{"a", "b", "c"} {
		all += strings.Repeat(name, strings.Count(strings.Join(got, ""), name))
	}
	return all
}

func (r *rig) wantMix(want string) {
	r.Helper()
	if got := r.mix(len(want)); got != want {
		r.Errorf("%s answered, want %s", got, want)
	}
}

// awaitHealthy waits until that many endpoints of the cluster are, as all loops have it.
func (r *rig) awaitHealthy(n int) {
	r.Helper()
	state := ""
	if !within(patience, func() bool {
		s := r.g.Status().Health
		state = fmt.Sprintf("%+v", s)
		return len(s) == 1 && s[0].Healthy == n
	}) {
		r.Fatalf("never %d healthy: %s", n, state)
	}
	for _, p := range r.g.current().parts {
		p.loop.On(func() {}) // what was posted before has run
	}
}

// logged is how many lines have that text.
func (r *rig) logged(text string) int { return strings.Count(r.log.String(), text) }

// TestHealthByHTTP: an endpoint that says that it is not well gets no requests, and gets them again when it is; each is logged once.
func TestHealthByHTTP(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a, b := startPatient(t, "a"), startPatient(t, "b")
		r := startWith(t, clinic(d, 2, httpCheck, "", a.at(), b.at()))
		eventually(t, "both are asked", func() bool { return a.asked.Load() > 2 && b.asked.Load() > 2 })
		r.wantMix("aaabbb")
		if host := b.host.Load(); host != b.at() {
			t.Errorf("the check named the host %v, not %s", host, b.at())
		}
		b.well.Store(false)
		r.awaitHealthy(1)
		before := b.served.Load()
		r.wantMix("aaaaaa")
		e := r.g.Status().Health[0].Each[1]
		if b.served.Load() != before || e.State != "unhealthy" || e.Reason != "http: status 503" || e.Share != 0 || e.Checks[0].Failed < 2 || e.Checks[0].P50 <= 0 {
			t.Errorf("%d more served; %+v", b.served.Load()-before, e)
		}
		eventually(t, "its pool is empty", func() bool { return r.upstream().Idle <= 2 })
		if s := r.g.Snapshot(); s.Clusters[0].Available+s.Clusters[1].Available != 1 {
			t.Errorf("available: %+v", s.Clusters)
		}
		b.well.Store(true)
		r.awaitHealthy(2)
		r.wantMix("aaabbb")
		for text, n := range map[string]int{"msg=\"endpoint is unhealthy\" cluster=out endpoint=" + b.at() + " reason=\"http: status 503\"": 1,
			"endpoint is healthy again": 1, "too few endpoints": 0} {
			if got := r.logged(text); got != n {
				t.Errorf("%q is logged %d times, not %d", text, got, n)
			}
		}
	})
}

// TestHealthByTCP: what cannot be connected to is out without a request having to fail first.
func TestHealthByTCP(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a, b := startPatient(t, "a"), startPatient(t, "b")
		r := startWith(t, clinic(d, 1, tcpCheck, "retries: 0", a.at(), b.at()))
		r.wantMix("ab")
		at := b.at()
		b.Close()
		r.awaitHealthy(1)
		r.wantMix("aaaa")
		if e := r.g.Status().Health[0].Each[1]; e.Reason != "tcp: connection refused" {
			t.Errorf("%+v", e)
		}
		newPatientAt(t, "b", "tcp", at).Start()
		r.awaitHealthy(2)
		r.wantMix("ab")
	})
}

// TestHealthPanic: where no endpoint is healthy all are used, unless that is off.
func TestHealthPanic(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a, b := startPatient(t, "a"), startPatient(t, "b")
		r := startWith(t, clinic(d, 1, httpCheck, "", a.at(), b.at()))
		a.well.Store(false)
		b.well.Store(false)
		r.awaitHealthy(0)
		r.wantMix("aabb")
		if s := r.g.Snapshot().Health; len(s) != 1 || !s[0].Panic || s[0].Endpoints[0].Healthy || s[0].Endpoints[0].Share != 1 {
			t.Errorf("%+v", s)
		}
		r.reload(clinic(d, 1, httpCheck+", panic_threshold: off", "", a.at(), b.at()))
		eventually(t, "the loops know", func() bool { return r.g.Snapshot().Clusters[0].Available == 0 })
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if h, _ := c.rest(); !strings.HasPrefix(h, "HTTP/1.1 503 ") {
			t.Errorf("nobody is to be used, and the answer is %q", h)
		}
		r.reload(clinic(d, 1, httpCheck+", panic_threshold: 50%", "", a.at(), b.at()))
		a.well.Store(true)
		r.awaitHealthy(1)
		r.wantMix("aabb") // one of two is not more than half
		b.well.Store(true)
		r.awaitHealthy(2)
		for text, n := range map[string]int{"too few endpoints are healthy": 2, "healthy endpoints alone are used again": 2} {
			eventually(t, text, func() bool { return r.logged(text) == n })
		}
	})
}

// TestHealthSurvivesReload: what is known of an endpoint stays known through changes of the cluster, of the check and of the loops.
func TestHealthSurvivesReload(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a, b, c := startPatient(t, "a"), startPatient(t, "b"), startPatient(t, "c")
		r := startWith(t, clinic(d, 1, httpCheck, "", a.at(), b.at()))
		b.well.Store(false)
		r.awaitHealthy(1)
		before := b.served.Load()
		since := r.g.Status().Health[0].Each[1].Since
		slow := strings.Replace(httpCheck, "20ms", "1h", 1) // nothing is learnt anew from here on
		for _, text := range []string{
			clinic(d, 1, slow, "", a.at(), b.at()),
			clinic(d, 3, slow, "", a.at(), b.at()),
			clinic(d, 2, slow, "timeouts: {connect: 3s}", a.at(), b.at()),
			clinic(d, 2, slow+", panic_threshold: off", "pool: {idle: 7}", b.at(), a.at()),
		} {
			r.reload(text)
			for range 4 {
				r.wantMix("aaaa")
			}
		}
		if n := b.served.Load() - before; n != 0 {
			t.Errorf("an unhealthy endpoint got %d requests after reloads", n)
		}
		s := r.g.Status().Health
		if len(s) != 1 || s[0].Each[0].Address != b.at() || s[0].Each[0].Since != since || s[0].Each[0].Checks[0].Failed < 2 {
			t.Errorf("%+v", s)
		}
		r.reload(clinic(d, 2, slow+", initial: unhealthy", "", a.at(), b.at(), c.at()))
		if got := r.mix(4); got != "aaaa" {
			t.Errorf("one that is to prove itself gets requests: %s", got)
		}
		b.well.Store(true)
		r.reload(clinic(d, 2, httpCheck+", initial: unhealthy", "", a.at(), b.at(), c.at()))
		r.awaitHealthy(3)
		r.wantMix("abc")
		r.reload(strings.Replace(clinic(d, 2, httpCheck, "", a.at(), b.at()), "health_check: {"+httpCheck+"}", "retries: 1", 1))
		if s := r.g.Status().Health; len(s) != 0 {
			t.Errorf("nothing is checked any more: %+v", s)
		}
		asked := a.asked.Load()
		b.well.Store(false)
		time.Sleep(100 * time.Millisecond)
		r.wantMix("aabb")
		if n := a.asked.Load() - asked; n > 1 {
			t.Errorf("%d checks after they were taken out", n)
		}
	})
}

// TestHealthAndWeights: who is drained stays so, healthy or not, and an operator's weight is what shares are of.
func TestHealthAndWeights(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		a, b, c := startPatient(t, "a"), startPatient(t, "b"), startPatient(t, "c")
		r := startWith(t, clinic(d, 1, httpCheck, "", a.at(), b.at(), c.at()))
		weigh := func(p *patient, n int) {
			t.Helper()
			if err := r.g.SetWeight(t.Context(), "out", p.at(), &n); err != nil {
				t.Fatal(err)
			}
		}
		weigh(a, 0)
		weigh(b, 3)
		r.wantMix("bbbc")
		a.well.Store(false)
		c.well.Store(false)
		r.awaitHealthy(1)
		r.wantMix("bbbb")
		b.well.Store(false)
		r.awaitHealthy(0)
		r.wantMix("bbbc") // panic uses all but who is drained
		weigh(c, 0)
		r.awaitHealthy(0)
		r.wantMix("bbbb")
		a.well.Store(true)
		weigh(a, 1)
		r.awaitHealthy(1)
		r.wantMix("aaaa")
		if n := r.logged("endpoint is unhealthy"); n != 3 {
			t.Errorf("%d are told to be unhealthy, not 3", n)
		}
		if s := r.g.clusterStatus()[0].Endpoints; !s[2].Drained || s[2].Health.Share != 0 || s[1].Weight != 3 || s[1].Health.State != "unhealthy" || s[0].Health.Share != 100 {
			t.Errorf("%+v", s)
		}
	})
}

// TestHealthSpeaksAsRequests: checks go by TLS, over Unix sockets, and behind a PROXY header, as the cluster's connections do.
func TestHealthSpeaksAsRequests(t *testing.T) {
	a := newAuthority(t)
	eachDriver(t, func(t *testing.T, d DriverName) {
		cert := a.issue("origin", false, nil, "origin.test")
		loaded, err := tls.LoadX509KeyPair(cert.cert, cert.key)
		if err != nil {
			t.Fatal(err)
		}
		p := newPatient(t, "a")
		p.TLS = &tls.Config{Certificates: []tls.Certificate{loaded}}
		p.StartTLS()
		ca := "tls: {ca: '" + a.file("ca.pem") + "', server_name: %s}"
		r := startWith(t, clinic(d, 1, httpCheck+", initial: unhealthy", fmt.Sprintf(ca, "origin.test"), p.at()))
		r.awaitHealthy(1)
		r.wantMix("aa")
		r.reload(clinic(d, 1, httpCheck, fmt.Sprintf(ca, "other.test"), p.at()))
		r.awaitHealthy(0)
		if e := r.g.Status().Health[0].Each[0]; !strings.Contains(e.Reason, "TLS handshake") {
			t.Errorf("%+v", e)
		}
		socket := filepath.Join(t.TempDir(), "s")
		u := newPatientAt(t, "b", "unix", socket)
		u.Start()
		r.reload(clinic(d, 1, httpCheck+", initial: unhealthy", "", "unix:"+socket))
		r.awaitHealthy(1)
		if u.host.Load() != "localhost" {
			t.Errorf("host %v", u.host.Load())
		}
		r.wantMix("bb")
		if err := os.Remove(socket); err != nil {
			t.Fatal(err)
		}
		r.awaitHealthy(0)
	})
}

// TestHealthByHTTP2: checks speak the version that requests do.
func TestHealthByHTTP2(t *testing.T) {
	a := newAuthority(t)
	eachDriver(t, func(t *testing.T, d DriverName) {
		cert := a.issue("origin", false, nil, "origin.test")
		loaded, err := tls.LoadX509KeyPair(cert.cert, cert.key)
		if err != nil {
			t.Fatal(err)
		}
		encrypted := "tls: {ca: '" + a.file("ca.pem") + "', server_name: origin.test}, "
		check := strings.Replace(httpCheck, "/healthz", "'/healthz?deep=1'", 1) + ", initial: unhealthy"
		for name, test := range map[string]struct {
			tls, h2   bool // what the server speaks
			version   string
			healthy   int
			spoke     string
			complaint string
		}{
			"prior knowledge":        {false, true, "http2", 1, "HTTP/2.0 deep=1", ""},
			"no prior knowledge":     {false, false, "http2", 0, "", "http: "},
			"TLS":                    {true, true, "http2", 1, "HTTP/2.0 deep=1", ""},
			"TLS, and no HTTP/2":     {true, false, "http2", 0, "", "http: TLS "},
			"either, and there is":   {true, true, "auto", 1, "HTTP/2.0 deep=1", ""},
			"either, and there is 1": {true, false, "auto", 1, "HTTP/1.1 deep=1", ""},
			"HTTP/1.1":               {true, true, "http1", 1, "HTTP/1.1 deep=1", ""},
		} {
			t.Run(name, func(t *testing.T) {
				p := newPatient(t, "a")
				more := "version: " + test.version
				p.Config.Protocols = new(http.Protocols)
				p.Config.Protocols.SetHTTP1(!test.h2 || test.tls)
				p.Config.Protocols.SetHTTP2(test.h2)
				p.Config.Protocols.SetUnencryptedHTTP2(test.h2 && !test.tls)
				if test.tls {
					p.TLS, p.EnableHTTP2 = &tls.Config{Certificates: []tls.Certificate{loaded}}, test.h2
					more = encrypted + more
					p.StartTLS()
				} else {
					p.Start()
				}
				r := startWith(t, clinic(d, 1, check, more, p.at()))
				eventually(t, "it is checked", func() bool {
					k := r.g.Status().Health[0].Each[0].Checks[0]
					return k.Good >= 2 || k.Failed >= 2
				})
				e := r.g.Status().Health[0].Each[0]
				if spoke, _ := p.proto.Load().(string); (e.State == "healthy") != (test.healthy == 1) || spoke != test.spoke || !strings.HasPrefix(e.Reason, test.complaint) {
					t.Errorf("%+v, spoke %q", e, spoke)
				}
				p.well.Store(false)
				r.awaitHealthy(0)
				if e := r.g.Status().Health[0].Each[0]; test.healthy == 1 && e.Reason != "http: status 503" {
					t.Errorf("%+v", e)
				}
			})
		}
	})
}

// TestHealthBehindProxyHeader: a server that demands a PROXY header gets one of the gateway itself.
func TestHealthBehindProxyHeader(t *testing.T) {
	for version, want := range map[string]string{"v1": "PROXY UNKNOWN\r\nGET ", "v2": "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00GET "} {
		heads := make(chan string, 100)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				b := make([]byte, 512)
				n, _ := c.Read(b)
				select {
				case heads <- string(b[:n]):
				default:
				}
				_, _ = c.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
				_ = c.Close()
			}
		}()
		r := startWith(t, fmt.Sprintf("listeners: {in: {address: '127.0.0.1:0', protocol: tcp, cluster: out}}\n"+
			"clusters: {out: {endpoints: ['%s'], send_proxy: %s, health_check: {%s, initial: unhealthy}}}\nruntime: {driver: epoll, loops: 1}\n", ln.Addr(), version, httpCheck))
		if got := <-heads; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q", version, got)
		}
		r.awaitHealthy(1)
	}
}

// TestHealthConfig: what cannot be is refused where it stands.
func TestHealthConfig(t *testing.T) {
	for text, want := range map[string]string{
		"{endpoints: ['unix:/s'], health_check: {icmp: {}}}":                                "clusters.c.endpoints[0]: a Unix socket cannot be pinged",
		"{endpoints: ['127.0.0.1:1'], balance: {weight_by: latency}}":                       "clusters.c.balance.weight_by: nothing measures latency: the cluster needs a health_check",
		"{endpoints: ['127.0.0.1:1'], balance: round_robbin}":                               "clusters.c.balance: expected one of round_robin, found \"round_robbin\"",
		"{endpoints: ['127.0.0.1:1'], balance: {policy: random}}":                           "clusters.c.balance.policy: expected one of round_robin",
		"{endpoints: ['127.0.0.1:1'], balance: {weight_by: loss}, health_check: {tcp: {}}}": "",
		"{endpoints: ['127.0.0.1:1'], balance: round_robin}":                                "",
	} {
		s, err := Load("t.yaml", []byte("listeners: {in: {address: '127.0.0.1:0', routes: [{cluster: c}]}}\nclusters: {c: "+text+"}\n"))
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		case want == "" && (s.Clusters["c"].Balance.Policy != "round_robin" || s.Clusters["c"].Balance.LeastShare != 10):
			t.Errorf("%s: %+v", text, s.Clusters["c"].Balance)
		case want == "" && strings.Contains(text, "loss") && s.Clusters["c"].Balance.By != health.ByLoss:
			t.Errorf("%s: %+v", text, s.Clusters["c"].Balance)
		}
	}
}
