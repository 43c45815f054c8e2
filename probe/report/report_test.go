package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ringway/ringway/probe"
	"github.com/ringway/ringway/proto/icmp"
)

func TestFormats(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 812: "812ns", 1240: "1.24µs", 35_100: "35.1µs", 999_400: "999µs", time.Millisecond: "1.00ms", 1500 * time.Millisecond: "1.50s",
		-3 * time.Millisecond: "-3.00ms", 9_996: "10.0µs", 99_960: "100µs", 90 * time.Second: "90.0s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
	for share, want := range map[float64]string{0: "0%", 1: "100%", 0.5: "50.0%", 0.0123: "1.23%", 0.000001: "<0.01%", 0.999999: ">99.99%", 0.0999: "9.99%"} {
		if got := Percent(share); got != want {
			t.Errorf("%v: %s, want %s", share, got, want)
		}
	}
}

// sample is a run with something of everything in it.
func sample() *probe.Snapshot {
	var c probe.Counters
	c.Sent = 100
	c.ByOutcome[probe.Answered] = 95
	c.ByOutcome[probe.Timeout] = 3
	c.ByOutcome[probe.Corrupted] = 1
	c.ByExtra[probe.Late] = 2
	c.ByExtra[probe.Duplicate] = 1
	l := probe.Latency{Domain: probe.Software, Count: 95, Min: 10 * time.Microsecond, Avg: 20 * time.Microsecond, Max: 90 * time.Microsecond,
		P50: 19 * time.Microsecond, P90: 30 * time.Microsecond, P99: 80 * time.Microsecond, Jitter: 5 * time.Microsecond, Sum: 1900 * time.Microsecond,
		PeriodMin: 11 * time.Microsecond, PeriodAvg: 21 * time.Microsecond, PeriodMax: 91 * time.Microsecond, PeriodCount: 9, Last: 12 * time.Microsecond}
	var p probe.Counters
	p.Sent, p.ByOutcome[probe.Answered], p.ByOutcome[probe.Timeout] = 10, 9, 1
	s := &probe.Snapshot{At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 30 * time.Second, Total: c, Period: p, Latency: l, ByDomain: []probe.Latency{l},
		Sockets: []probe.SocketInfo{{Family: icmp.V4, Kind: probe.Raw, Domain: probe.Software}}}
	s.Session.QueueOverflow = 7
	s.Targets = []probe.TargetStats{
		{Target: probe.Target{Name: "a<b>.example", Addr: netip.MustParseAddr("10.0.0.1")}, Counters: c, Period: p, Latency: l, Recent: []time.Duration{1, probe.RecentLost},
			Damage: &probe.Damage{Byte: 40, Bit: 3, Bits: 1, Sent: 0x55, Got: 0x5d, SentLength: 64, GotLength: 64}},
		{Target: probe.Target{Name: "nowhere.example", Err: errors.New("cannot resolve nowhere.example: no such host")}},
	}
	return s
}

