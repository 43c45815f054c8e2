package process

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/process/lifecycle"
)

// TestMain is also the program under test: the same binary runs as master and as worker.
func TestMain(m *testing.M) {
	dir := os.Getenv("RINGWAY_TEST_DIR")
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	switch {
	case IsWorker():
		if mode, err := os.ReadFile(filepath.Join(dir, "odd")); err == nil {
			oddWorker(string(mode))
		}
		if err := RunWorker(&echo{}, WorkerOptions{Product: product(), Log: log, Name: "test worker"}); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
	case dir != "":
		o := testOptions(dir, log)
		if o.Signals = SuccessorSignals(); o.Signals != nil {
			slowSuccessor(dir)
		}
		if err := RunMaster(o); err != nil {
			fmt.Fprintln(os.Stderr, "master:", err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// slowSuccessor takes its time, as for a large configuration, if the test says so, and says that it does.
func slowSuccessor(dir string) {
	if os.Remove(filepath.Join(dir, "slow")) == nil {
		_ = os.WriteFile(filepath.Join(dir, "waits"), nil, 0o600)
		time.Sleep(500 * time.Millisecond)
	}
}

// product is the version that a program claims: that of the file that it was started from.
func product() string {
	path, _ := os.Readlink("/proc/self/exe")
	return filepath.Base(path)
}

// oddWorker is a worker that does not follow the protocol.
func oddWorker(mode string) {
	switch mode {
	case "silent":
		time.Sleep(time.Hour)
	case "foreign":
		f := os.NewFile(3, "link")
		_, _ = io.WriteString(f, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(3)
	default:
		versionedWorker(mode)
	}
}

func testOptions(dir string, log *slog.Logger) MasterOptions {
	l := lifecycle.DefaultLimits()
	l.Ready, l.HandOver, l.StopGrace, l.BackoffMin = 4*time.Second, 4*time.Second, time.Second, 50*time.Millisecond
	return MasterOptions{
		Product: product(), Log: log, Limits: l, Args: []string{}, Executable: filepath.Join(dir, "program"), PIDFile: filepath.Join(dir, "pid"),
		ControlPath: filepath.Join(dir, cmp.Or(os.Getenv("RINGWAY_TEST_CONTROL"), "control")), Survive: os.Getenv("RINGWAY_TEST_SURVIVE") != "", ReloadTimeout: 2 * time.Second,
		Config: func() (Config, error) {
			b, err := os.ReadFile(filepath.Join(dir, "config"))
			return Config{Name: "config", Bytes: b}, err
		},
		Privileges: Privileges{User: os.Getenv("RINGWAY_TEST_USER"), NoNewPrivileges: true, DropCapabilities: true},
	}
}

// setup is a master as a process, with its files.
type setup struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	log  *logFile
	done chan error
	env  []string
	// command, if not nil, changes how the master is started.
	command func(*exec.Cmd)
}

// logFile is what master and workers write to. It is a file, because a pipe would have to be read to its end.
type logFile struct{ f *os.File }

func newLog(t *testing.T) *logFile {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &logFile{f}
}

func (l *logFile) String() string {
	b, err := os.ReadFile(l.f.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// newSetup makes the files of a master, which is not started.
func newSetup(t *testing.T, config string, env ...string) *setup {
	t.Helper()
	dir, err := os.MkdirTemp("", "ringway-process")
	if err != nil {
		t.Fatal(err)
	}
	s := &setup{t: t, dir: dir, log: newLog(t), env: env}
	t.Cleanup(func() {
		if strings.Contains(s.log.String(), "DATA RACE") {
			t.Error("a process has a data race")
		}
		if t.Failed() {
			t.Log(s.log.String())
		}
		os.RemoveAll(dir)
	})
	s.install("/proc/self/exe", "program")
	s.write("config", config)
	return s
}

// started makes a master and waits until it serves.
func started(t *testing.T, config string, env ...string) *setup {
	t.Helper()
	s := newSetup(t, config, env...)
	s.start()
	s.until("running", func(st MasterStatus) bool { return st.Phase == "running" })
	return s
}

func (s *setup) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// install puts a program in place as a package would: at once, under the same name.
func (s *setup) install(from, name string) {
	s.t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		s.t.Fatal(err)
	}
	tmp := filepath.Join(s.dir, "."+name)
	// A child that is forked while the file is open for writing keeps it so until its exec, and nobody can run it.
	syscall.ForkLock.RLock()
	err = os.WriteFile(tmp, b, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(s.dir, name)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *setup) start() {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.dir, "program"))
	cmd.Env = append(append(os.Environ(), "RINGWAY_TEST_DIR="+s.dir, "GORACE=atexit_sleep_ms=0"), s.env...)
	cmd.Stderr, cmd.Stdout = s.log.f, s.log.f
	if s.command != nil {
		s.command(cmd)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	s.cmd, s.done = cmd, done
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			s.t.Error("the master does not end")
			_ = cmd.Process.Kill()
			<-done // the log is complete
		}
	})
}

func (s *setup) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// ended waits for the master's end.
func (s *setup) ended() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		s.done <- err
		return err
	case <-time.After(15 * time.Second):
		s.t.Fatal("the master does not end")
		return nil
	}
}

