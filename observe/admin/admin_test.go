package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringway/ringway/errs"
	"github.com/ringway/ringway/observe/metrics"
)

// start runs a server on a free port of loopback until the test ends.
func start(t *testing.T, o Options) string {
	t.Helper()
	o.Address = "127.0.0.1:0"
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.Addr().String()
}

// do makes a request and returns the response and its body.
func do(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// wantProblem checks that a response is a problem document with this code.
func wantProblem(t *testing.T, res *http.Response, body string, status int, code errs.Code, detail string) {
	t.Helper()
	var p struct {
		Status       int
		Code, Detail string
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	if res.StatusCode != status || p.Status != status || p.Code != string(code) || p.Detail != detail ||
		res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("status %d, %s: %s", res.StatusCode, res.Header.Get("Content-Type"), body)
	}
}

func TestRoutes(t *testing.T) {
	reg := metrics.NewRegistry(metrics.Build{Version: "v"}, func() metrics.Snapshot { return metrics.Snapshot{} })
	url := start(t, Options{Metrics: metrics.Handler(reg, nil)})
	for path, want := range map[string]string{
		"/":                              "/debug/pprof/",
		"/metrics":                       "ringway_build_info",
		"/healthz":                       "ok\n",
		"/readyz":                        "ok\n",
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile: total",
		"/debug/pprof/cmdline":           "admin",
		"/debug/pprof/symbol":            "num_symbols",
	} {
		if res, body := do(t, "GET", url+path); res.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: status %d, %.200q", path, res.StatusCode, body)
		}
	}
	if res, body := do(t, "GET", url+"/debug/pprof/trace?seconds=0.01"); res.StatusCode != 200 || !strings.HasPrefix(body, "go 1.") {
		t.Errorf("trace: status %d", res.StatusCode)
	}
	if res, body := do(t, "POST", url+"/debug/pprof/symbol"); res.StatusCode != 200 {
		t.Errorf("symbol by POST: %d %s", res.StatusCode, body)
	}
	res, body := do(t, "GET", url+"/nothing")
	wantProblem(t, res, body, 404, errs.NoRoute, "See / for what is served.")
	res, body = do(t, "POST", url+"/healthz")
	wantProblem(t, res, body, 405, errs.MethodNotAllowed, "")
	if got := res.Header.Get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow: %q", got)
	}
}

func TestMetricsMayBeAbsent(t *testing.T) {
	url := start(t, Options{})
	res, body := do(t, "GET", url+"/metrics")
	wantProblem(t, res, body, 404, errs.NoRoute, "See / for what is served.")
	if _, body := do(t, "GET", url+"/"); strings.Contains(body, "/metrics") {
		t.Error("the list names what is not served")
	}
}

func TestHealth(t *testing.T) {
	var live, ready atomic.Pointer[error]
	load := func(p *atomic.Pointer[error]) func() error {
		return func() error {
			if e := p.Load(); e != nil {
				return *e
			}
			return nil
		}
	}
	url := start(t, Options{Live: load(&live), Ready: load(&ready)})
	draining := errs.Wrap(errs.New(errs.Draining, "SIGTERM"), "stop")
	ready.Store(&draining)
	res, body := do(t, "GET", url+"/readyz")
	wantProblem(t, res, body, 503, errs.Draining, "stop: SIGTERM")
	if res, _ := do(t, "GET", url+"/healthz"); res.StatusCode != 200 {
		t.Errorf("draining made the process unhealthy: %d", res.StatusCode)
	}
	stuck := errors.New(`loop 1 "stuck"`)
	live.Store(&stuck)
	res, body = do(t, "GET", url+"/healthz")
	wantProblem(t, res, body, 503, errs.Unavailable, `loop 1 "stuck"`)
	ready.Store(nil)
	if res, _ := do(t, "HEAD", url+"/readyz"); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestPanicIsAProblem(t *testing.T) {
	var out bytes.Buffer
	url := start(t, Options{
		Log:  slog.New(slog.NewTextHandler(&out, nil)),
		Live: func() error { panic("secret") },
	})
	res, body := do(t, "GET", url+"/healthz")
	wantProblem(t, res, body, 500, errs.Internal, "")
	if strings.Contains(body, "secret") || !strings.Contains(out.String(), "secret") {
		t.Errorf("told %q, logged %q", body, out.String())
	}
}

func TestRefusesRemoteAddresses(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0"} {
		s, err := Start(Options{Address: address})
		if s != nil {
			s.Close(context.Background())
		}
		if remote := new(RemoteError); !errors.As(err, &remote) || remote.Address != address {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "127.0.0.9:0", "localhost:0"} {
		s, err := Start(Options{Address: address})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		s.Close(context.Background())
	}
	for address, want := range map[string]bool{"[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "[::ffff:10.0.0.1]:1": false} {
		if got := isLoopback(address); got != want {
			t.Errorf("isLoopback(%s) = %v", address, got)
		}
	}
	if _, err := Start(Options{Address: "nonsense"}); err == nil {
		t.Error("an address without a port was accepted")
	}
}

func TestAllowRemote(t *testing.T) {
	s, err := Start(Options{Address: ":0", AllowRemote: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if a := s.Addr().(*net.TCPAddr); !a.IP.IsUnspecified() {
		t.Errorf("bound %v", a)
	}
}

// TestGivenListener: that somebody else has opened the address permits no more than if it had been opened here.
func TestGivenListener(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	var remote *RemoteError
	if s, err := Start(Options{Address: ":0", Listener: l}); !errors.As(err, &remote) {
		t.Errorf("%v", err)
		s.Close(context.Background())
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	// What a crash leaves behind: a socket file that nobody listens on.
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	s, err := Start(Options{Address: "unix:" + path})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	res, err := (&http.Client{Transport: transport}).Get("http://admin/healthz")
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	transport.CloseIdleConnections()
	if other, err := Start(Options{Address: "unix:" + path}); err == nil {
		other.Close(context.Background())
		t.Error("took over a socket in use")
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file stayed: %v", err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err := Start(Options{Address: "unix:" + path}); err == nil {
		other.Close(context.Background())
		t.Error("replaced a file that is no socket")
	}
}

func TestCloseCutsOffAfterTheDeadline(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s, err := Start(Options{Address: "127.0.0.1:0", Live: func() error { close(entered); <-release; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + s.Addr().String() + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		failed <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close = %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
	close(release)
}
