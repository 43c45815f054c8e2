package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	c := start(t, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	web := c.awaitLine(`serves on (http://127\.0\.0\.1:\d+) with`)[1]
	admin := strings.TrimSuffix(c.awaitLine(`curl (http://127\.0\.0\.1:\d+/metrics)`)[1], "/metrics")

	if _, body := get(t, web+"/"); origin(t, body) != "site" {
		t.Errorf("/ came from %s", body)
	}
	seen := map[string]int{}
	for range 6 {
		resp, body := get(t, web+"/api/users")
		if resp.Header.Get("X-Route") != "api" || !strings.Contains(body, `"X-Demo"`) {
			t.Errorf("/api/users: headers %v, the origin saw %s", resp.Header, body)
		}
		seen[origin(t, body)]++
	}
	// Each loop turns on its own, so only what holds for all of them is asked.
	if seen["api-1"]+seen["api-2"] != 6 || seen["api-2"] == 0 {
		t.Errorf("the API's origins answered %v", seen)
	}
	if _, body := get(t, web+"/hello"); body != "Hello from Ringway itself.\n" {
		t.Errorf("/hello says %q", body)
	}
	if resp, body := get(t, web+"/bytes/1000000"); len(body) != 1000000 || strings.Trim(body, "\x00") != "" || resp.ContentLength != 1000000 {
		t.Errorf("/bytes/1000000: %d bytes, length %d", len(body), resp.ContentLength)
	}
	resp, err := client.Post(web+"/echo", "text/plain", strings.NewReader("some text"))
	if err != nil {
		t.Fatal(err)
	}
	echo, err := io.ReadAll(resp.Body)
	if resp.Body.Close(); err != nil || string(echo) != "some text" {
		t.Errorf("/echo says %q, %v", echo, err)
	}
	if resp, body := get(t, admin+"/readyz"); resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %s %s", resp.Status, body)
	}
	if _, body := get(t, admin+"/metrics"); !strings.Contains(body, "ringway_") {
		t.Errorf("/metrics: %s", body)
	}

	c.signal(syscall.SIGINT)
	status, output := c.awaitEnd()
	if status != 0 || !strings.Contains(output, "drained") {
		t.Errorf("status %d:\n%s", status, output)
	}
	if n := strings.Count(output, `"status":200`); n != 10 {
		t.Errorf("%d requests in the access log, want 10:\n%s", n, output)
	}
}

// origin is the name of the demo's origin that described the request.
func origin(t *testing.T, body string) string {
	t.Helper()
	var d struct{ Origin string }
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	return d.Origin
}

// slowOrigin answers when it is released, and tells when a request has come.
func slowOrigin(t *testing.T) (addr string, asked <-chan struct{}, release chan<- struct{}) {
	t.Helper()
	in, out := make(chan struct{}, 8), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			in <- struct{}{}
			select {
			case <-out:
			case <-r.Context().Done():
			}
		}
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), in, out
}

// ask sends a request and hands its outcome over.
func ask(url string) <-chan string {
	got := make(chan string, 1)
	go func() {
		resp, err := client.Get(url)
		if err != nil {
			got <- "error"
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			got <- "error"
			return
		}
		got <- string(body)
	}()
	return got
}

// SIGTERM lets the request in flight finish, takes no new one, and ends with 0: with a master and without one.
func TestRunDrains(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"master": nil, "alone": {"--foreground-worker"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, asked, release := slowOrigin(t)
			c := start(t, append([]string{"run", "--listen", "127.0.0.1:0", "--to", addr}, args...)...)
			web := c.awaitLine(`listening.* address=(127\.0\.0\.1:\d+)`)[1]
			if _, body := get(t, "http://"+web+"/x"); body != "GET /x" {
				t.Errorf("got %q", body)
			}
			slow := ask("http://" + web + "/slow")
			<-asked
			c.signal(syscall.SIGTERM)
			c.awaitLine("draining")
			awaitRefusal(t, web)
			select {
			case release <- struct{}{}:
			case body := <-slow:
				_, output := c.awaitEnd()
				t.Fatalf("the request in flight got %q before it was answered:\n%s", body, output)
			}
			if body := <-slow; body != "GET /slow" {
				t.Errorf("the request in flight got %q", body)
			}
			if status, output := c.awaitEnd(); status != 0 || !strings.Contains(output, "msg=drained") {
				t.Errorf("status %d:\n%s", status, output)
			}
		})
	}
}

// awaitRefusal waits until nobody accepts on addr.
func awaitRefusal(t *testing.T, addr string) {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		_ = conn.Close()
		if time.Now().After(limit) {
			t.Fatal("a draining gateway still accepts")
		}
	}
}

