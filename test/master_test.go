package test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/observe/admin"
)

// startOperated starts a gateway whose admin API has a token. control is the path of its control socket, empty for the default one;
// more are further keys of process.
func startOperated(t *testing.T, driver, control string, more ...string) *process {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', routes: [{filters: [{respond: {body: ok}}]}]}}\n"+
		"admin: {address: '127.0.0.1:0', token: a-token-of-some-length}\nruntime: {driver: %s, loops: 1}\nprocess: {%s}\n", driver, strings.Join(append(more, fmt.Sprintf("control: %q", control)), ", "))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return startFile(t, file, options{})
}

// command runs the command line with the gateway's token.
func (p *process) command(args ...string) (string, error) {
	cmd := exec.Command(p.cmd.Path, args...)
	cmd.Env = append(os.Environ(), "RINGWAY_ADMIN_TOKEN=a-token-of-some-length")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestCrashRecords: a worker that dies is replaced, and status and admin API tell of it: why, on which stack, with which configuration.
func TestCrashRecords(t *testing.T) {
	t.Parallel()
	driversAtOnce(t, func(t *testing.T, driver string) {
		p := startOperated(t, driver, "")
		if out, err := p.command("status", "--admin", p.admin); err != nil || !strings.Contains(out, "crashes      0\n") || !strings.Contains(out, "master       running, pid "+strconv.Itoa(p.cmd.Process.Pid)) {
			t.Fatalf("%v\n%s", err, out)
		}
		hash := regexp.MustCompile(`config +\S+, ([0-9a-f]{12})`)
		out, _ := p.command("status", "--admin", p.admin)
		runs := hash.FindStringSubmatch(out)[1]
		first := p.worker()
		for _, c := range []struct {
			signal syscall.Signal
			want   []string
		}{
			{syscall.SIGKILL, []string{"signal: killed"}},
			{syscall.SIGABRT, []string{"SIGABRT: abort", "goroutine "}}, // by which Go dies with a stack, as by a panic
		} {
			worker := p.worker()
			if err := syscall.Kill(worker, c.signal); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() error {
				if p.worker() == worker {
					return errors.New("it is not replaced")
				}
				return nil
			})
			out, err := p.command("status", "--admin", p.admin)
			for _, want := range append(c.want, fmt.Sprintf("pid %d, config %s", worker, runs)) {
				if err != nil || !strings.Contains(out, want) {
					t.Errorf("%v: %v, no %q in\n%s", c.signal, err, want, out)
				}
			}
		}
		out, err := p.command("status", "--admin", p.admin, "--json")
		if err != nil || strings.Count(out, `"reason":`) != 2 || !strings.Contains(out, `"pid": `+strconv.Itoa(first)) || !strings.Contains(out, `"stack": "SIGABRT`) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// became is how often the master has become a new program.
func (p *process) became() int { return strings.Count(p.log.String(), "this master is a new program") }

func (p *process) awaitBecoming(n int) {
	p.t.Helper()
	eventually(p.t, func() error {
		if got := p.became(); got != n {
			return fmt.Errorf("it became new %d times, not %d", got, n)
		}
		return nil
	})
}

// upgradeHeld begins an upgrade and stops the new worker before it is ready. It may come too late for that, and then tries again.
func (p *process) upgradeHeld(client *admin.Client) (pid int, done chan error) {
	p.t.Helper()
	started := regexp.MustCompile(`msg="started a worker" .*pid=(\d+)`)
	for range 50 {
		before, became := len(p.log.String()), p.became()
		done = make(chan error, 1)
		go func() { done <- client.Upgrade(p.t.Context()) }()
		for end := time.Now().Add(patience); pid == 0 && time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
			if m := started.FindStringSubmatch(p.log.String()[before:]); m != nil {
				pid, _ = strconv.Atoi(m[1])
			}
		}
		if pid == 0 {
			p.t.Fatal("no worker was started")
		}
		err := syscall.Kill(pid, syscall.SIGSTOP)
		time.Sleep(50 * time.Millisecond) // the log comes by a pipe
		if err == nil && p.workerNow() != pid {
			return pid, done
		}
		_ = syscall.Kill(pid, syscall.SIGCONT) // it serves already
		if err := <-done; err != nil {
			p.t.Fatal(err)
		}
		p.awaitBecoming(became + 1)
		pid = 0
	}
	p.t.Fatal("every new worker was ready before it could be stopped")
	return 0, nil
}

// TestUpgradeByAdmin: the admin API upgrades, refuses a second upgrade meanwhile, and without a token. So do the commands, which find
// their way by the file as well.
func TestUpgradeByAdmin(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		p := startOperated(t, driver, "")
		client := admin.NewClient(p.admin, "a-token-of-some-length")
		var no *admin.Refusal
		if err := admin.NewClient(p.admin, "").Upgrade(t.Context()); !errors.As(err, &no) || no.Status != 401 {
			t.Errorf("without a token: %v", err)
		}
		first := p.worker()
		held, done := p.upgradeHeld(client)
		became := p.became() + 1 // with the upgrade that is under way
		err := client.Upgrade(t.Context())
		if err := syscall.Kill(held, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if !errors.As(err, &no) || no.Status != 409 || no.Code != "not_now" || !strings.Contains(no.Detail, "under way already") {
			t.Errorf("a second one: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("the first one: %v", err)
		}
		if now := p.worker(); now == first {
			t.Error("the worker is the old one")
		}
		for i, args := range [][]string{{"upgrade", "--admin", p.admin}, {"upgrade", "--control", filepath.Join(filepath.Dir(p.cmd.Args[3]), "ringway.sock")}} {
			p.awaitBecoming(became + i) // the one before may be on its way yet
			if out, err := p.command(args...); err != nil {
				t.Fatalf("%q: %v\n%s", args, err, out)
			}
			p.awaitBecoming(became + i + 1)
		}
		if strings.Contains(p.log.String(), "level=ERROR") {
			t.Errorf("errors in the log:\n%s", p.log)
		}
		if out, err := p.command("drain", "--admin", p.admin); err != nil || out != "draining\n" {
			t.Errorf("%v: %s", err, out)
		}
		if code := p.wait(); code != 0 {
			t.Errorf("exit status %d", code)
		}
	})
}

// TestUpgradeByFile: a file says where its gateway is: the control socket, or else the admin address.
func TestUpgradeByFile(t *testing.T) {
	control := filepath.Join(t.TempDir(), "control")
	p := startOperated(t, "epoll", control)
	if out, err := p.command("upgrade", "-c", p.cmd.Args[3]); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.await("this master is a new program")
	if out, err := p.command("upgrade", "--control", control, "--admin", p.admin); err == nil || !strings.Contains(out, "not both") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := p.command("drain", "-c", p.cmd.Args[3]); err != nil || out != "draining\n" {
		t.Errorf("%v\n%s", err, out)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestReloadByUnprivilegedWorker: a worker whose user may not read the configuration file reloads it all the same, since its master may.
func TestReloadByUnprivilegedWorker(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to start a worker as another user")
	}
	eachDriver(t, func(t *testing.T, driver string) {
		p := startOperated(t, driver, "", "user: nobody")
		text, err := os.ReadFile(p.cmd.Args[3])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p.cmd.Args[3], []byte(strings.Replace(string(text), "body: ok", "body: changed", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := p.command("reload", "--admin", p.admin); err != nil || !strings.Contains(out, "ok -> changed") {
			t.Errorf("%v\n%s", err, out)
		}
		if err := os.WriteFile(p.cmd.Args[3], []byte("listeners: {web: {adress: x}}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := p.command("reload", "--admin", p.admin); err == nil || !strings.Contains(out, `did you mean "address"?`) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// TestAdminSocketOfUnprivilegedWorker: the admin server's Unix socket, which the master binds, is what the configuration says, though
// the worker may not change its file: at a start, after an upgrade, and where a reload brings it.
func TestAdminSocketOfUnprivilegedWorker(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to start a worker as another user")
	}
	eachDriver(t, func(t *testing.T, driver string) {
		dir := t.TempDir()
		file, control := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "control")
		write := func(admin string) {
			text := fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', routes: [{filters: [{respond: {body: ok}}]}]}}\n"+
				"admin: {%s}\nruntime: {driver: %s, loops: 1}\nprocess: {user: nobody, control: %q}\n", admin, driver, control)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p := (*process)(nil)
		serves := func(socket string, mode os.FileMode) {
			t.Helper()
			if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != mode {
				t.Fatalf("%v, %v", info, err)
			}
			if out, err := p.command("status", "--admin", "unix:"+socket); err != nil || !strings.Contains(out, "master       running") {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		own, shared := filepath.Join(dir, "own"), filepath.Join(dir, "shared")
		write("address: 'unix:" + own + "'")
		p = startFile(t, file, options{})
		serves(own, 0o600)
		if out, err := p.command("upgrade", "--control", control); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		p.await("this master is a new program")
		serves(own, 0o600)
		write("address: 'unix:" + shared + "', users: [65534]")
		if out, err := p.command("reload", "--admin", "unix:"+own); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		serves(shared, 0o666)
		if _, err := os.Stat(own); err == nil {
			t.Error("the socket that is not used any more is left")
		}
	})
}

// TestWeightsOutliveUpgrades: an endpoint that an operator has drained gets no request from the next worker either.
func TestWeightsOutliveUpgrades(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		origins := [2]string{}
		for i := range origins {
			origins[i] = serveGo(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, i) }))
		}
		file := filepath.Join(t.TempDir(), "gateway.yaml")
		text := fmt.Sprintf("listeners: {web: {address: '127.0.0.1:0', routes: [{cluster: out}]}}\nclusters: {out: {endpoints: [%q, %q]}}\n"+
			"admin: {address: '127.0.0.1:0', token: a-token-of-some-length}\nruntime: {driver: %s, loops: 2}\n", origins[0], origins[1], driver)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := startFile(t, file, options{})
		req, err := http.NewRequest(http.MethodPatch, "http://"+p.admin+"/v1/clusters/out/endpoints/"+origins[1], strings.NewReader(`{"drain": true}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer a-token-of-some-length")
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v, %+v", err, resp)
		}
		resp.Body.Close()
		for round := range 3 {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for range 20 {
				resp, err := client.Get("http://" + p.addr)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(body) != "0" {
					t.Fatalf("after %d upgrades endpoint %s is asked", round, body)
				}
			}
			if out, err := p.command("upgrade", "--admin", p.admin); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			eventually(t, func() error {
				if n := strings.Count(p.log.String(), "this master is a new program"); n <= round {
					return fmt.Errorf("%d of %d", n, round+1)
				}
				return nil
			})
		}
	})
}
