package health

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/conn"
	"github.com/ringway/ringway/probe"
)

const patience = 30 * time.Second

// text collects a log.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(b)
}

func (t *text) count(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Count(t.b.String(), what)
}

// bench is a Checker without a gateway. It has no loops.
type bench struct {
	*testing.T
	*Checker
	log       *text
	published atomic.Int32
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, log: new(text)}
	b.Checker = New(Options{Log: slog.New(slog.NewTextHandler(b.log, nil)), Publish: func() { b.published.Add(1) },
		Loops: func(int, func(*conn.Net)) bool { return false }})
	t.Cleanup(b.Checker.Close)
	return b
}

// pinged is a cluster that is pinged every 10 ms.
func pinged(t *testing.T, name, more string, addresses ...string) Cluster {
	t.Helper()
	c := Cluster{Name: name, Spec: new(Spec), Weighing: weighing(ByNothing)}
	if err := config.Decode("h.yaml", []byte("{icmp: {interval: 10ms, timeout: 5s, unhealthy_after: 2}"+more+"}"), c.Spec); err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		address, err := conn.NewAddress(a)
		if err != nil {
			t.Fatal(err)
		}
		c.Endpoints = append(c.Endpoints, Endpoint{Host: a, Address: address})
	}
	return c
}

// adopt goes over to clusters, or skips where this process may not ping.
func (b *bench) adopt(clusters ...Cluster) *Set {
	b.Helper()
	s, err := b.Prepare(clusters)
	var denied *probe.PermissionError
	if errors.As(err, &denied) {
		b.Skipf("no permission for ICMP sockets here: %v", denied.Err)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Adopt(s)
	return s
}

func (b *bench) await(what string, ok func() bool) {
	b.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("not after %v: %s", patience, what)
		}
	}
}

// good is how many good pings an endpoint has had.
func (b *bench) good(cluster string, i int) uint64 {
	return b.Reports()[cluster].Endpoints[i].Checks[0].Good
}

// TestPingedOnce: an address of two clusters is pinged once, and both have the result; one that is pinged otherwise is apart.
func TestPingedOnce(t *testing.T) {
	b := newBench(t)
	other := pinged(t, "c", "", "127.0.0.1:1")
	other.Spec.ICMP.Size = 100
	s := b.adopt(pinged(t, "a", "", "127.0.0.1:1", "127.0.0.2:1"), pinged(t, "b", "", "127.0.0.1:2", "[::1]:2"), other)
	if len(s.pingers) != 2 {
		t.Fatalf("%d pingers", len(s.pingers))
	}
	b.await("answers", func() bool { return b.good("a", 1) > 5 && b.good("b", 0) > 5 && b.good("c", 0) > 5 })
	p := s.pingers[other.Spec.ICMP.terms()]
	if len(p.targets) != 1 {
		t.Errorf("%v are pinged with 100 bytes", p.targets)
	}
	for terms, p := range s.pingers {
		n := p.prober.Snapshot(probe.SnapshotOptions{})
		if terms.size == 56 && (len(n.Targets) != 3 || len(p.sinks[0]) != 2) {
			t.Errorf("%d targets, the first for %d", len(n.Targets), len(p.sinks[0]))
		}
	}
	r := b.Reports()["a"].Endpoints[0]
	if k := r.Checks[0]; r.State != Healthy || k.Loss != 0 || k.P50 <= 0 || k.P99 < k.P50 || k.Smoothed <= 0 || k.Smoothed > time.Second || k.Sum < k.P50 {
		t.Errorf("%+v", r)
	}
}

