package process

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

const oneListener = "listen web 127.0.0.1:0 2\ndrain 3s\n"

func TestStartAndTerminate(t *testing.T) {
	s := started(t, oneListener)
	st, err := s.status()
	if err != nil || len(st.Workers) != 1 || st.Workers[0].State != "ready" || st.Workers[0].PID == st.PID || st.PID != s.cmd.Process.Pid {
		t.Fatalf("%+v, %v", st, err)
	}
	if st.ConfigHash != message.Hash([]byte(oneListener)) || len(st.Workers[0].Service) == 0 {
		t.Errorf("%+v", st)
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "pid")); err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(st.PID) {
		t.Errorf("PID file: %q, %v", b, err)
	}
	talkers := s.talk(3)
	s.signal(syscall.SIGTERM)
	time.Sleep(50 * time.Millisecond)
	for _, k := range talkers { // what is there goes on until it ends by itself
		if err := k.say(0); err != nil {
			t.Error(err)
		}
		k.c.Close()
	}
	if err := s.ended(); err != nil {
		t.Errorf("the master ended with %v", err)
	}
	for _, name := range []string{"pid", "control"} {
		if _, err := os.Stat(filepath.Join(s.dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", name, err)
		}
	}
}

func TestQuitEndsAtOnce(t *testing.T) {
	s := started(t, oneListener)
	s.talk(2)
	start := time.Now()
	s.signal(syscall.SIGQUIT)
	if err := s.ended(); err != nil || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestDrainTimeout(t *testing.T) {
	s := started(t, "listen web 127.0.0.1:0 1\n")
	s.talk(1)
	s.signal(syscall.SIGTERM)
	time.Sleep(100 * time.Millisecond)
	s.signal(syscall.SIGTERM) // who says it twice means it
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

// TestFirstStartFails: there is nothing to save, so the master says what is wrong and ends.
func TestFirstStartFails(t *testing.T) {
	for _, c := range []struct{ name, config, odd, want string }{
		{"refuses", oneListener + "fault refuse\n", "", "line 1: no such key"},
		{"panics", oneListener + "fault panic\n", "", "exit status 2"},
		{"exits", oneListener + "fault exit\n", "", "exit status 7"},
		{"hangs", oneListener + "fault hang\n", "", "not ready within 4s"},
		{"says nothing", oneListener, "silent", "not ready within 4s"},
		{"speaks another protocol", oneListener, "foreign", "not a message of this protocol"},
		{"is of a version that nobody speaks", oneListener, "future", "no common version: one side speaks 1 to 1, the other 7 to 9"},
		{"says that it is another", oneListener, "impostor", "was to be worker 1"},
		{"exits before it speaks", oneListener, "exit", "exit status 3"},
		{"bad address", "listen web 203.0.113.1:80 1\n", "", "cannot assign requested address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, c.config)
			if c.odd != "" {
				s.write("odd", c.odd)
			}
			s.start()
			if err := s.ended(); err == nil {
				t.Error("the master ended as if all were well")
			}
			if !strings.Contains(s.log.String(), "master: ") || !strings.Contains(s.log.String(), c.want) {
				t.Errorf("it does not say %q", c.want)
			}
		})
	}
	s := newSetup(t, oneListener)
	if err := os.Remove(filepath.Join(s.dir, "config")); err != nil {
		t.Fatal(err)
	}
	s.start()
	if err := s.ended(); err == nil || !strings.Contains(s.log.String(), "no such file") {
		t.Errorf("without a configuration: %v", err)
	}
}

// TestCrashIsRecoveredAtOnce kills the worker. Another one serves within 100 ms on the same sockets, and who connects in
// between waits instead of being refused. The machine that tests run on may be busy, so one try of three is enough.
func TestCrashIsRecoveredAtOnce(t *testing.T) {
	var took []time.Duration
	for range 3 {
		took = append(took, recoveryTime(t))
		if took[len(took)-1] <= recovery {
			break
		}
	}
	t.Logf("served again after %v", took)
	if took[len(took)-1] > recovery {
		t.Errorf("it took %v until a connection was served, and %v is the limit", took, recovery)
	}
}

// recoveryTime measures from the death of a worker until a connection is served by the next.
func recoveryTime(t *testing.T) time.Duration {
	t.Helper()
	s := started(t, oneListener)
	address, st := s.address(), s.only(1)
	worker := st.Workers[0].PID
	held, err := sys.OpenProcess(worker)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := held.Signal(sys.SIGKILL); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := held.Wait(); err != nil { // from here on what connects was not the dead one's
		t.Fatal(err)
	}
	k, err := dialTalker(address)
	if err != nil {
		t.Fatalf("refused while no worker lived: %v", err)
	}
	defer k.c.Close()
	if err := k.say(0); err != nil {
		t.Error(err)
	}
	took := time.Since(start)
	crash := s.only(2).Crashes[0]
	if crash.Reason != "signal: killed" || crash.Worker != 1 || crash.ConfigHash != st.ConfigHash || crash.PID != worker {
		t.Errorf("the record is %+v", crash)
	}
	return took
}

// TestReloadThatHangs: who asked is told, and the master goes on; when the worker is replaced, it is with what ran before.
func TestReloadThatHangs(t *testing.T) {
	s := started(t, oneListener)
	worker := s.only(1).Workers[0].PID
	if _, err := s.reload(ReloadRequest{Config: &Config{Bytes: []byte(oneListener + "reload hang\n")}}); err == nil || !strings.Contains(err.Error(), "no answer within 2s") {
		t.Errorf("%v", err)
	}
	k := s.talk(1)[0]
	k.c.Close()
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if st := s.only(2); st.ConfigHash != message.Hash([]byte(oneListener)) {
		t.Errorf("%+v", st)
	}
}

// TestMasterThatHangsIsNotReplaced: who finds the control socket held by a process that lives leaves it alone.
func TestMasterThatHangsIsNotReplaced(t *testing.T) {
	s := started(t, oneListener)
	s.signal(syscall.SIGSTOP)
	second := *s
	second.log = newLog(t)
	second.start()
	if err := second.ended(); err == nil || !strings.Contains(second.log.String(), "it does not answer") {
		t.Errorf("%v: %s", err, second.log)
	}
	s.signal(syscall.SIGCONT)
	if st := s.only(1); st.PID != s.cmd.Process.Pid {
		t.Error("the first is not what it was")
	}
}

// TestCrashRecordHasTheStack: the record of a panic says where it was.
func TestCrashRecordHasTheStack(t *testing.T) {
	s := started(t, oneListener)
	s.write("config", oneListener+"reload panic\n")
	if _, err := s.reload(ReloadRequest{}); err == nil {
		t.Error("a reload that kills the worker went well")
	}
	st := s.only(2)
	if c := st.Crashes[0]; c.Status != "exit status 2" || !strings.Contains(c.Stack, "panic: the service has a fault") || !strings.Contains(c.Stack, "process.misbehave") || len(c.Stack) > crashBytes {
		t.Errorf("%+v", c)
	}
	if st.ConfigHash != message.Hash([]byte(oneListener)) {
		t.Error("the worker was started with the configuration that killed the one before")
	}
}

// TestBackoffOfRestarts: a worker that dies again and again is started again, less and less often, until it is mended.
func TestBackoffOfRestarts(t *testing.T) {
	s := started(t, oneListener)
	for i := range 4 {
		s.until("served", func(st MasterStatus) bool {
			if st.Phase != "running" || len(st.Workers) != 1 || st.Workers[0].ID != uint64(1+i) {
				return false
			}
			_ = syscall.Kill(st.Workers[0].PID, syscall.SIGKILL)
			return true
		})
	}
	st := s.only(5)
	for i := 1; i < 4; i++ {
		pause := st.Workers[0].Started.Sub(st.Crashes[3].Time)
		if i < 3 {
			pause = st.Crashes[i+1].Started.Sub(st.Crashes[i].Time)
		}
		if least := 50 * time.Millisecond << (i - 1); pause < least {
			t.Errorf("after crash %d the pause is %v, and not at least %v", i+1, pause, least)
		}
	}
}

func TestReload(t *testing.T) {
	s := started(t, oneListener)
	talkers := s.talk(2)
	two := oneListener + "listen more 127.0.0.1:0 1\n"
	s.write("config", two)
	preview, err := s.reload(ReloadRequest{Preview: true})
	if err != nil || !strings.Contains(preview.Diff, "more") || preview.Hash != message.Hash([]byte(oneListener)) {
		t.Errorf("%+v, %v", preview, err)
	}
	if out, err := s.reload(ReloadRequest{IfHash: "another"}); !errors.Is(err, &message.Refusal{Reason: message.ReasonState}) {
		t.Errorf("%+v, %v", out, err)
	}
	out, err := s.reload(ReloadRequest{IfHash: message.Hash([]byte(oneListener))})
	if err != nil || out.Hash != message.Hash([]byte(two)) || out.Diff != preview.Diff {
		t.Errorf("%+v, %v", out, err)
	}
	if st := s.only(1); len(st.Listeners) != 2 || st.ConfigHash != out.Hash {
		t.Errorf("%+v", st)
	}
	for _, bad := range []string{two + "reload refuse\n", two + "listen x 203.0.113.1:80 1\n"} {
		if _, err := s.reload(ReloadRequest{Config: &Config{Bytes: []byte(bad)}}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if st := s.only(1); len(st.Listeners) != 2 || st.ConfigHash != out.Hash || st.LastFailure == "" {
		t.Errorf("after a refused configuration: %+v", st)
	}
	s.write("config", oneListener)
	s.signal(syscall.SIGHUP)
	st := s.until("back", func(st MasterStatus) bool { return len(st.Listeners) == 1 })
	if st.ConfigHash != message.Hash([]byte(oneListener)) || st.Workers[0].ID != 1 {
		t.Errorf("%+v", st)
	}
	for _, k := range talkers {
		if err := k.say(0); err != nil {
			t.Error(err)
		}
	}
}

func TestReopen(t *testing.T) {
	s := started(t, oneListener)
	s.signal(syscall.SIGUSR1)
	if !s.reopened(s.only(1).Workers[0].PID) {
		t.Fatal("the worker has not reopened its logs")
	}
}

// command has a worker do something by way of its Unix listener.
func command(t *testing.T, path, what string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, what+"\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestUnixListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := started(t, "listen web unix:"+path+" 3\n")
	before := command(t, path, "pid")
	if err := s.upgrade(); err != nil {
		t.Fatal(err)
	}
	s.only(2)
	if after := command(t, path, "pid"); after == before {
		t.Error("the old worker accepts yet")
	}
	s.signal(syscall.SIGTERM)
	if err := s.ended(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("the socket's file is still there")
	}
}

// TestServiceAsksItsMaster goes the way of an admin API, which is in the worker: through it the master is asked for its
// status, a reload, and the upgrade that replaces the very worker that asks.
func TestServiceAsksItsMaster(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	config := "listen web unix:" + path + " 1\ndrain 3s\n"
	s := started(t, config)
	if got := command(t, path, "status"); got != "running<nil>" {
		t.Errorf("status: %s", got)
	}
	s.write("config", config+"comment\n")
	if got := command(t, path, "reload"); got != message.Hash([]byte(config+"comment\n"))+"<nil>" {
		t.Errorf("reload: %s", got)
	}
	if got := command(t, path, "upgrade"); got != "<nil>" {
		t.Errorf("upgrade: %s", got)
	}
	s.only(2)
	_ = command(t, path, "fail")
	if st := s.only(3); len(st.Crashes) != 1 || st.Crashes[0].Reason != "loop 0 has ended" {
		t.Errorf("%+v", st.Crashes)
	}
}

func TestSecondMasterIsRefused(t *testing.T) {
	s := started(t, oneListener)
	second := *s
	second.log = newLog(t)
	second.start()
	if err := second.ended(); err == nil || !strings.Contains(second.log.String(), ErrRunning.Error()) {
		t.Errorf("%v: %s", err, second.log)
	}
	if st := s.only(1); st.PID != s.cmd.Process.Pid {
		t.Error("the first is not what it was")
	}
}

// TestPIDFile: the file is its master's until that has ended, whoever else is started with it.
func TestPIDFile(t *testing.T) {
	s := started(t, oneListener)
	path := filepath.Join(s.dir, "pid")
	holds := func(want int) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(want) {
			t.Errorf("the PID file has %q, and not %d (%v)", b, want, err)
		}
		if left, _ := filepath.Glob(filepath.Join(s.dir, ".pid-*")); len(left) != 0 {
			t.Errorf("%v is left", left)
		}
	}
	again := func() *setup {
		second := *s
		second.log, second.env = newLog(t), []string{"RINGWAY_TEST_CONTROL=control2"}
		second.start()
		return &second
	}
	second := again()
	if err := second.ended(); err == nil || !strings.Contains(second.log.String(), ErrRunning.Error()) {
		t.Errorf("%v: %s", err, second.log)
	}
	holds(s.cmd.Process.Pid)
	if err := s.upgrade(); err != nil {
		t.Fatal(err)
	}
	s.only(2)
	holds(s.cmd.Process.Pid)
	s.signal(syscall.SIGTERM)
	if err := s.ended(); err != nil {
		t.Error(err)
	}
	// A number that is another program's by now keeps nobody from starting; but who does not come so far leaves the file alone.
	s.write("pid", strconv.Itoa(os.Getpid()))
	s.write("config", oneListener+"fault refuse\n")
	if err := again().ended(); err == nil {
		t.Error("a configuration that is refused was taken")
	}
	holds(os.Getpid())
	s.write("config", oneListener)
	s.start()
	s.only(1)
	holds(s.cmd.Process.Pid)
}
