package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/gateway"
)

// nameOrigins are servers at the addresses of its arguments, each of which answers with its address.
func nameOrigins() {
	for _, at := range os.Args[1:] {
		ln, err := net.Listen("tcp", at)
		if err != nil {
			fmt.Fprintln(os.Stderr, "name origins:", err)
			os.Exit(1)
		}
		go func() {
			_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, at) }))
		}()
	}
	fmt.Println("ready")
	select {}
}

// serveNames starts origins at addresses of the peer.
func (n *twins) serveNames(addresses ...string) {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	n.set(n.peer, "net/ipv6/ip_nonlocal_bind", "1") // a block behind the peer is not an address of it
	link := filepath.Join(n.t.TempDir(), "name-origins")
	if err := os.Symlink(self, link); err != nil {
		n.t.Fatal(err)
	}
	c := n.command(n.peer, append([]string{link}, addresses...)...)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		n.t.Fatalf("the origins say %q, %v", line, err)
	}
}

// mute has the peer's address peerMutes fall silent, or speak again.
func (n *twins) mute() {
	n.t.Helper()
	if err := n.pinged.Signal(syscall.SIGUSR1); err != nil {
		n.t.Fatal(err)
	}
}

// ward is a gateway in the client's namespace, reached over Unix sockets from here.
type ward struct {
	*process
	web, api *http.Client
	config   string
	status   func() []byte // what the admin API says
}

func overSocket(path string) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

// watch runs a gateway whose listener leads to the cluster "out"; clusters is the configuration's block.
func (n *twins) watch(driver, clusters string) *ward {
	n.t.Helper()
	w := n.ward()
	w.write(driver, clusters, "unix:"+filepath.Dir(w.config)+"/admin")
	w.status = func() []byte { return []byte(w.ask(w.api, "http://gateway/v1/status")) }
	n.run(w, "--foreground-worker")
	return w
}

// ward prepares a gateway.
func (n *twins) ward() *ward {
	n.t.Helper()
	dir, err := os.MkdirTemp("", "rw") // short: a socket's path has little room
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		n.t.Fatal(err)
	}
	w := &ward{process: &process{t: n.t, log: new(output), exited: make(chan struct{})}, config: filepath.Join(dir, "gateway.yaml")}
	w.web, w.api = overSocket(dir+"/web"), overSocket(dir+"/admin")
	return w
}

// run starts a gateway that has its configuration.
func (n *twins) run(w *ward, flags ...string) {
	n.t.Helper()
	w.cmd = n.command(n.client, append([]string{binary(n.t, true), "run", "-c", w.config}, flags...)...)
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
	w.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+filepath.Dir(w.config))
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() {
		w.process.status = w.cmd.Wait()
		close(w.exited)
	}()
	n.t.Cleanup(w.finish)
	w.await("msg=admin ")
}

