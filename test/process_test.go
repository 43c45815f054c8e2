package test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that is not timed by the test: a loaded machine must not fail one.
const patience = 30 * time.Second

// quickExit spares programs with the race detector the second that they would wait at their end. Whatever the tests start inherits it.
const quickExit = "GORACE=atexit_sleep_ms=0"

// unseenRaces is quickExit for a program whose output nobody reads: the race detector writes to files, and what it has written there
// at the test's end fails the test.
func unseenRaces(t *testing.T) string {
	t.Helper()
	log := filepath.Join(t.TempDir(), "race")
	t.Cleanup(func() {
		files, err := filepath.Glob(log + ".*") // one for each process
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil || len(text) > 0 {
				t.Errorf("the race detector: %v\n%s", err, text)
			}
		}
	})
	return quickExit + " log_path=" + log
}

// process is a running gateway.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    *output
	addr   string // of the listener "web", or the only one
	addrs  map[string]string
	admin  string
	exited chan struct{}
	status error // of Wait, once exited is closed
}

// options are what differs between gateways beside the configuration under test.
type options struct {
	loops   int    // 0: 2
	runtime string // further keys of runtime, as "drain_timeout: 1s"
	plain   bool   // without the race detector, for what is measured
	alone   bool   // one process, without a master
}

// start runs the binary with the configuration and waits until it accepts. The admin address and the runtime are added.
// At the test's end the process must end well.
func start(t *testing.T, driver, config string, o options) *process {
	t.Helper()
	return spawn(t, driver, config, o).started()
}

// startFile is start with a configuration file as it is.
func startFile(t *testing.T, file string, o options) *process {
	t.Helper()
	return launch(t, file, o).started()
}

// started waits until the process accepts, and learns where.
func (p *process) started() *process {
	p.t.Helper()
	p.await("msg=admin ")
	p.addrs = map[string]string{}
	for _, m := range regexp.MustCompile(`msg=listening listener=(\S+) address=(\S+)`).FindAllStringSubmatch(p.log.String(), -1) {
		p.addrs[m[1]], p.addr = m[2], m[2]
	}
	if a := p.addrs["web"]; a != "" {
		p.addr = a
	}
	p.admin = regexp.MustCompile(`msg=admin address=(\S+)`).FindStringSubmatch(p.log.String())[1]
	return p
}

// spawn starts the binary without waiting for anything.
func spawn(t *testing.T, driver, config string, o options) *process {
	t.Helper()
	if o.loops == 0 {
		o.loops = 2
	}
	if o.runtime == "" {
		o.runtime = "drain_timeout: 1s"
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf("%s\nadmin: {address: 127.0.0.1:0}\nruntime: {driver: %s, loops: %d, %s}\n", config, driver, o.loops, o.runtime)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return launch(t, file, o)
}

// launch starts the binary with a configuration file.
func launch(t *testing.T, file string, o options) *process {
	t.Helper()
	p := &process{t: t, log: new(output), exited: make(chan struct{})}
	p.cmd = exec.Command(binary(t, !o.plain), "run", "-c", file)
	if o.alone {
		p.cmd.Args = append(p.cmd.Args, "--foreground-worker")
	}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+filepath.Dir(file)) // where its control socket is
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.status = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.finish)
	return p
}

// await waits for a text in the process's log.
func (p *process) await(text string) {
	p.t.Helper()
	eventually(p.t, func() error {
		if strings.Contains(p.log.String(), text) {
			return nil
		}
		select {
		case <-p.exited:
			p.t.Fatalf("ended (%v) without having logged %q:\n%s", p.status, text, p.log)
		default:
		}
		return fmt.Errorf("not logged: %q", text)
	})
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the process's end and returns its exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		if worker := p.workerNow(); worker > 0 {
			_ = syscall.Kill(worker, syscall.SIGABRT) // its stacks tell what it waits for
		}
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-p.exited:
		case <-time.After(5 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
		p.t.Fatalf("the gateway did not end:\n%s", p.log)
	}
	var exit *exec.ExitError
	if errors.As(p.status, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// finish ends the process and looks for signs of trouble.
func (p *process) finish() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	code := p.wait()
	text := p.log.String()
	for _, sign := range []string{"panic", "DATA RACE", "loop did not end well", "fatal error"} {
		if strings.Contains(text, sign) {
			p.t.Errorf("the log has %q", sign)
		}
	}
	if code != 0 && strings.Contains(text, "msg=listening") {
		p.t.Errorf("exit status %d", code)
	}
	if p.t.Failed() {
		p.t.Logf("the gateway's log:\n%s", tail(text, 8<<10))
	}
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

func (p *process) url(path string) string { return "http://" + p.addr + path }

// output is what a process writes, readable while it writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// background runs a program that ends with the test, if not before. Its output is collected; ended is closed when it is gone.
func background(t testing.TB, cmd *exec.Cmd) (out *output, ended chan struct{}) {
	t.Helper()
	out, ended = new(output), make(chan struct{})
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // how it ends does not matter
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	})
	return out, ended
}

// eventually waits until f finds nothing missing.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("not within %v: %v", patience, err)
}

// awaitListener waits until somebody accepts connections at an address.
func awaitListener(t testing.TB, addr string) {
	t.Helper()
	eventually(t, func() error {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

// workerNow is the number of the process that serves; 0 if there is none yet.
func (p *process) workerNow() (pid int) {
	ready := regexp.MustCompile(`msg="a worker is ready" .*pid=(\d+)`).FindAllStringSubmatch(p.log.String(), -1)
	if len(ready) > 0 {
		pid, _ = strconv.Atoi(ready[len(ready)-1][1])
	}
	return pid
}

// worker is the number of the process that serves.
func (p *process) worker() (pid int) {
	p.t.Helper()
	if slices.Contains(p.cmd.Args, "--foreground-worker") {
		return p.cmd.Process.Pid
	}
	eventually(p.t, func() error {
		if pid = p.workerNow(); pid == 0 {
			return errors.New("no worker is ready")
		}
		return nil
	})
	return pid
}

// rss is the worker's resident memory in bytes.
func (p *process) rss() int64 {
	p.t.Helper()
	return rssOf(p.t, p.worker())
}

func rssOf(t *testing.T, pid int) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(s.Text(), "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// files is the number of the worker's descriptors.
func (p *process) files() int {
	p.t.Helper()
	return filesOf(p.t, p.worker())
}

func filesOf(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// goroutines asks the profile of the process for their number; those that answer are among them.
func (p *process) goroutines() int {
	p.t.Helper()
	var n int
	if _, err := fmt.Sscanf(p.ask("/debug/pprof/goroutine?debug=1"), "goroutine profile: total %d", &n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// ask gets a page of the admin server over a connection of its own, and expects it to be there.
func (p *process) ask(path string) string {
	p.t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := c.Get("http://" + p.admin + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		p.t.Fatalf("%s: %s, %v\n%s", path, res.Status, err, body)
	}
	return string(body)
}

// metric sums the samples whose name and labels start so, as `ringway_listener_requests_total{code_class="2xx"`.
func (p *process) metric(prefix string) (sum float64) {
	p.t.Helper()
	found := false
	for line := range strings.Lines(p.ask("/metrics")) {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:], &v); err != nil {
			p.t.Fatalf("%q: %v", line, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		p.t.Fatalf("no metric %s", prefix)
	}
	return sum
}