func write(t *testing.T, f func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	s := sample()
	got := write(t, func(w io.Writer) error { return Summary(w, s) })
	want := `a<b>.example (10.0.0.1) : xmt/rcv/%loss = 100/95/4.04%, min/avg/max = 10.0µs/20.0µs/90.0µs, p50/p90/p99 = 19.0µs/30.0µs/80.0µs, jitter 5.00µs (timeout 3, corrupted 1, late 2, duplicate 1); answer damaged at byte 40, bit 3 (0x55 sent, 0x5d came; 1 bits in all; the checksum tells)
nowhere.example         : cannot resolve nowhere.example: no such host

100 sent to 2 targets in 30.0s, 95 answered, loss 4.04%, 1 still under way
seen: timeout 3, corrupted 1, late 2, duplicate 1
rtt min/avg/max = 10.0µs/20.0µs/90.0µs, p50/p90/p99 = 19.0µs/30.0µs/80.0µs
clock: software, 95 measurements: software stamps of the kernel at both ends (CLOCK_REALTIME)
note: this host's receive queue dropped 7 packets: up to as many timeouts may be its own
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	got = write(t, func(w io.Writer) error { return Period(w, s) })
	want = `03:04:05  a<b>.example (10.0.0.1)  sent 10, answered 9, loss 10.0%, rtt min/avg/max 11.0µs/21.0µs/91.0µs (timeout 1)
03:04:05  nowhere.example          cannot resolve nowhere.example: no such host
03:04:05  all 2                    sent 10, answered 9, loss 10.0%
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Of many targets, those in trouble are shown.
func TestWorst(t *testing.T) {
	all := make([]probe.TargetStats, 1000)
	for i := range all {
		all[i].Sent = 10
		all[i].ByOutcome[probe.Answered] = 10
		if i%100 == 50 {
			all[i].ByOutcome[probe.Answered], all[i].ByOutcome[probe.Timeout] = uint64(i/100), uint64(10-i/100)
		}
	}
	all[7].Err = errors.New("no")
	got := Worst(all, 5)
	for i, want := range []int{7, 50, 150, 250, 350} {
		if got[i] != &all[want] {
			t.Errorf("place %d: %+v", i, got[i])
		}
	}
	if len(got) != 5 {
		t.Error(len(got))
	}
}

func TestJSON(t *testing.T) {
	s := sample()
	var o Object
	if err := json.Unmarshal([]byte(write(t, func(w io.Writer) error { return JSON(w, s, true) })), &o); err != nil {
		t.Fatal(err)
	}
	if o.Type != "summary" || o.Total.Sent != 100 || o.Total.Outcomes["timeout"] != 3 || o.Total.Extra["late"] != 2 || o.Total.InFlight != 1 || *o.Total.RTT.P99 != 80 ||
		o.Session.QueueOverflow != 7 || o.Targets[0].Damage.Byte != 40 || o.Targets[1].Error == "" || o.Clocks[0].Domain != "software" || len(o.Notes) != 1 || *o.Targets[0].RTT.Jitter != 5 {
		t.Errorf("%+v", o)
	}
	text := write(t, func(w io.Writer) error { return JSON(w, s, false) })
	o = Object{}
	if err := json.Unmarshal([]byte(text), &o); err != nil || strings.Count(text, "\n") != 1 {
		t.Fatalf("%v in %q", err, text)
	}
	if o.Type != "period" || o.Total.Sent != 10 || o.Targets[0].RTT.Avg != 21 || o.Session != nil {
		t.Errorf("%+v", o)
	}
}

func TestMetrics(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(NewCollector(sample))
	want := `
# HELP ringway_ping_outcome_total Probes by what became of them; those under way have no outcome yet.
# TYPE ringway_ping_outcome_total counter
ringway_ping_outcome_total{address="10.0.0.1",outcome="answered",target="a<b>.example"} 95
ringway_ping_outcome_total{address="10.0.0.1",outcome="corrupted",target="a<b>.example"} 1
ringway_ping_outcome_total{address="10.0.0.1",outcome="local_drop",target="a<b>.example"} 0
ringway_ping_outcome_total{address="10.0.0.1",outcome="other_error",target="a<b>.example"} 0
ringway_ping_outcome_total{address="10.0.0.1",outcome="send_failed",target="a<b>.example"} 0
ringway_ping_outcome_total{address="10.0.0.1",outcome="timeout",target="a<b>.example"} 3
ringway_ping_outcome_total{address="10.0.0.1",outcome="too_big",target="a<b>.example"} 0
ringway_ping_outcome_total{address="10.0.0.1",outcome="ttl_exceeded",target="a<b>.example"} 0
ringway_ping_outcome_total{address="10.0.0.1",outcome="unreachable",target="a<b>.example"} 0
# HELP ringway_ping_resolved 1 if the target is probed, 0 if it has no address or no socket.
# TYPE ringway_ping_resolved gauge
ringway_ping_resolved{address="",target="nowhere.example"} 0
ringway_ping_resolved{address="10.0.0.1",target="a<b>.example"} 1
# HELP ringway_ping_rtt_seconds Round-trip time of answered probes, in the clock domain named.
# TYPE ringway_ping_rtt_seconds summary
ringway_ping_rtt_seconds{address="10.0.0.1",domain="software",target="a<b>.example",quantile="0"} 1e-05
ringway_ping_rtt_seconds{address="10.0.0.1",domain="software",target="a<b>.example",quantile="0.5"} 1.9e-05
ringway_ping_rtt_seconds{address="10.0.0.1",domain="software",target="a<b>.example",quantile="0.9"} 3e-05
ringway_ping_rtt_seconds{address="10.0.0.1",domain="software",target="a<b>.example",quantile="0.99"} 8e-05
ringway_ping_rtt_seconds{address="10.0.0.1",domain="software",target="a<b>.example",quantile="1"} 9e-05
ringway_ping_rtt_seconds_sum{address="10.0.0.1",domain="software",target="a<b>.example"} 0.0019
ringway_ping_rtt_seconds_count{address="10.0.0.1",domain="software",target="a<b>.example"} 95
`
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(strings.TrimSpace(want)) {
		if !strings.Contains(w.Body.String(), strings.TrimSpace(line)+"\n") {
			t.Errorf("no line %sin\n%s", line, w.Body)
		}
	}
}

// The page is whole, escapes names, and its charts are well-formed and show losses.
func TestPage(t *testing.T) {
	s := sample()
	h := new(History)
	for i := range 20 {
		s.Elapsed = time.Duration(i+1) * time.Second
		h.Add(s)
	}
	got := write(t, func(w io.Writer) error { return Page(w, s, h) })
	if strings.Contains(got, "a<b>") || !strings.Contains(got, "a&lt;b&gt;.example") || !strings.Contains(got, "</html>") || strings.Contains(got, "http://") ||
		!strings.Contains(got, "no such host") || strings.Contains(got, "ZgotmplZ") {
		t.Errorf("%s", got)
	}
	charts := strings.Split(got, "<svg")[1:]
	if len(charts) != 2 { // of all, and of the one that is probed
		t.Fatalf("%d charts", len(charts))
	}
	for _, c := range charts {
		c = "<svg" + c[:strings.Index(c, "</svg>")+6]
		d := xml.NewDecoder(strings.NewReader(c))
		bars, lines := 0, 0
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, c)
			}
			if e, ok := token.(xml.StartElement); ok {
				switch e.Name.Local {
				case "rect":
					bars++
				case "polyline":
					lines++
				}
			}
		}
		if bars != 20 || lines != 1 || strings.Contains(c, "NaN") || strings.Contains(c, "Inf") {
			t.Errorf("%d bars, %d lines: %s", bars, lines, c)
		}
	}
}