func (w *ward) write(driver, clusters, admin string) {
	w.t.Helper()
	dir := filepath.Dir(w.config)
	text := fmt.Sprintf("listeners: {web: {address: 'unix:%s/web', routes: [{cluster: out}]}}\nclusters: {%s}\nadmin: {address: '%s'}\n"+
		"runtime: {driver: %s, loops: 1, drain_timeout: 1s}\n", dir, clusters, admin, driver)
	if err := os.WriteFile(w.config, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// stop ends the gateway, so that what it counted is all there is.
func (w *ward) stop() {
	w.t.Helper()
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	<-w.exited
}

// ask makes a request and gives the answer's text.
func (w *ward) ask(c *http.Client, url string) string {
	w.t.Helper()
	r, err := c.Get(url)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.log.String())
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// mix is who answers n requests: how many by address.
func (w *ward) mix(n int) map[string]int {
	w.t.Helper()
	m := map[string]int{}
	for range n {
		m[strings.TrimSpace(w.ask(w.web, "http://gateway/"))]++
	}
	return m
}

func (w *ward) wantMix(want map[string]int) {
	w.t.Helper()
	n := 0
	for _, k := range want {
		n += k
	}
	if got := w.mix(n); !maps.Equal(got, want) {
		w.t.Errorf("%v answered, want %v\n%s", got, want, w.log.String())
	}
}

// health is what the admin API says of the endpoints of a cluster, by address.
func (w *ward) health(cluster string) (all map[string]gateway.EndpointHealth) {
	w.t.Helper()
	var s gateway.Status
	if err := json.Unmarshal(w.status(), &s); err != nil {
		w.t.Fatal(err)
	}
	all = map[string]gateway.EndpointHealth{}
	for _, c := range s.Health {
		for _, e := range c.Each {
			if c.Cluster == cluster {
				all[e.Address] = e
			}
		}
	}
	return all
}

// awaitHealth waits until the health of an endpoint is as it should be.
func (w *ward) awaitHealth(cluster, address string, ok func(gateway.EndpointHealth) bool) (e gateway.EndpointHealth) {
	w.t.Helper()
	eventually(w.t, func() error {
		if e = w.health(cluster)[address]; !ok(e) {
			return fmt.Errorf("%+v\n%s", e, w.log.String())
		}
		return nil
	})
	return e
}

func (w *ward) awaitState(cluster, address, state string) gateway.EndpointHealth {
	w.t.Helper()
	return w.awaitHealth(cluster, address, func(e gateway.EndpointHealth) bool { return e.State == state })
}

// metric is the value of a series of the Prometheus endpoint; -1 if there is none.
func (w *ward) metric(series string) float64 {
	w.t.Helper()
	m := regexp.MustCompile("(?m)^" + regexp.QuoteMeta(series) + " (.*)$").FindStringSubmatch(w.ask(w.api, "http://gateway/metrics"))
	if m == nil {
		return -1
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

const pings = "health_check: {icmp: {interval: 50ms, timeout: 400ms, unhealthy_after: 3, healthy_after: 2}}"

// TestHealthByICMP: an endpoint whose pings die is taken out of the choice though its server would answer, and comes back, in both
// families; the counters are those of the peer.
func TestHealthByICMP(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		for name, c := range map[string]struct{ well, mutes string }{
			"IPv4": {"10.78.0.1:8080", "10.78.0.30:8080"},
			"IPv6": {"[fd78::1]:8080", "[fd78::1e]:8080"}, // 1e is peerMutes
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				n := newTwins(t)
				end := n.startPeer()
				n.serveNames(c.well, c.mutes)
				w := n.watch(driver, fmt.Sprintf("out: {endpoints: ['%s', '%s'], %s}", c.well, c.mutes, pings))
				half := map[string]int{c.well: 4, c.mutes: 4}
				w.await(name + " raw, software stamps")
				w.wantMix(half)
				n.mute()
				eventually(t, func() error { // the share follows the state
					if e := w.awaitState("out", c.mutes, "unhealthy"); e.Reason != "icmp: no answer in time" || e.Share != 0 {
						return fmt.Errorf("%+v", e)
					}
					return nil
				})
				w.wantMix(map[string]int{c.well: 8})
				labels := fmt.Sprintf("cluster=\"out\",endpoint=%q}", c.mutes)
				if w.metric("ringway_endpoint_healthy{"+labels) != 0 || w.metric(`ringway_cluster_endpoints_available{cluster="out"}`) != 1 ||
					w.metric("ringway_endpoint_check_loss_ratio{check=\"icmp\","+labels) <= 0 {
					t.Error(w.ask(w.api, "http://gateway/metrics"))
				}
				n.mute()
				w.awaitState("out", c.mutes, "healthy")
				w.wantMix(half)
				for text, want := range map[string]int{"msg=\"endpoint is unhealthy\" cluster=out": 1, "msg=\"endpoint is healthy again\"": 1} {
					if got := strings.Count(w.log.String(), text); got != want {
						t.Errorf("%q %d times, not %d:\n%s", text, got, want, w.log.String())
					}
				}
				n.wantCounted(w, end, c.well, c.mutes)
			})
		}
	})
}