// TestAdoptKeeps: a change of the configuration keeps the sockets where the addresses stay, and what is known where they do not.
func TestAdoptKeeps(t *testing.T) {
	files := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	before := files()
	b := newBench(t)
	first := b.adopt(pinged(t, "a", "", "127.0.0.1:1", "127.0.0.2:1"))
	b.await("answers", func() bool { return b.good("a", 0) > 5 })
	known := b.good("a", 0)
	open := files()
	second := b.adopt(pinged(t, "a", ", window: 50", "127.0.0.2:1", "127.0.0.1:1"))
	for terms, p := range first.pingers {
		if second.pingers[terms] != p {
			t.Error("the prober was replaced although nobody came or went")
		}
	}
	if b.good("a", 1) < known || files() != open {
		t.Errorf("%d answers are known of %d, and %d files of %d are open", b.good("a", 1), known, files(), open)
	}
	unused, err := b.Prepare([]Cluster{pinged(t, "a", "", "127.0.0.9:1")})
	if err != nil {
		t.Fatal(err)
	}
	unused.Discard()
	b.adopt(pinged(t, "a", "", "127.0.0.1:1", "127.0.0.3:1"))
	if b.good("a", 0) < known {
		t.Errorf("%d answers are known of %d", b.good("a", 0), known)
	}
	b.await("answers of the new one, and the old sockets closed", func() bool { return b.good("a", 1) > 2 && files() <= open })
	b.adopt()
	b.await("all sockets closed", func() bool { return files() <= before+1 })
	if len(b.Reports()) != 0 {
		t.Errorf("%+v", b.Reports())
	}
}

// TestPingRefusedHere: an address that this host refuses to send to is unhealthy with the reason, and no other.
func TestPingRefusedHere(t *testing.T) {
	b := newBench(t)
	b.adopt(pinged(t, "a", "", "127.0.0.1:1", "127.255.255.255:1"))
	b.await("it is unhealthy", func() bool { return b.Reports()["a"].Endpoints[1].State == Unhealthy })
	b.await("the other is pinged", func() bool { return b.good("a", 0) > 3 })
	r := b.Reports()["a"].Endpoints
	if r[0].State != Healthy || !strings.Contains(r[1].Reason, "not permitted") {
		t.Errorf("%+v", r)
	}
	b.await("it was published, and logged once", func() bool { return b.published.Load() >= 2 && b.log.count("endpoint is unhealthy") == 1 })
	st, ok := b.Standing("a", []string{"127.0.0.1:1", "127.255.255.255:1"}, []int{5, 5})
	if !ok || st.Shares[0] != Whole || st.Shares[1] != 0 || st.Healthy != 1 || st.Of != 2 {
		t.Errorf("%+v", st)
	}
	if _, ok := b.Standing("b", nil, nil); ok {
		t.Error("a cluster that nobody knows has a standing")
	}
}

// TestPingAdmittedLater: what this host could not ping at first, as by an interface that was not up, is pinged when it can be, and those
// that it could go on meanwhile.
func TestPingAdmittedLater(t *testing.T) {
	for _, c := range []struct {
		name string
		late string // an address that cannot be pinged ever
	}{{"none could be pinged", ""}, {"others never will be", "[fe80::1%nosuchif]:1"}} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			b := newBench(t)
			addresses := []string{"127.0.0.1:1"}
			if c.late != "" {
				addresses = append(addresses, c.late)
			}
			s, err := b.Prepare([]Cluster{pinged(t, "a", "", addresses...)})
			var denied *probe.PermissionError
			if errors.As(err, &denied) {
				t.Skipf("no permission for ICMP sockets here: %v", denied.Err)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range s.pingers { // as if nothing could be had a moment ago
				p.discard()
				p.prober, p.pause = nil, 20*time.Millisecond
				for i := range p.refused {
					p.refused[i] = errors.New("there was no such interface")
				}
			}
			b.Adopt(s)
			b.await("it is unhealthy at once", func() bool { return b.log.count("endpoint is unhealthy") == len(addresses) })
			b.await("it is pinged", func() bool { return b.good("a", 0) > 3 && b.Reports()["a"].Endpoints[0].State == Healthy })
			if c.late == "" {
				return
			}
			failed := func() uint64 { return b.Reports()["a"].Endpoints[1].Checks[0].Failed }
			good, before := b.good("a", 0), failed()
			b.await("the other is tried again, and pings go on", func() bool { return failed() > before+3 && b.good("a", 0) > good+3 })
			if e := b.Reports()["a"].Endpoints[1]; e.State != Unhealthy || !strings.Contains(e.Reason, "no such interface") || b.log.count("could not") != 1 {
				t.Errorf("%+v, %d", e, b.log.count("could not"))
			}
		})
	}
}