// Nothing measured is a page too.
func TestEmptyPage(t *testing.T) {
	got := write(t, func(w io.Writer) error { return Page(w, &probe.Snapshot{}, new(History)) })
	if strings.Contains(got, "NaN") || !strings.Contains(got, "<svg") {
		t.Error(got)
	}
}

// However long a run, a history stays bounded, covers all of it, and loses no loss.
func TestHistoryIsBounded(t *testing.T) {
	h := new(History)
	var lost uint64
	for i := range 10_000 {
		s := &probe.Snapshot{Elapsed: time.Duration(i+1) * time.Second, Targets: make([]probe.TargetStats, 1)}
		s.Targets[0].Period.Sent = 1
		s.Targets[0].Period.ByOutcome[probe.Answered] = 1
		s.Targets[0].Latency = probe.Latency{PeriodMin: time.Duration(i + 1), PeriodAvg: time.Duration(i + 1), PeriodMax: time.Duration(i + 1), PeriodCount: 1}
		if i%100 == 0 {
			s.Targets[0].Period.ByOutcome = [len(s.Targets[0].Period.ByOutcome)]uint64{}
			s.Targets[0].Period.ByOutcome[probe.Timeout] = 1
			s.Targets[0].Latency = probe.Latency{}
			lost++
		}
		s.Period = s.Targets[0].Period
		h.Add(s)
	}
	for _, p := range [][]Point{h.All.all(), h.Targets[0].all()} {
		if len(p) > maxPoints || p[len(p)-1].At != 10_000*time.Second || p[len(p)-1].Max != 10_000 || p[0].Min != 2 {
			t.Errorf("%d points, the last %+v", len(p), p[len(p)-1])
		}
		var got, answered uint64
		for _, one := range p {
			got += one.Lost
			answered += one.Answered
		}
		if got != lost || answered != 10_000-lost {
			t.Errorf("%d lost, want %d; %d answered", got, lost, answered)
		}
	}
}