// wantCounted compares what the gateway counted with what the peer did. What was under way at the end may be missing.
func (n *twins) wantCounted(w *ward, end func() map[string]tally, endpoints ...string) {
	n.t.Helper()
	counted, before := map[string][2]float64{}, time.Now()
	for _, at := range endpoints {
		labels := fmt.Sprintf("{check=\"icmp\",cluster=\"out\",endpoint=%q,result=", at)
		counted[at] = [2]float64{w.metric("ringway_endpoint_checks_total" + labels + `"good"}`), w.metric("ringway_endpoint_checks_total" + labels + `"failed"}`)}
	}
	w.stop()
	since := uint64(time.Since(before)/(50*time.Millisecond)) + 12 // pings until it had ended, and those that were under way before
	did := end()
	for _, at := range endpoints {
		host, _, _ := net.SplitHostPort(at)
		peer, good, failed := did[host], uint64(counted[at][0]), uint64(counted[at][1])
		if good == 0 || good > peer.Answered || peer.Answered-good > since || failed > peer.Lost || peer.Lost-failed > since {
			n.t.Errorf("%s: counted %d good and %d failed, the peer answered %d and lost %d; %d may be missing", at, good, failed, peer.Answered, peer.Lost, since)
		}
	}
}

// TestHealthUnreachable: what ICMP errors say is a failure with its reason, and one endpoint never stops the checks of another.
func TestHealthUnreachable(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		n := newTwins(t)
		n.startPeer()
		n.serveNames("10.78.0.1:8080", "[fd78::1]:8080")
		n.ip("-n", n.client, "route", "add", "unreachable", "10.79.0.0/16")
		n.ip("-n", n.client, "route", "add", "prohibit", "10.80.0.0/16")
		w := n.watch(driver, `out: {endpoints: ['10.78.0.1:8080', '10.79.0.1:8080', '10.80.0.1:8080', '10.77.0.99:8080', '[fd78::1]:8080', '[fd99::1]:8080'], `+
			"health_check: {icmp: {interval: 50ms, timeout: 5s, unhealthy_after: 2}}, balance: round_robin, retries: 0}")
		for at, want := range map[string]string{"10.79.0.1:8080": "no route", "10.80.0.1:8080": "not permitted", "10.77.0.99:8080": "host unreachable", "[fd99::1]:8080": "no route"} {
			if e := w.awaitState("out", at, "unhealthy"); !strings.Contains(strings.ToLower(e.Reason), want) {
				t.Errorf("%s: %s, want %s", at, e.Reason, want)
			}
		}
		w.wantMix(map[string]int{"10.78.0.1:8080": 5, "[fd78::1]:8080": 5})
	})
}

// TestHealthWeights: requests go away from the endpoint that is slow, and from the one that loses packets, as far as the formula
// says and no farther.
func TestHealthWeights(t *testing.T) {
	driversAtOnce(t, func(t *testing.T, driver string) {
		n := newTwins(t)
		n.startPeer()
		const fast, slow, lossy = "10.78.0.1:8080", "10.78.0.9:8080", "10.78.0.2:8080"
		n.serveNames(fast, slow, lossy)
		w := n.watch(driver, fmt.Sprintf("out: {endpoints: ['%s', '%s'], balance: {weight_by: latency, hold: 1s, least_share: 20%%, latency_slack: 1ms}, %s}, "+
			"lossy: {endpoints: ['%s', '%s'], balance: {weight_by: loss, hold: 1s, loss_limit: 40%%}, health_check: {icmp: {interval: 20ms, timeout: 300ms}}}",
			fast, slow, pings, fast, lossy))
		e := w.awaitHealth("out", slow, func(e gateway.EndpointHealth) bool { return e.Share == 20 }) // 30 ms beside well below one
		if k := e.Checks[0]; k.Smoothed < peerDelay.Seconds() || k.P50 < peerDelay.Seconds() || k.P99 < k.P50 || k.Loss != 0 {
			t.Errorf("%+v", k)
		}
		if share := w.health("out")[fast].Share; share < 70 { // a busy machine delays pings by what the slack does not cover
			t.Errorf("the fast one gets %d%%", share)
		}
		got := w.mix(60)
		if got[slow] < 6 || got[slow] > 16 || got[fast]+got[slow] != 60 {
			t.Errorf("of 60 requests %v; of six shares the slow one has one", got)
		}
		labels := fmt.Sprintf("check=\"icmp\",cluster=\"out\",endpoint=%q", slow)
		if v := w.metric("ringway_endpoint_check_latency_seconds{" + labels + `,quantile="0.5"}`); v < peerDelay.Seconds() {
			t.Errorf("p50 of the slow one is %v in the metrics", v)
		}
		if v := w.metric("ringway_endpoint_check_latency_smoothed_seconds{" + labels + "}"); v < peerDelay.Seconds() {
			t.Errorf("the smoothed latency of the slow one is %v in the metrics", v)
		}
		// Each fifth of a hundred is lost: half of the limit, so half of the weight; within what settles.
		e = w.awaitHealth("lossy", lossy, func(e gateway.EndpointHealth) bool {
			return e.Checks[0].Window == 100 && e.Share >= 38 && e.Share <= 62
		})
		// A loss is known a timeout later than an answer: of the first hundred results, those of up to 15 probes are still to come.
		if k := e.Checks[0]; k.Loss < 0.15 || k.Loss > 0.30 || e.State != "healthy" {
			t.Errorf("%+v", e)
		}
		if v := w.metric(fmt.Sprintf("ringway_endpoint_weight_share_ratio{cluster=\"lossy\",endpoint=%q}", lossy)); v < 0.38 || v > 0.62 {
			t.Errorf("its share is %v in the metrics", v)
		}
	})
}

