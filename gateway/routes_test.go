package gateway

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manyRoutes is a configuration of n routes, every one with a filter, in flow or in block style. turn changes a tenth of them.
func manyRoutes(d DriverName, origin string, n, turn int) string {
	var b strings.Builder
	b.WriteString("listeners:\n  in:\n    address: 127.0.0.1:0\n    routes:\n      - cluster: c0\n")
	for i := range n {
		value := i
		if i%10 == 0 {
			value += turn
		}
		fmt.Fprintf(&b, "      - {name: r%d, host: h%d.example.com, path: /p%d/*, filters: [{headers: {set: {X-Route: r%d}}}], cluster: c%d}\n", i, i%100, i, value, i%10)
	}
	b.WriteString("clusters:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "  c%d: {endpoints: ['%s']}\n", i, origin)
	}
	fmt.Fprintf(&b, "runtime: {driver: %s, loops: 2}\n", d)
	return b.String()
}

// BenchmarkReload: a configuration of 10,000 routes of which a tenth or all change. What counts for requests is publish: it is all that
// the loops take part in.
func BenchmarkReload(b *testing.B) {
	const n = 10_000
	text := func(turn int) string { return manyRoutes(Epoll, "127.0.0.1:1", n, turn) }
	all := func(prefix string) string { return strings.ReplaceAll(text(0), "X-Route: r", "X-Route: "+prefix) }
	b.Run("tenth", func(b *testing.B) { benchReload(b, n/10, text(1), text(2)) })
	b.Run("all", func(b *testing.B) { benchReload(b, n, all("s"), all("t")) })
}

// benchReload goes from one configuration to the other and back, which differ in so many routes.
func benchReload(b *testing.B, changes int, texts ...string) {
	spec, err := Load("test.yaml", []byte(texts[1]))
	if err != nil {
		b.Fatal(err)
	}
	g, err := Start(context.Background(), spec, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	var read, build, publish time.Duration
	i := 0
	before := cpuTime(b)
	for b.Loop() {
		o, err := g.Reload(context.Background(), Change{Source: Source{"test.yaml", []byte(texts[i%2])}})
		if err != nil || len(o.Changes) != changes {
			b.Fatalf("%d changes, %v", len(o.Changes), err)
		}
		i++
		read, build, publish = read+o.Read, build+o.Build, publish+o.Publish
	}
	for name, d := range map[string]time.Duration{"read-ms": read, "build-ms": build, "publish-ms": publish} {
		b.ReportMetric(d.Seconds()*1e3/float64(i), name)
	}
	b.ReportMetric((cpuTime(b)-before).Seconds()*1e3/float64(i), "cpu-ms") // of the whole process, which says more where others run too
	if err := g.Drain(context.Background()); err != nil {
		b.Error(err)
	}
}

func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// latencies asks over one connection until stop is closed, and tells when each request began and how long it took.
func latencies(t *testing.T, addr string, stop chan struct{}) (at []time.Time, took []time.Duration) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	defer c.Close()
	l := &load{t: t}
	br := bufio.NewReader(c)
	for {
		select {
		case <-stop:
			return at, took
		default:
		}
		began := time.Now()
		if _, err := l.ask(c, br); err != nil {
			t.Error(err)
			return at, took
		}
		at, took = append(at, began), append(took, time.Since(began))
	}
}

// TestReloadOfManyRoutes: no request fails while 10,000 routes change, and what the loops take part in is short. How much later
// responses come is told and not judged: what else runs here decides it.
func TestReloadOfManyRoutes(t *testing.T) {
	n := 10_000
	if raceDetector {
		n = 1000
	}
	eachDriver(t, func(t *testing.T, d DriverName) {
		a := named(t, "a")
		r := startWith(t, manyRoutes(d, a, n, 0))
		stop := make(chan struct{})
		type result struct {
			at   []time.Time
			took []time.Duration
		}
		results := make(chan result)
		const clients = 4
		for range clients {
			go func() {
				at, took := latencies(t, r.addr, stop)
				results <- result{at, took}
			}()
		}
		time.Sleep(time.Second)
		began := time.Now()
		var spans []string
		for turn := range 3 {
			o := r.reload(manyRoutes(d, a, n, turn+1))
			if len(o.Changes) != n/10 {
				t.Errorf("%d changes", len(o.Changes))
			}
			if o.Publish > time.Second {
				t.Errorf("publishing took %v", o.Publish)
			}
			spans = append(spans, fmt.Sprintf("%v = %v + %v + %v", o.Read+o.Build+o.Publish, o.Read, o.Build, o.Publish))
		}
		ended := time.Now()
		close(stop)
		var steady, during []time.Duration
		for range clients {
			res := <-results
			for i, at := range res.at {
				if at.Before(began) {
					steady = append(steady, res.took[i])
				} else if at.Before(ended) {
					during = append(during, res.took[i])
				}
			}
		}
		t.Logf("%d routes: %s", n, strings.Join(spans, "; "))
		t.Logf("p50 %v and %v, p99 %v and %v: of %d requests before and %d during", quantile(steady, 0.5), quantile(during, 0.5),
			quantile(steady, 0.99), quantile(during, 0.99), len(steady), len(during))
		if len(steady) == 0 || len(during) == 0 {
			t.Error("no requests")
		}
	})
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[int(q*float64(len(d)-1))]
}
