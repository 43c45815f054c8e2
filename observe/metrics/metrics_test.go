package metrics

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/proto/http2"
)

// scrape returns what Prometheus would read.
func scrape(t *testing.T, source func() Snapshot) string {
	t.Helper()
	w := httptest.NewRecorder()
	var log bytes.Buffer
	h := Handler(NewRegistry(Build{Version: "1.2.3", Driver: "uring"}, source), slog.New(slog.NewTextHandler(&log, nil)))
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || log.Len() > 0 {
		t.Fatalf("status %d, log %s", w.Code, log.String())
	}
	return w.Body.String()
}

// wantLines checks that each line is in the text exactly once.
func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n := strings.Count("\n"+text, "\n"+line+"\n"); n != 1 {
			name, _, _ := strings.Cut(line, "{")
			var near []string
			for _, l := range strings.Split(text, "\n") {
				if strings.HasPrefix(l, name) {
					near = append(near, l)
				}
			}
			t.Errorf("%d times %s; there is\n%s", n, line, strings.Join(near, "\n"))
		}
	}
}

// fill gives every number in v, a pointer to a struct, a value of its own.
func fill(v any) {
	next := uint64(0)
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i))
				}
			}
		case reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Uint64:
			next++
			v.SetUint(next)
		}
	}
	walk(reflect.ValueOf(v).Elem())
}