// TestHealthOfNames: a name with several addresses is checked at those that its requests go to, and at no other.
func TestHealthOfNames(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		n := newTwins(t)
		folder := filepath.Join("/etc/netns", n.client) // which ip netns exec puts in place of /etc
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Skipf("no permission to give a namespace names of its own: %v", err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(folder) })
		hosts := "fd78::1 both.test\n10.78.0.1 both.test\n10.78.0.3 both.test\nfd78::1e six.test\n10.78.0.1 all.test\n10.78.0.30 all.test\nfd78::1 all.test\n127.0.0.1 localhost\n"
		if err := os.WriteFile(filepath.Join(folder, "hosts"), []byte(hosts), 0o644); err != nil {
			t.Fatal(err)
		}
		end := n.startPeer()
		n.serveNames("10.78.0.1:8080", "10.78.0.30:8080", "[fd78::1]:8080", "[fd78::1e]:8080")
		w := n.watch(driver, "out: {endpoints: ['both.test:8080', 'six.test:8080'], "+pings+"}")
		w.wantMix(map[string]int{"10.78.0.1:8080": 3, "[fd78::1e]:8080": 3})
		n.mute()
		w.awaitState("out", "[fd78::1e]:8080", "unhealthy")
		w.wantMix(map[string]int{"10.78.0.1:8080": 6})
		w.awaitState("out", "10.78.0.1:8080", "healthy")
		w.stop()
		did := end()
		if did["10.78.0.1"].Requests == 0 || did["fd78::1"].Requests+did["10.78.0.3"].Requests != 0 {
			t.Errorf("asked: %v", slices.Sorted(maps.Keys(did)))
		}
		n.startPeer()
		w = n.watch(driver, "out: {endpoints: [{address: 'all.test:8080', addresses: all}], "+pings+"}")
		w.wantMix(map[string]int{"10.78.0.1:8080": 2, "10.78.0.30:8080": 2, "[fd78::1]:8080": 2})
		n.mute()
		w.awaitState("out", "10.78.0.30:8080", "unhealthy")
		w.wantMix(map[string]int{"10.78.0.1:8080": 3, "[fd78::1]:8080": 3})
	})
}