// client connects to the control socket. The master may not listen yet, or be on its way to the next program.
func (s *setup) client() *Client {
	s.t.Helper()
	for wait := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
		c, err := Dial(ctx, filepath.Join(s.dir, "control"), "test")
		cancel()
		if err == nil {
			return c
		}
		if time.Now().After(wait) {
			s.t.Fatalf("dial: %v", err)
		}
	}
}

// ask does something with a client, and asks again where the connection was cut by the master's exec.
func (s *setup) ask(f func(context.Context, *Client) error) error {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	c := s.client()
	defer c.Close()
	return f(ctx, c)
}

func (s *setup) status() (st MasterStatus, err error) {
	err = s.ask(func(ctx context.Context, c *Client) error {
		_, body, err := c.Status(ctx)
		if err != nil {
			return err
		}
		return json.Unmarshal(body, &st)
	})
	return st, err
}

// until waits for a status that is as it should be.
func (s *setup) until(what string, ok func(MasterStatus) bool) MasterStatus {
	s.t.Helper()
	var st MasterStatus
	var err error
	for wait := time.Now().Add(15 * time.Second); ; time.Sleep(3 * time.Millisecond) {
		if st, err = s.status(); err == nil && ok(st) {
			return st
		}
		if time.Now().After(wait) {
			s.t.Fatalf("it never was %s: %+v, %v", what, st, err)
		}
	}
}

// only waits until one worker is left, of this generation, and serves.
func (s *setup) only(generation uint64) MasterStatus {
	s.t.Helper()
	return s.until(fmt.Sprintf("served by worker %d alone", generation), func(st MasterStatus) bool {
		return st.Phase == "running" && len(st.Workers) == 1 && st.Workers[0].ID == generation
	})
}

func (s *setup) upgrade() error {
	s.t.Helper()
	return s.ask(func(ctx context.Context, c *Client) error { return c.Upgrade(ctx) })
}

func (s *setup) reload(r ReloadRequest) (out ReloadResult, err error) {
	s.t.Helper()
	err = s.ask(func(ctx context.Context, c *Client) error { out, err = c.Reload(ctx, r); return err })
	return out, err
}

// address is where a listener can be reached.
func (s *setup) address() string {
	s.t.Helper()
	return s.until("listening", func(st MasterStatus) bool { return len(st.Listeners) > 0 }).Listeners[0].Bound
}

// eventually waits for what needs a moment.
func (s *setup) eventually(ok func() bool) bool {
	for wait := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(wait) {
			return false
		}
	}
	return true
}

// reopened waits until a worker has reopened its logs.
func (s *setup) reopened(pid int) bool {
	return s.eventually(func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "reopened-"+strconv.Itoa(pid)))
		return err == nil
	})
}

// noneLeft waits until no process of this master is left.
func (s *setup) noneLeft() {
	s.t.Helper()
	if !s.eventually(func() bool { return len(s.processes()) == 0 }) {
		s.t.Errorf("processes %v are left", s.processes())
	}
}

// processes are those that were started with this master's folder in their environment, dead ones left out.
func (s *setup) processes() (pids []int) {
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && strings.Contains(string(b), "RINGWAY_TEST_DIR="+s.dir+"\x00") {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// talk opens n connections that have each said something.
func (s *setup) talk(n int) []*talker {
	s.t.Helper()
	all := make([]*talker, n)
	for i := range all {
		t, err := dialTalker(s.address())
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { t.c.Close() })
		if err := t.say(0); err != nil {
			s.t.Fatal(err)
		}
		all[i] = t
	}
	return all
}

// descriptors are how many a process has open.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	names, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