// TestPingWithoutDescriptors: that none are left is an error, and not an address that cannot be pinged.
func TestPingWithoutDescriptors(t *testing.T) {
	b := newBench(t)
	b.adopt(pinged(t, "a", "", "127.0.0.1:1"))
	var had syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &had); err != nil {
		t.Fatal(err)
	}
	next, err := os.Open(os.DevNull) // the lowest free number
	if err != nil {
		t.Fatal(err)
	}
	none := syscall.Rlimit{Cur: uint64(next.Fd()), Max: had.Max}
	next.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err = b.Prepare([]Cluster{pinged(t, "a", "", "127.0.0.2:1", "[::1]:1")})
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &had); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(err.Error(), "too many open files") {
		t.Errorf("%v", err)
	}
	good := b.good("a", 0)
	b.await("what was checked is checked on", func() bool { return b.good("a", 0) > good+3 })
}

// TestEndpointOfTwoKinds: all kinds have to agree.
func TestEndpointOfTwoKinds(t *testing.T) {
	pace := paceOf(time.Second, time.Second)
	pace.UnhealthyAfter, pace.HealthyAfter = 1, 1
	e := &endpoint{healthy: true}
	for _, spec := range []kindSpec{&ICMPSpec{Pace: pace}, &HTTPSpec{Pace: pace}} {
		e.checks = append(e.checks, &check{endpoint: e, kind: spec.kind(), spec: spec, verdict: verdict{healthy: true}, window: newWindow(10)})
	}
	now := time.Now()
	for i, test := range []struct {
		kind    Kind
		failure string
		turned  bool
		reason  string
	}{
		{HTTP, "status 503", true, "http: status 503"},
		{ICMP, "no answer in time", false, "icmp: no answer in time"},
		{HTTP, "", false, "icmp: no answer in time"},
		{ICMP, "", true, ""},
		{HTTP, "", false, ""},
	} {
		turned := e.of(test.kind).observe(result{failure: test.failure, took: time.Millisecond}, now)
		if turned != test.turned || e.reason() != test.reason || e.healthy != (test.reason == "") {
			t.Errorf("%d: turned %v, healthy %v, %q", i, turned, e.healthy, e.reason())
		}
	}
	if e.turned != 2 || e.of(TCP) != nil {
		t.Errorf("%+v", e)
	}
}

// TestKindsComeAndGo: a kind of check that is new changes nothing by itself, and with the one that failed its finding goes.
func TestKindsComeAndGo(t *testing.T) {
	b := newBench(t)
	both := func(c Cluster) Cluster {
		c.Spec.TCP = new(TCPSpec)
		c.Spec.TCP.SetDefaults()
		return c
	}
	const well, refused = "127.0.0.1:1", "127.255.255.255:1"
	b.adopt(pinged(t, "a", "", well, refused))
	b.await("one is unhealthy", func() bool { return b.Reports()["a"].Endpoints[1].State == Unhealthy })
	b.adopt(both(pinged(t, "a", ", initial: unhealthy", well, refused)))
	r := b.Reports()["a"].Endpoints
	if r[0].State != Healthy || r[1].State != Unhealthy || len(r[0].Checks) != 2 || !strings.Contains(r[1].Reason, "not permitted") {
		t.Errorf("%+v", r)
	}
	only := both(pinged(t, "a", "", well))
	only.Spec.ICMP = nil
	b.adopt(only)
	b.adopt(both(pinged(t, "a", "", well)))
	if r := b.Reports()["a"].Endpoints; r[0].State != Healthy || r[0].Turned != 0 {
		t.Errorf("%+v", r)
	}
	e := b.clusters["a"].endpoints[well]
	b.mu.Lock()
	e.of(ICMP).verdict, e.healthy = verdict{proved: true}, false
	b.mu.Unlock()
	b.adopt(only)
	b.await("it is healthy again, and that is logged", func() bool { return b.log.count("healthy again") == 1 })
}