// A second signal does not wait for the request in flight.
func TestSecondSignalCutsOff(t *testing.T) {
	t.Parallel()
	addr, asked, _ := slowOrigin(t)
	c := start(t, "run", "--listen", "127.0.0.1:0", "--to", addr)
	web := c.awaitLine(`listening.* address=(127\.0\.0\.1:\d+)`)[1]
	slow := ask("http://" + web + "/slow")
	<-asked
	c.signal(syscall.SIGTERM)
	c.awaitLine("draining")
	begin := time.Now()
	c.signal(syscall.SIGTERM)
	status, output := c.awaitEnd()
	if d := time.Since(begin); d > patience/2 {
		t.Errorf("the second signal took %v", d)
	}
	if status != 0 || !strings.Contains(output, "1 connections were cut off") {
		t.Errorf("status %d:\n%s", status, output)
	}
	if body := <-slow; body == "GET /slow" {
		t.Errorf("the request that was cut off got %q", body)
	}
}

// SIGUSR1 opens the access log anew, so that a rotated file is let go of.
func TestRotation(t *testing.T) {
	t.Parallel()
	addr, _, _ := slowOrigin(t)
	path := filepath.Join(t.TempDir(), "access.log")
	c := start(t, "run", "-c", write(t, "gateway.yaml", fmt.Sprintf(`
listeners: {web: {address: "127.0.0.1:0", routes: [{cluster: site}]}}
clusters: {site: {endpoints: [%q]}}
access_log: {path: %q}
`, addr, path)))
	web := "http://" + c.awaitLine(`listening.* address=(127\.0\.0\.1:\d+)`)[1]
	get(t, web+"/before")
	awaitText(t, path, "/before")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	c.signal(syscall.SIGUSR1)
	awaitText(t, path, "")
	get(t, web+"/after")
	awaitText(t, path, "/after")
	if old, err := os.ReadFile(path + ".1"); err != nil || strings.Contains(string(old), "/after") {
		t.Errorf("the rotated file: %v, %s", err, old)
	}
	c.signal(syscall.SIGTERM)
	if status, output := c.awaitEnd(); status != 0 {
		t.Errorf("status %d:\n%s", status, output)
	}
}

// awaitText waits until the file exists and holds text.
func awaitText(t *testing.T, path, text string) {
	t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(b), text) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: no %q in %v: %v, %q", path, text, patience, err, b)
		}
	}
}

// An address that is taken is a failure to start, not wrong usage, and says which listener: once, and in the same words with a
// master and without one.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().String()
	admin := write(t, "gateway.yaml", fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', routes: [{cluster: site}]}}\n"+
		"clusters: {site: {endpoints: ['127.0.0.1:1']}}\nadmin: {address: %q}\n", taken))
	for want, args := range map[string][]string{
		"ringway: listeners.main: listen on " + taken + ": bind: address already in use": {"run", "--listen", taken, "--to", "127.0.0.1:1"},
		"ringway: admin: listen tcp " + taken + ": bind: address already in use":         {"run", "-c", admin},
	} {
		for _, alone := range []bool{false, true} {
			if alone {
				args = append(args, "--foreground-worker")
			}
			status, output := start(t, args...).awaitEnd()
			lines := strings.Split(output, "\n")
			if status != 1 || lines[len(lines)-1] != want || strings.Count(output, "already in use") != 1 || strings.Contains(output, "level=ERROR") {
				t.Errorf("%q: status %d:\n%s\nwant last, and once\n%s", args, status, output, want)
			}
		}
	}
}

// The signals of a master: HUP reloads, USR2 goes over to the program on disk, QUIT ends at once although a request is in flight.
// None of it is told twice.
func TestMasterSignals(t *testing.T) {
	t.Parallel()
	addr, asked, _ := slowOrigin(t)
	file := write(t, "gateway.yaml", fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', routes: [{name: a, cluster: site}]}}\nclusters: {site: {endpoints: [%q]}}\n", addr))
	c := start(t, "run", "-c", file)
	web := c.awaitLines(`listening.* address=(127\.0\.0\.1:\d+)`, "a worker is ready")[0][1]
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "name: a", "name: b", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.signal(syscall.SIGHUP)
	c.awaitLines(`changed.* what=.*b`, "reloaded")
	c.signal(syscall.SIGUSR2)
	c.awaitLine("this master is a new program")
	slow := ask("http://" + web + "/slow")
	<-asked
	begin := time.Now()
	c.signal(syscall.SIGQUIT)
	status, output := c.awaitEnd()
	if d := time.Since(begin); d > patience/2 {
		t.Errorf("SIGQUIT took %v", d)
	}
	if status != 0 {
		t.Errorf("status %d", status)
	}
	if body := <-slow; body == "GET /slow" {
		t.Error("SIGQUIT has waited")
	}
	for text, want := range map[string]int{"- listeners.web.routes[a]": 1, "msg=reloaded": 1, "msg=listening": 2, `msg="a worker is ready"`: 2, `msg="handed over"`: 1} {
		if n := strings.Count(output, text); n != want {
			t.Errorf("%s is there %d times, not %d", text, n, want)
		}
	}
	if t.Failed() {
		t.Log(output)
	}
}