// double checks that adding a filled struct to itself doubles every number.
func double[C any](t *testing.T, add func(to, from *C)) {
	t.Helper()
	var from, to C
	fill(&from)
	fill(&to)
	add(&to, &from)
	a, b := reflect.ValueOf(from), reflect.ValueOf(to)
	var walk func(path string, a, b reflect.Value)
	walk = func(path string, a, b reflect.Value) {
		switch a.Kind() {
		case reflect.Struct:
			for i := range a.NumField() {
				if a.Type().Field(i).IsExported() {
					walk(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
				}
			}
		case reflect.Array:
			for i := range a.Len() {
				walk(fmt.Sprint(path, "[", i, "]"), a.Index(i), b.Index(i))
			}
		case reflect.Uint64:
			if b.Uint() != 2*a.Uint() {
				t.Errorf("%T%s: %d + %d = %d", from, path, a.Uint(), a.Uint(), b.Uint())
			}
		}
	}
	walk("", a, b)
}

func TestAddForgetsNoField(t *testing.T) {
	double(t, (*LoopCounters).Add)
	double(t, (*ListenerCounters).Add)
	double(t, (*ClusterCounters).Add)
	double(t, (*EndpointCounters).Add)
	double(t, (*TaskCounters).Add)
}

// TestEveryFieldIsShown checks that each counter has a series of its own: the
// values are all different, so each must be in the text.
func TestEveryFieldIsShown(t *testing.T) {
	var s Snapshot
	var loop LoopCounters
	var listener ListenerCounters
	var endpoint EndpointCounters
	var task TaskCounters
	cluster := Cluster{Name: "c", Endpoints: 1, Available: 2, ClusterCounters: ClusterCounters{Overloaded: 3}}
	fill(&loop)
	fill(&listener)
	listener.TLS.Enabled, listener.HTTP2.Enabled = true, true
	fill(&endpoint)
	fill(&task)
	s.Loops = []Loop{{0, loop}}
	s.Listeners = []Listener{{"l", listener}}
	s.Clusters = []Cluster{cluster}
	s.Endpoints = []Endpoint{{"c", "e", endpoint}}
	s.Tasks = []Task{{"t", task}}
	s.AccessLog = AccessLog{Written: 1, Dropped: 2}
	text := scrape(t, func() Snapshot { return s })
	for prefix, fields := range map[string]int{
		"ringway_loop_": reflect.TypeFor[LoopCounters]().NumField(),
		// The array Requests is five series, Sessions one for each end, Tunnels likewise and three numbers more, TLS one for each
		// result and version and two numbers more, HTTP2 ten and one for each flood; the histograms are counted apart.
		"ringway_listener_": reflect.TypeFor[ListenerCounters]().NumField() - 5 + StatusClasses + int(sessionEnds) + int(sessionEnds) + 3 +
			int(tlsResults) + TLSVersions + 2 +
			10 + http2.Floods - 2,
		"ringway_cluster_":      3,
		"ringway_endpoint_":     reflect.TypeFor[EndpointCounters]().NumField() - 2 + int(endpointErrors),
		"ringway_task":          reflect.TypeFor[TaskCounters]().NumField(),
		"ringway_access_log_re": 2,
	} {
		values := map[string]bool{}
		for _, line := range strings.Split(text, "\n") {
			if name, value, _ := strings.Cut(line, "} "); strings.HasPrefix(line, prefix) && !strings.Contains(name, "duration_seconds") {
				if value == "" { // no labels
					_, value, _ = strings.Cut(line, " ")
				}
				values[value] = true
			}
		}
		if len(values) != fields {
			t.Errorf("%s: %d different values for %d fields: %v", prefix, len(values), fields, values)
		}
	}
}

func TestScrapeSumsLoops(t *testing.T) {
	var a, b ListenerCounters
	for _, status := range []int{100, 200, 204, 301, 404, 503, 0, 999} {
		a.CountStatus(status)
	}
	a.Active, b.Active = 3, 4
	a.BytesIn, b.BytesOut = 5, 6
	a.Duration.Observe(40_000)
	b.Duration.Observe(200 * int64(time.Millisecond))
	var e1, e2 EndpointCounters
	e1.CountError(errs.Wrap(errs.New(errs.UpstreamReset, "m"), "w"))
	e2.CountError(errs.New(errs.UpstreamReset, "m"))
	e2.CountError(errs.New(errs.UpstreamConnectTimeout, "m"))
	e2.CountError(errs.New(errs.BadRequest, "not the endpoint's"))
	e2.CountError(nil)
	text := scrape(t, func() Snapshot {
		return Snapshot{
			Loops:     []Loop{{0, LoopCounters{Ticks: 7, Panics: 2}}, {1, LoopCounters{Ticks: 8}}},
			Listeners: []Listener{{"web", a}, {"db", ListenerCounters{}}, {"web", b}},
			Clusters:  []Cluster{{"c", 2, 1, ClusterCounters{1}}, {Name: "c", ClusterCounters: ClusterCounters{2}}},
			Endpoints: []Endpoint{{"c", "1.2.3.4:80", e1}, {"c", "1.2.3.4:80", e2}, {"d", "1.2.3.4:80", e2}},
			Tasks:     []Task{{"http1", TaskCounters{Live: 1}}, {"http1", TaskCounters{Live: 2, BusyNs: 250_000_000}}},
			AccessLog: AccessLog{Written: 11, Dropped: 12},
		}
	})
	wantLines(t, text,
		`ringway_loop_ticks_total{loop="0"} 7`,
		`ringway_loop_ticks_total{loop="1"} 8`,
		`ringway_loop_task_panics_total{loop="0"} 2`,
		`ringway_listener_connections{listener="web"} 7`,
		`ringway_listener_connections{listener="db"} 0`,
		`ringway_listener_received_bytes_total{listener="web"} 5`,
		`ringway_listener_sent_bytes_total{listener="web"} 6`,
		`ringway_listener_requests_total{code_class="1xx",listener="web"} 1`,
		`ringway_listener_requests_total{code_class="2xx",listener="web"} 2`,
		`ringway_listener_requests_total{code_class="3xx",listener="web"} 1`,
		`ringway_listener_requests_total{code_class="4xx",listener="web"} 1`,
		`ringway_listener_requests_total{code_class="5xx",listener="web"} 3`,
		`ringway_listener_request_duration_seconds_bucket{listener="web",le="5e-05"} 1`,
		`ringway_listener_request_duration_seconds_bucket{listener="web",le="0.1"} 1`,
		`ringway_listener_request_duration_seconds_bucket{listener="web",le="0.25"} 2`,
		`ringway_listener_request_duration_seconds_bucket{listener="web",le="+Inf"} 2`,
		`ringway_listener_request_duration_seconds_count{listener="web"} 2`,
		`ringway_listener_request_duration_seconds_sum{listener="web"} 0.20004`,
		`ringway_cluster_endpoints{cluster="c"} 2`,
		`ringway_cluster_endpoints_available{cluster="c"} 1`,
		`ringway_cluster_overloaded_total{cluster="c"} 3`,
		`ringway_endpoint_request_errors_total{cluster="c",endpoint="1.2.3.4:80",error="upstream_reset"} 2`,
		`ringway_endpoint_request_errors_total{cluster="d",endpoint="1.2.3.4:80",error="upstream_reset"} 1`,
		`ringway_endpoint_connect_errors_total{cluster="c",endpoint="1.2.3.4:80",error="upstream_connect_timeout"} 1`,
		`ringway_endpoint_connect_errors_total{cluster="c",endpoint="1.2.3.4:80",error="upstream_connect_refused"} 0`,
		`ringway_tasks{task="http1"} 3`,
		`ringway_task_busy_seconds_total{task="http1"} 0.25`,
		`ringway_access_log_records_written_total 11`,
		`ringway_access_log_records_dropped_total 12`,
	)
	for _, name := range []string{`ringway_build_info{driver="uring",go_version="go1.`, "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("no %s", name)
		}
	}
}

