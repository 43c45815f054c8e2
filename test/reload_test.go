package test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// reloadable is a gateway whose file the test writes anew.
type reloadable struct {
	*process
	file   string
	driver string
	socket string // the admin server's
}

// startReloadable starts a gateway on a free address, with its admin server on a Unix socket.
func startReloadable(t *testing.T, driver, text string) *reloadable {
	r := &reloadable{driver: driver, file: t.TempDir() + "/gateway.yaml", socket: t.TempDir() + "/admin.sock"}
	r.write(t, text)
	r.process = startFile(t, r.file, options{plain: true})
	return r
}

// write makes text the file's, with the admin address and the driver added.
func (r *reloadable) write(t *testing.T, text string) {
	t.Helper()
	text += fmt.Sprintf("admin: {address: 'unix:%s'}\n", r.socket)
	if err := os.WriteFile(r.file, []byte(strings.ReplaceAll(text, "$DRIVER", r.driver)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload has the command line do it.
func (r *reloadable) reload() (string, error) {
	out, err := exec.Command(r.cmd.Path, "reload", "--admin", "unix:"+r.socket).CombinedOutput()
	return string(out), err
}

// TestCommandsReadTheirPartOfTheFile: a file in which something else is wrong still tells a command where its gateway is, and what is
// wrong there is the gateway's to say.
func TestCommandsReadTheirPartOfTheFile(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		text := "listeners: {web: {address: '127.0.0.1:0', routes: [{filters: [{respond: {body: ok}}]}]}}\nruntime: {driver: $DRIVER, loops: 1}\n"
		r := startReloadable(t, driver, text)
		command := func(name string) (string, error) {
			out, err := exec.Command(r.cmd.Path, name, "-c", r.file).CombinedOutput()
			return string(out), err
		}
		r.write(t, strings.Replace(text, "address", "adress", 1))
		if out, err := command("status"); err != nil || !strings.Contains(out, "master       running") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err := command("reload"); err == nil || !strings.Contains(out, `:1:`) || !strings.Contains(out, `did you mean "address"?`) {
			t.Errorf("%v\n%s", err, out)
		}
		r.write(t, text+"process: {control: 'unix:/x'}\n")
		if out, err := command("drain"); err == nil || !strings.Contains(out, ":3:20: process.control: control is a path") {
			t.Errorf("%v\n%s", err, out)
		}
		for _, misspelled := range []string{"proces: {control: /x}\n", "control: /x\n"} {
			if err := os.WriteFile(r.file, []byte(strings.ReplaceAll(text, "$DRIVER", driver)+misspelled), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"drain", "upgrade", "status"} { // none may go to a gateway that is not meant
				if out, err := command(name); err == nil || !strings.Contains(out, ":3:1: ") || !strings.Contains(out, "unknown key") {
					t.Errorf("%s: %v\n%s", name, err, out)
				}
			}
		}
		r.write(t, text+"process: {}\n")
		if out, err := command("drain"); err != nil || out != "draining\n" {
			t.Errorf("%v\n%s", err, out)
		}
		if code := r.wait(); code != 0 {
			t.Errorf("exit status %d", code)
		}
	})
}

// TestReloadsUnderWrk: the configuration changes again and again under wrk's load and under new connections, loops come and go,
// and no request fails. Afterwards the gateway holds what it held before.
func TestReloadsUnderWrk(t *testing.T) {
	reloads := 200
	if testing.Short() {
		reloads = 30
	}
	eachDriver(t, func(t *testing.T, driver string) {
		n, addr := serveNginx(t), freeAddress(t)
		text := func(i int) string {
			return fmt.Sprintf("listeners: {web: {address: '%s', routes: [{cluster: site, filters: [{headers: {response: {set: {X-Turn: '%d'}}}}]}], timeouts: {idle: %ds}}}\n"+
				"clusters: {site: {endpoints: ['%s'], pool: {idle: %d}}}\nruntime: {driver: $DRIVER, loops: %d}\n", addr, i, 20+i%3, n.addr, 256+i%5, 1+i%4)
		}
		r := startReloadable(t, driver, text(1))
		res, err := http.Get("http://" + addr + "/text")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		before := holdings{files: r.files(), rss: r.rss()}
		stop := make(chan struct{})
		loads := make(chan int, 2)
		wrkRuns := func(args ...string) {
			total := 0
			for {
				select {
				case <-stop:
					loads <- total
					return
				default:
					total += wrk(t, append(args, "-d2s", "--timeout", "20s", "http://"+addr+"/text")...)
				}
			}
		}
		go wrkRuns("-t1", "-c32")
		go wrkRuns("-t1", "-c8", "-H", "Connection: close")
		began := time.Now()
		for i := range reloads {
			r.write(t, text(i+2))
			if out, err := r.reload(); err != nil || !strings.Contains(out, "X-Turn") {
				t.Fatalf("reload %d: %v\n%s", i, err, out)
			}
		}
		took := time.Since(began)
		close(stop)
		total := <-loads + <-loads
		r.write(t, text(1))
		if out, err := r.reload(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var now holdings
		const pooled = 2 * (32 + 8) // connections to nginx: each of the two loops may have had all of the load's at some time
		eventually(t, func() error {
			now = holdings{files: r.files(), rss: r.rss()}
			if now.files > before.files+restFiles+pooled || now.rss > before.rss+restMemory {
				return fmt.Errorf("holds %+v, and %+v before", now, before)
			}
			return nil
		})
		t.Logf("%d reloads in %v, %d requests; descriptors %d to %d, RSS %d to %d KiB", reloads, took, total, before.files, now.files, before.rss>>10, now.rss>>10)
	})
}

// TestNewConnectionsWhileLoopsGo: a storm of connections, each for one request, while loops come and go: none is refused, reset or
// forgotten in a queue.
func TestNewConnectionsWhileLoopsGo(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		addr := freeAddress(t)
		text := func(loops int) string {
			return fmt.Sprintf("listeners: {web: {address: '%s', routes: [{filters: [{respond: {body: ok}}]}]}}\nruntime: {driver: $DRIVER, loops: %d}\n", addr, loops)
		}
		r := startReloadable(t, driver, text(4))
		var stop atomic.Bool
		var done, failed atomic.Int64
		const clients = 16
		ended := make(chan struct{}, clients)
		for range clients {
			go func() {
				defer func() { ended <- struct{}{} }()
				for !stop.Load() {
					if err := once(addr); err != nil {
						if failed.Add(1) < 5 {
							t.Error(err)
						}
					}
					done.Add(1)
				}
			}()
		}
		for i := range 40 {
			r.write(t, text([]int{1, 4, 2, 3, 1, 2}[i%6]))
			if out, err := r.reload(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		stop.Store(true)
		for range clients {
			<-ended
		}
		t.Logf("%d connections, %d failed", done.Load(), failed.Load())
	})
}

// once makes a connection for one request.
func once(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	b := make([]byte, 1024)
	n := 0
	for {
		k, err := c.Read(b[n:])
		if n += k; err != nil {
			break
		}
	}
	if text := string(b[:n]); !strings.HasPrefix(text, "HTTP/1.1 200 ") || !strings.HasSuffix(text, "\r\n\r\nok") {
		return fmt.Errorf("got %q", text)
	}
	return nil
}

// TestTailOfReload: how late responses come while 10,000 routes change, at a rate that leaves the processors room, against how late they
// come otherwise, and beside what the test itself does for a reload: a file written, a program run. What else runs on the
// machine decides it as well, so that it is told and not judged; that nothing fails is.
func TestTailOfReload(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("it is a measurement")
	}
	eachDriver(t, func(t *testing.T, driver string) {
		n, addr := serveNginx(t), freeAddress(t)
		text := func(turn int) string {
			var b strings.Builder
			fmt.Fprintf(&b, "listeners:\n  web:\n    address: %s\n    routes:\n      - cluster: site\n", addr)
			for i := range 10_000 {
				fmt.Fprintf(&b, "      - {name: r%d, host: h%d.example.com, path: /p%d/%d/*, cluster: site}\n", i, i%100, i, turn*(i%2))
			}
			return fmt.Sprintf("%sclusters: {site: {endpoints: ['%s']}}\nruntime: {driver: $DRIVER, loops: 1}\n", b.String(), n.addr)
		}
		program, r := binary(t, false), startReloadable(t, driver, text(0))
		steady := pacedLatencies(t, addr)
		harness := besides(t, addr, func(int) error {
			r.write(t, text(0))
			return exec.Command(program, "version").Run()
		})
		during := besides(t, addr, func(turn int) error {
			r.write(t, text(turn))
			out, err := r.reload()
			if err != nil {
				err = fmt.Errorf("%w\n%s", err, tail(out, 1<<10))
			}
			return err
		})
		spans := regexp.MustCompile(`read=(\S+) build=(\S+) publish=(\S+)`).FindAllString(r.log.String(), -1)
		t.Logf("steady: %s; beside a file written and a program run twice a second: %s; while half of 10,000 routes change twice a second: %s; reloads: %s",
			steady, harness, during, strings.Join(spans, "; "))
	})
}

// besides is pacedLatencies while something is done twice a second.
func besides(t *testing.T, addr string, do func(turn int) error) string {
	t.Helper()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for turn := 1; ; turn++ {
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Millisecond):
			}
			if err := do(turn); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	defer func() {
		close(stop)
		<-ended
	}()
	return pacedLatencies(t, addr)
}

// pacedLatencies makes 2,000 requests a second for four seconds and tells how long responses took. None may fail.
func pacedLatencies(t *testing.T, addr string) string {
	t.Helper()
	log := filepath.Join(t.TempDir(), "requests")
	out, err := exec.Command(tool(t, "h2load", "nghttp2-client"), "--h1", "-t1", "-c8", "-D4", "--rps=250", "--log-file="+log, "http://"+addr+"/text").CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 0 failed, 0 errored, 0 timeout") || !strings.Contains(string(out), "0 3xx, 0 4xx, 0 5xx") {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var took []int
	for line := range strings.Lines(string(b)) { // when a request began, its status, and how long it took in microseconds
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != "200" {
			t.Fatalf("h2load tells %q", line)
		}
		us, err := strconv.Atoi(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, us)
	}
	if len(took) < 4000 {
		t.Fatalf("%d requests\n%s", len(took), out)
	}
	slices.Sort(took)
	at := func(permille int) time.Duration {
		return time.Duration(took[len(took)*permille/1000]) * time.Microsecond
	}
	return fmt.Sprintf("p50 %v, p99 %v, p99.9 %v", at(500), at(990), at(999))
}

func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