// TestLearn: what one process has proved another takes over, and publishes before it goes on; its own results go from there.
func TestLearn(t *testing.T) {
	old, b := newBench(t), newBench(t)
	old.adopt(pinged(t, "a", "", "127.0.0.1:1", "127.255.255.255:1"))
	old.await("both are known", func() bool { k := old.Known()["a"]; return len(k) == 2 && !k[1].Checks[0].Healthy })
	text, err := json.Marshal(old.Known()["a"])
	if err != nil {
		t.Fatal(err)
	}
	var known []Known
	if err := json.Unmarshal(text, &known); err != nil {
		t.Fatal(err)
	}
	slow := pinged(t, "a", "", "127.255.255.255:1", "127.0.0.2:1")
	slow.Spec.ICMP.Interval = config.Duration(time.Hour) // nothing is found out here
	slow.Weighing.By = ByLatency
	b.adopt(slow)
	before := b.published.Load()
	known[1].Share = 0.25
	if b.Learn("other", known) || b.Learn("a", known[:1]) || !b.Learn("a", known) || b.published.Load() == before {
		t.Errorf("learnt, and published %d times", b.published.Load()-before)
	}
	r := b.Reports()["a"].Endpoints
	if r[0].State != Unhealthy || !r[0].Since.Equal(known[1].Since) || !strings.Contains(r[0].Reason, "not permitted") || r[0].Share != 25 || r[1].State != Healthy {
		t.Errorf("%+v", r)
	}
	if k := b.Known()["a"]; len(k) == 0 || k[0].Address != "127.255.255.255:1" || b.log.count("endpoint is") != 0 {
		t.Errorf("%+v", k)
	}
	b.Checker.Close()
	b.Learn("a", known) // does not wait for what has ended
}

func TestPingAddress(t *testing.T) {
	for name, want := range map[string]string{"10.0.0.1:80": "10.0.0.1", "[::1]:80": "::1", "[fe80::1%eth0]:80": "fe80::1%eth0", "[::ffff:10.0.0.1]:1": "10.0.0.1"} {
		if got := pingAddress(name).String(); got != want {
			t.Errorf("%s: %s", name, got)
		}
		if !Pingable(name) {
			t.Errorf("%s cannot be pinged", name)
		}
	}
	if Pingable("unix:/run/x") {
		t.Error("a Unix socket can be pinged")
	}
}

func FuzzShare(f *testing.F) {
	for _, s := range []string{"off", "12.5%", "0%", "100%", "-1%", "1e9%", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var s, again Share
		if s.UnmarshalText([]byte(in)) != nil {
			return
		}
		if s != Off && (s < 0 || s > 100) {
			t.Fatalf("%q is %v", in, float64(s))
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Fatalf("%q is %v, which is read as %v, %v", in, s, again, err)
		}
	})
}

func FuzzStatusRange(f *testing.F) {
	for _, s := range []string{"200", "2xx", "200-204", "2-", "-", "xxx", "5XX"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var r StatusRange
		if r.FromScalar(in) == nil && (r.From > r.To) == r.has(r.From) {
			t.Fatalf("%q is %+v", in, r)
		}
	})
}

// TestFailures: why a connection's check failed is told in the same few words each time.
func TestFailures(t *testing.T) {
	for want, err := range map[string]error{
		"status 503":                              statusError(503),
		"dial: it is no more":                     &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{Port: 1}, Err: errors.New("it is no more")},
		"no answer in time":                       os.ErrDeadlineExceeded,
		"TLS settled on another protocol than h2": errNoHTTP2,
	} {
		if got := connectFailure(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
