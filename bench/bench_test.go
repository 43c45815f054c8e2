package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	tests := []struct {
		args string
		bad  string
	}{
		{"", ""},
		{"-run small -rounds 1 -duration 2s -driver both -caddy -peers ringway-uring,caddy", ""},
		{"-run idle -idle-connections 100", ""},
		{"-suite runtime -run echo -peers gnet,loop-epoll", ""},
		{"-suite gateway -peers nginx", ""},
		{"-suite runtime -run mailbox", ""},
		{"-suite gateway -run mailbox", "matches none"},
		{"-suite runtime -run idle", "matches none"},
		{"-suite runtime -peers nginx", "nginx"},
		{"-suite other", "-suite"},
		{"-run nonsense", "matches none"},
		{"-run (", "error parsing regexp"},
		{"-rounds 0", "-rounds"},
		{"-duration 1500ms", "whole seconds"},
		{"-duration 0s", "whole seconds"},
		{"-driver kqueue", "-driver"},
		{"-peers apache", "apache"},
		{"-peers caddy", "caddy"},
		{"-idle-connections 0", "positive"},
		{"extra", "unexpected"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			_, err := parseOptions(strings.Fields(test.args))
			if test.bad == "" && err != nil {
				t.Errorf("parseOptions = %v", err)
			}
			if test.bad != "" && (err == nil || !strings.Contains(err.Error(), test.bad)) {
				t.Errorf("parseOptions = %v, want an error about %q", err, test.bad)
			}
		})
	}
}

func TestRotated(t *testing.T) {
	all := []string{"a", "b", "c"}
	for round, want := range []string{"abc", "bca", "cab", "abc"} {
		if got := strings.Join(rotated(all, round), ""); got != want {
			t.Errorf("round %d: %s, want %s", round, got, want)
		}
	}
	if !slices.Equal(all, []string{"a", "b", "c"}) {
		t.Errorf("rotated changed its argument: %v", all)
	}
}

func TestNewLoadSampleDivides(t *testing.T) {
	cpu := cpuTime{user: time.Second, system: 3 * time.Second}
	sample, err := newLoadSample("nginx", "small-16", 2, cpu, wrkResult{requests: 200_000, p99: 3 * time.Millisecond})
	if err != nil || sample.UserMicros != 5 || sample.SystemMicros != 15 || sample.totalMicros() != 20 || sample.P99Micros != 3000 {
		t.Errorf("sample = %+v, %v; want 5 + 15 µs and 3000 µs", sample, err)
	}
	if _, err := newLoadSample("nginx", "small-16", 2, cpu, wrkResult{connect: 9}); err == nil {
		t.Error("no request answered, and no error")
	}
}

func TestClockStep(t *testing.T) {
	start := time.Now()
	end := start.Add(time.Second)
	if got := clockStep(start, end); got != 0 {
		t.Errorf("step of a clock nobody set = %v", got)
	}
	if got := clockStep(time.Now(), time.Now()); got.Abs() >= clockTolerance {
		t.Errorf("step between two readings in a row = %v", got)
	}
}

// TestConfigsAreComplete fills every template: a field that does not exist
// would else show on the first run of that proxy only.
func TestConfigsAreComplete(t *testing.T) {
	o := options{driver: "both", caddy: true}
	for _, p := range append(allPeers(o), relayPeers(o)...) {
		dir := t.TempDir()
		s := site{
			Dir: dir, File: filepath.Join(dir, "config"), Listen: "127.0.0.1:1111",
			Origin: "127.0.0.1:2222", MaxConns: 3333, Root: true,
		}
		where := strings.Join(p.args(s), " ")
		if p.config != "" {
			if err := s.write(p.config); err != nil {
				t.Errorf("%s: %v", p.name, err)
				continue
			}
			text, err := os.ReadFile(s.File)
			if err != nil {
				t.Fatal(err)
			}
			where += string(text)
		}
		if !strings.Contains(where, "1111") || !strings.Contains(where, "127.0.0.1:2222") {
			t.Errorf("%s is not told where to listen and where the origin is:\n%s", p.name, where)
		}
		if driver, ok := strings.CutPrefix(p.name, "ringway-"); ok && !strings.Contains(where, "driver: "+strings.TrimPrefix(driver, "tcp-")+",") {
			t.Errorf("%s is not told its driver:\n%s", p.name, where)
		}
	}
}

func TestCheckBody(t *testing.T) {
	body := bodies()[mediumPath]
	tests := []struct {
		name   string
		serve  http.HandlerFunc
		wanted bool
	}{
		{"the same", func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }, true},
		{"one byte changed", func(w http.ResponseWriter, _ *http.Request) {
			changed := slices.Clone(body)
			changed[9000] ^= 1
			w.Write(changed)
		}, false},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) { w.Write(body[1:]) }, false},
		{"status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); w.Write(body) }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.serve)
			defer server.Close()
			if err := checkBody(t.Context(), server.Client(), server.URL, body); (err == nil) != test.wanted {
				t.Errorf("checkBody = %v", err)
			}
		})
	}
}

// TestOpenConns opens connections to the origin of this program, and to one
// that closes after the response and so must not count as idle.
func TestOpenConns(t *testing.T) {
	b := &bench{}
	addr, err := b.startGoOrigin()
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	conns, err := openConns(t.Context(), openConn, addr, 40)
	defer closeAll(conns)
	if err != nil || len(conns) != 40 {
		t.Fatalf("openConns = %d connections, %v; want 40", len(conns), err)
	}
	for _, conn := range conns {
		if err := exchange(conn); err != nil {
			t.Fatalf("second exchange: %v", err)
		}
	}
	closing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.Write(bodies()[smallPath])
	}))
	defer closing.Close()
	conns, err = openConns(t.Context(), openConn, closing.Listener.Addr().String(), 3)
	if err == nil || len(conns) != 0 {
		t.Errorf("openConns to a closing server = %d connections, %v; want none and an error", len(conns), err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if conns, _ := openConns(canceled, openConn, addr, 1000); len(conns) != 0 {
		t.Errorf("openConns after cancel = %d connections", len(conns))
	}
}

func TestInstalledNamesPackage(t *testing.T) {
	_, err := installed("no-such-proxy", "proxy-package")(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "apt install proxy-package") {
		t.Errorf("installed = %v, want an absentError that names the package", err)
	}
}