// TestHealthUnderMaster: reloads and upgrades keep what is known, and workers of another user ping by what the master leaves them.
func TestHealthUnderMaster(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		n := newTwins(t)
		n.startPeer()
		n.set(n.client, "net/ipv4/ping_group_range", "1 0")
		const well, mutes = "10.78.0.1:8080", "10.78.0.30:8080"
		n.serveNames(well, mutes)
		clusters := fmt.Sprintf("out: {endpoints: ['%s', '%s'], %s}}\nprocess: {user: nobody", well, mutes, pings)
		w := n.ward()
		ringway := func(args ...string) []byte {
			t.Helper()
			out, err := n.command(n.client, slices.Concat([]string{binary(t, true)}, args, []string{"-c", w.config})...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return out
		}
		w.status = func() []byte { return ringway("status", "--json") }
		const admin = "127.0.0.1:9900', token: 'a token of some length"
		w.write(driver, clusters, admin)
		n.run(w)
		w.await("IPv4 raw")
		n.mute()
		since := w.awaitState("out", mutes, "unhealthy").Since
		w.write(driver, strings.Replace(clusters, "interval: 50ms", "interval: 60ms", 1), admin)
		if out := ringway("reload"); !strings.Contains(string(out), "health_check.icmp.interval: 50ms -> 60ms") {
			t.Errorf("the reload says: %s", out)
		}
		for range 3 {
			w.wantMix(map[string]int{well: 4})
		}
		if e := w.health("out")[mutes]; !e.Since.Equal(since) || e.State != "unhealthy" {
			t.Errorf("%+v, it was so since %v", e, since)
		}
		out := ringway("status")
		for _, want := range []string{`cluster +out, 1 of 2 endpoints healthy\n`, `  10\.78\.0\.30:8080: unhealthy for \d+s \(icmp: no answer in time\), gets 0% of its weight\n    icmp: .* loss \d+\.\d% of \d+\n`} {
			if !regexp.MustCompile(want).Match(out) {
				t.Errorf("no %s in\n%s", want, out)
			}
		}
		ringway("upgrade") // the worker after this one knows it, too
		w.wantMix(map[string]int{well: 8})
		if e := w.health("out")[mutes]; !e.Since.Equal(since) || e.State != "unhealthy" {
			t.Errorf("after an upgrade %+v, it was so since %v", e, since)
		}
		n.mute()
		w.awaitState("out", mutes, "healthy")
		w.wantMix(map[string]int{well: 2, mutes: 2})
	})
}

// TestHealthUnprivileged: who may not ping is told both ways to get there, by check and by run; the second one works.
func TestHealthUnprivileged(t *testing.T) {
	t.Parallel()
	n := newTwins(t)
	n.startPeer()
	n.serveNames("10.78.0.1:8080")
	dir, err := os.MkdirTemp("", "rw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "g.yaml")
	text := "listeners: {web: {address: '127.0.0.1:0', routes: [{cluster: out}]}}\nclusters: {out: {endpoints: ['10.78.0.1:8080'], " + pings + "}}\n"
	if err := errors.Join(os.Chmod(dir, 0o777), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	nobody := []string{tool(t, "setpriv", "util-linux"), "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"}
	program := filepath.Join(dir, "ringway") // where nobody may read it
	if out, err := exec.Command("cp", binary(t, true), program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n.set(n.client, "net/ipv4/ping_group_range", "1 0")
	for _, args := range [][]string{{"check", "-c", file}, {"run", "--foreground-worker", "-c", file}} {
		c := n.command(n.client, slices.Concat(nobody, []string{program}, args)...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "setcap cap_net_raw+ep "+program) || !strings.Contains(string(out), `net.ipv4.ping_group_range="0 2147483647"`) ||
			strings.Contains(string(out), "msg=listening") {
			t.Errorf("%s: %v: %s", args[0], err, out)
		}
	}
	n.set(n.client, "net/ipv4/ping_group_range", "0 2147483647")
	c := n.command(n.client, slices.Concat(nobody, []string{program, "check", "-c", file})...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	log := new(output)
	c = n.command(n.client, slices.Concat(nobody, []string{program, "run", "--foreground-worker", "-c", file})...)
	c.Stdout, c.Stderr, c.Dir = log, log, dir
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if !strings.Contains(log.String(), "IPv4 datagram, software stamps") || !strings.Contains(log.String(), "msg=listening") {
			return errors.New(log.String())
		}
		return nil
	})
	_ = c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, log.String())
	}
}