func TestPaths(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	l := probe.Latency{Domain: probe.Software, Count: 3, Min: 1000, Avg: 2000, Max: 3000, P50: 2000, P90: 3000, P99: 3000}
	paths := []probe.Path{
		{Target: probe.Target{Name: "x", Addr: b}, Reached: true, Hops: []probe.Hop{
			{TTL: 1, Sent: 3, Answered: 2, Routers: []probe.Router{{Addr: a, Answers: 2}}, Latency: l},
			{TTL: 2, Sent: 3},
			{TTL: 3, Sent: 3, Answered: 3, Routers: []probe.Router{{Addr: b, Answers: 2}, {Addr: a, Answers: 1}}, Latency: l}}},
		{Target: probe.Target{Name: "y", Err: errors.New("no address")}},
		{Target: probe.Target{Name: "10.0.0.2", Addr: b}, Reason: "host unreachable", Hops: []probe.Hop{{TTL: 1, Sent: 3}}},
		{Target: probe.Target{Name: "10.0.0.2", Addr: b}},
	}
	want := `x (10.0.0.2): reached at hop 3
  1  10.0.0.1  min/avg/max 1.00µs/2.00µs/3.00µs  loss 33.3%
  2  *
  3  10.0.0.2 (2), 10.0.0.1 (1)  min/avg/max 1.00µs/2.00µs/3.00µs

y: no address

10.0.0.2: ends at hop 1: host unreachable
  1  *

10.0.0.2: no hop answered
`
	if got := write(t, func(w io.Writer) error { return Paths(w, paths) }); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	var o PathObject
	line, _, _ := strings.Cut(write(t, func(w io.Writer) error { return PathsJSON(w, paths) }), "\n")
	if err := json.Unmarshal([]byte(line), &o); err != nil || !o.Reached || o.Hops[2].Routers["10.0.0.2"] != 2 || o.Hops[1].RTT != nil || o.Hops[0].RTT.Avg != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	found := []probe.PathMTU{{Target: paths[0].Target, MTU: 1400, Router: a, Probes: 3}, {Target: paths[0].Target, MTU: 1500, Local: true, Probes: 4},
		{Target: paths[0].Target, MTU: 1300, BlackHole: true, Probes: 30}, {Target: paths[0].Target, Reason: "no answer"}, {Target: paths[1].Target}}
	want = `x (10.0.0.2) : path MTU 1400, says 10.0.0.1 (3 probes)
x (10.0.0.2) : path MTU 1500, the MTU of this host's interface (4 probes)
x (10.0.0.2) : path MTU 1300; larger packets vanish and nobody says so (a black hole) (30 probes)
x (10.0.0.2) : no answer
y : no address
`
	if got := write(t, func(w io.Writer) error { return MTUs(w, found) }); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	var m MTUObject
	line, _, _ = strings.Cut(write(t, func(w io.Writer) error { return MTUsJSON(w, found) }), "\n")
	if err := json.Unmarshal([]byte(line), &m); err != nil || m.MTU != 1400 || m.Router != "10.0.0.1" {
		t.Errorf("%+v, %v", m, err)
	}
}