func TestNamesThatAreNotUTF8(t *testing.T) {
	text := scrape(t, func() Snapshot {
		return Snapshot{Listeners: []Listener{{Name: "a\xff"}, {Name: "a\xfe"}}, Endpoints: []Endpoint{{Cluster: "\"\n", Name: "\x80"}}}
	})
	wantLines(t, text, "ringway_listener_connections{listener=\"a\ufffd\"} 0",
		"ringway_endpoint_requests_total{cluster=\"\\\"\\n\",endpoint=\"\ufffd\"} 0")
}

func TestScrapeLeavesTheSourcesSliceAlone(t *testing.T) {
	s := Snapshot{Listeners: []Listener{{Name: "a", ListenerCounters: ListenerCounters{Active: 1}}, {Name: "a", ListenerCounters: ListenerCounters{Active: 2}}}}
	for range 2 {
		wantLines(t, scrape(t, func() Snapshot { return s }), `ringway_listener_connections{listener="a"} 3`)
	}
}

func TestConcurrentScrapes(t *testing.T) {
	h := Handler(NewRegistry(Build{}, func() Snapshot {
		return Snapshot{Loops: []Loop{{ID: 1}}, Endpoints: []Endpoint{{Name: "e"}}}
	}), nil)
	var wg sync.WaitGroup
	for range maxScrapes {
		wg.Go(func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != 200 {
				t.Errorf("status %d", w.Code)
			}
		})
	}
	wg.Wait()
}

// TestConventions asks Prometheus' own linter about the names, and the
// pedantic registry whether what is sent is what was described.
func TestConventions(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(NewCollector(func() Snapshot {
		return Snapshot{Loops: make([]Loop, 1), Listeners: make([]Listener, 1), Clusters: make([]Cluster, 1),
			Endpoints: make([]Endpoint, 1), Tasks: make([]Task, 1), Health: []ClusterHealth{{Endpoints: []EndpointHealth{{Checks: make([]EndpointCheck, 1)}}}}}
	}))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestHistogramBuckets(t *testing.T) {
	for i, bound := range bucketBounds {
		for at, want := range map[int64]int{bound - 1: i, bound: i, bound + 1: i + 1} {
			var h Histogram
			h.Observe(at)
			if h.buckets[want] != 1 || h.Count() != 1 || h.Sum() != time.Duration(at) {
				t.Errorf("%d ns: %v, want bucket %d", at, h.buckets, want)
			}
		}
	}
	var h Histogram
	h.Observe(-1)
	h.Observe(0)
	h.Observe(1 << 62)
	if h.buckets[0] != 2 || h.buckets[bucketCount-1] != 1 {
		t.Errorf("extremes: %v", h.buckets)
	}
	var sum Histogram
	sum.Add(&h)
	sum.Add(&h)
	if sum.Count() != 6 || sum.Sum() != 2*h.Sum() {
		t.Errorf("Add: %v", sum)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	var l ListenerCounters
	var e EndpointCounters
	err := errs.Wrap(errs.New(errs.UpstreamTimeout, "m"), "w")
	if n := testing.AllocsPerRun(100, func() {
		l.CountStatus(200)
		l.Duration.Observe(123_456)
		e.CountError(err)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	ns := int64(1)
	for b.Loop() {
		ns = ns*6364136223846793005 + 1442695040888963407
		h.Observe(ns >> 30 & 0xfffffff)
	}
}

func BenchmarkScrape(b *testing.B) {
	s := Snapshot{Loops: make([]Loop, 8), Listeners: make([]Listener, 16)}
	for i := range 100 {
		for range 8 {
			s.Endpoints = append(s.Endpoints, Endpoint{Cluster: "c", Name: fmt.Sprint(i)})
		}
	}
	h := Handler(NewRegistry(Build{}, func() Snapshot { return s }), nil)
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
}
