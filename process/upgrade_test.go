package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/process/message"
)

// chatter has all talkers talk until stopped. Lines are cut in two, so that connections are at rest with half a line as
// well.
type chatter struct {
	stop chan struct{}
	all  sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func chat(talkers []*talker) *chatter {
	c := &chatter{stop: make(chan struct{})}
	for i, k := range talkers {
		c.all.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				default:
				}
				if err := k.say(time.Duration(i%3) * time.Millisecond); err != nil {
					c.mu.Lock()
					c.errs = append(c.errs, err)
					c.mu.Unlock()
					return
				}
			}
		})
	}
	return c
}

// end stops the chat and returns what went wrong.
func (c *chatter) end() error {
	close(c.stop)
	c.all.Wait()
	return errors.Join(c.errs...)
}

// TestUpgradeKeepsEverything replaces the program several times while connections talk and others are made: no line is
// lost or repeated, nobody is refused, each connection moves on, the master keeps its number, and nothing is left open.
func TestUpgradeKeepsEverything(t *testing.T) {
	s := started(t, oneListener)
	before := s.only(1)
	address := s.address()
	talkers := s.talk(20)
	masterOpen := descriptors(t, before.PID)
	c := chat(talkers)
	stop, made := make(chan struct{}), make(chan error, 1)
	go func() { made <- connectAlways(address, stop) }()
	const times = 6
	for i := range times {
		s.install("/proc/self/exe", "program")
		if err := s.upgrade(); err != nil {
			t.Fatalf("upgrade %d: %v", i, err)
		}
		st := s.only(uint64(2 + i))
		if st.PID != before.PID {
			t.Fatalf("the master's number is %d, it was %d", st.PID, before.PID)
		}
		s.runs(st.PID, "program")
		s.runs(st.Workers[0].PID, "program")
	}
	close(stop)
	if err := <-made; err != nil {
		t.Errorf("new connections: %v", err)
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
	after := s.only(1 + times)
	for i, k := range talkers {
		if err := k.say(0); err != nil || k.owner != after.Workers[0].PID {
			t.Errorf("connection %d is with %d, the worker is %d (%v)", i, k.owner, after.Workers[0].PID, err)
		}
	}
	if !s.eventually(func() bool { return descriptors(t, after.PID) <= masterOpen }) { // our own connections come and go
		t.Errorf("the master has %d descriptors, it had %d", descriptors(t, after.PID), masterOpen)
	}
	if len(after.Crashes) != 0 {
		t.Errorf("crashes: %+v", after.Crashes)
	}
}

// runs sees that a process runs the file that is installed now.
func (s *setup) runs(pid int, name string) {
	s.t.Helper()
	exe, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil {
		s.t.Fatal(err)
	}
	if file, err := os.Stat(filepath.Join(s.dir, name)); err != nil || !os.SameFile(exe, file) {
		s.t.Errorf("process %d does not run the program that is installed (%v)", pid, err)
	}
}

// connectAlways makes connections that each say one line, and returns the first thing that goes wrong.
func connectAlways(address string, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		k, err := dialTalker(address)
		if err != nil {
			return err
		}
		err = k.say(0)
		k.c.Close()
		if err != nil {
			return err
		}
	}
}

// TestUpgradeFails tries new programs that cannot do it, in every way. The old worker serves as if nothing had been, and
// the next good program is taken.
func TestUpgradeFails(t *testing.T) {
	s := started(t, oneListener)
	talkers := s.talk(6)
	c := chat(talkers)
	before := s.only(1)
	open, workerOpen := descriptors(t, before.PID), descriptors(t, before.Workers[0].PID)
	for i, f := range []struct{ name, config, odd, program, want string }{
		{"refuses the configuration", oneListener + "fault refuse\n", "", "", "line 1: no such key"},
		{"panics", oneListener + "fault panic\n", "", "", "exit status 2"},
		{"is killed", oneListener + "fault kill\n", "", "", "signal: killed"},
		{"hangs", oneListener + "fault hang\n", "", "", "not ready within 4s"},
		{"cannot listen", "listen web 203.0.113.1:80 1\n", "", "", "cannot assign"},
		{"exits before it speaks", oneListener, "exit", "", "exit status 3"},
		{"speaks another protocol", oneListener, "foreign", "", "not a message"},
		{"is of a version that nobody speaks", oneListener, "future", "", "no common version"},
		{"is no program", oneListener, "", "/etc/passwd", "exec format error"},
		{"is another program", oneListener, "", "/bin/false", "exit status 1"},
	} {
		s.write("config", f.config)
		if f.odd != "" {
			s.write("odd", f.odd)
		}
		if f.program != "" {
			s.install(f.program, "program")
		}
		err := s.upgrade()
		_ = os.Remove(filepath.Join(s.dir, "odd"))
		if err == nil || !strings.Contains(err.Error(), f.want) {
			t.Errorf("%s: the upgrade says %v", f.name, err)
		}
		st := s.only(1)
		if st.Workers[0].PID != before.Workers[0].PID || st.PID != before.PID || len(st.Crashes) != i+1 || st.ConfigHash != before.ConfigHash {
			t.Errorf("%s: %+v", f.name, st)
		}
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
	now := func() (master, worker int) { return descriptors(t, before.PID), descriptors(t, before.Workers[0].PID) }
	if !s.eventually(func() bool { n, w := now(); return n <= open && w <= workerOpen }) {
		n, w := now()
		t.Errorf("descriptors: master %d, was %d; worker %d, was %d", n, open, w, workerOpen)
	}
	s.write("config", oneListener)
	s.install("/proc/self/exe", "program")
	if err := s.upgrade(); err != nil {
		t.Fatal(err)
	}
	s.only(12)
	for _, k := range talkers {
		if err := k.say(0); err != nil {
			t.Error(err)
		}
	}
}

// TestHandOverFails has either side fail in the middle of a hand-over.
func TestHandOverFails(t *testing.T) {
	for _, f := range []struct {
		name     string
		old, new string // what is added to the configuration
		fails    bool   // the upgrade, not the connections
		serves   uint64 // the worker in the end
		lost     bool   // connections are lost, with the worker that had them
	}{
		{"the new one dies with the first connection", "", "take kill 0\n", true, 1, false},
		{"the new one dies with the fourth", "", "take kill 3\n", true, 1, false},
		{"the new one dies as it is to accept", "", "take killopen\n", true, 1, false},
		{"the new one hangs, but answers", "", "take hang\n", true, 1, false},
		{"the new one refuses all", "", "take refuse\n", false, 2, false},
		{"the old one cannot", "move error\n", "", false, 2, false},
		{"the old one hangs", "move hang\n", "", false, 2, false},
		{"the old one dies", "move kill 2\n", "", false, 2, true},
		{"the new one dies as soon as it owns them", "", "take killcommit\n", true, 1, true},
	} {
		t.Run(f.name, func(t *testing.T) {
			s := started(t, oneListener+f.old)
			talkers := s.talk(6)
			c := chat(talkers)
			time.Sleep(20 * time.Millisecond)
			s.write("config", oneListener+f.new)
			if err := s.upgrade(); (err != nil) != f.fails && !f.lost {
				t.Errorf("the upgrade says %v", err)
			}
			err := c.end()
			if (err != nil) != f.lost {
				t.Errorf("the talkers: %v", err)
			}
			for _, k := range talkers {
				k.c.Close() // so that who drains ends
			}
			if !f.lost {
				s.only(f.serves)
			}
			s.until("served", func(st MasterStatus) bool { return st.Phase == "running" && len(st.Workers) == 1 })
			s.talk(2)
			s.write("config", oneListener)
			if err := s.upgrade(); err != nil {
				t.Errorf("and again: %v", err)
			}
		})
	}
}

// TestNewWorkerIsKilledAtAnyMoment kills the new worker at random moments of an upgrade. Until the old one has let go of the
// connections, none of them notices; after that they die with their owner.
func TestNewWorkerIsKilledAtAnyMoment(t *testing.T) {
	s := started(t, oneListener)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	failed, kept, victim := 0, 0, 0
	for range 12 {
		st := s.until("served", func(st MasterStatus) bool { // by one that is not the last victim, whose end nobody has seen yet
			return st.Phase == "running" && len(st.Workers) == 1 && st.Workers[0].PID != victim
		})
		talkers := s.talk(8)
		logged := len(s.log.String())
		c := chat(talkers)
		done := make(chan error, 1)
		go func() { done <- s.upgrade() }()
		s.until("upgrading", func(now MasterStatus) bool {
			last := now.Workers[len(now.Workers)-1]
			victim = last.PID
			return last.ID > st.Workers[0].ID && victim != 0
		})
		time.Sleep(time.Duration(r.IntN(6000)) * time.Microsecond)
		_ = syscall.Kill(victim, syscall.SIGKILL)
		err := <-done
		if err != nil {
			failed++
		}
		lost := c.end()
		given := strings.Contains(s.log.String()[logged:], fmt.Sprintf("given away by %d\n", st.Workers[0].PID))
		if lost != nil && !given {
			t.Errorf("the upgrade says %v; the talkers: %v", err, lost)
		}
		if !given {
			kept++
		}
		for _, k := range talkers {
			k.c.Close()
		}
	}
	t.Logf("of 12 upgrades %d failed; %d times the old worker kept its connections", failed, kept)
}

// TestOneUpgradeAtATime: a second upgrade is refused, a reload waits for the end of the first.
func TestOneUpgradeAtATime(t *testing.T) {
	s := started(t, oneListener)
	s.write("config", oneListener+"fault slow\n")
	done := make(chan error, 1)
	go func() { done <- s.upgrade() }()
	s.until("upgrading", func(st MasterStatus) bool { return st.Phase == "upgrading" })
	if err := s.upgrade(); !errors.Is(err, &message.Refusal{Reason: message.ReasonState}) {
		t.Errorf("the second upgrade: %v", err)
	}
	s.signal(syscall.SIGUSR2)
	out, err := s.reload(ReloadRequest{Config: &Config{Bytes: []byte(oneListener)}})
	if err != nil || out.Diff == "" {
		t.Errorf("the reload: %+v, %v", out, err)
	}
	if err := <-done; err != nil {
		t.Errorf("the first upgrade: %v", err)
	}
	if st := s.only(2); st.ConfigHash != message.Hash([]byte(oneListener)) {
		t.Errorf("the reload reached no one: %+v", st)
	}
}

// TestSignalsDuringAnUpgrade sends a signal at a random moment of an upgrade, the master's exec included: it is acted upon.
func TestSignalsDuringAnUpgrade(t *testing.T) {
	for i := range 12 {
		s := started(t, oneListener)
		s.signal(syscall.SIGUSR2)
		time.Sleep(time.Duration(rand.IntN(20000)) * time.Microsecond)
		sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT}[i%2]
		s.signal(sig)
		err := s.ended()
		// In the moment of the exec nobody can act on it: then it ends the master, and the workers drain.
		if err != nil && err.Error() != "signal: terminated" && err.Error() != "signal: quit" && err.Error() != "exit status 2" &&
			err.Error() != "signal: quit (core dumped)" {
			t.Errorf("%v: %v", sig, err)
		}
		if err != nil {
			t.Logf("%v in the moment of the exec: %v", sig, err)
		}
		s.noneLeft()
	}
	s := started(t, oneListener)
	for i := range 12 {
		s.only(uint64(1 + i))
		s.signal(syscall.SIGUSR2)
		s.until("upgrading", func(st MasterStatus) bool { return len(st.Workers) > 1 || st.Workers[0].ID > uint64(1+i) })
		time.Sleep(time.Duration(rand.IntN(8000)) * time.Microsecond)
		config := oneListener + fmt.Sprintf("comment %d\n", i)
		s.write("config", config)
		s.signal(syscall.SIGHUP)
		s.signal(syscall.SIGUSR1)
		s.until("reloaded", func(st MasterStatus) bool {
			return st.ConfigHash == message.Hash([]byte(config)) && len(st.Workers) == 1 && st.Phase == "running"
		})
		if !s.reopened(s.only(uint64(2 + i)).Workers[0].PID) {
			t.Error("the logs were not opened anew")
		}
	}
}

// TestSignalWhileTheSuccessorReads: a signal that comes when the master is its successor already, which has not read its configuration
// yet, is acted upon.
func TestSignalWhileTheSuccessorReads(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		s := started(t, oneListener)
		s.write("slow", "")
		s.signal(syscall.SIGUSR2)
		if !s.eventually(func() bool { _, err := os.Stat(filepath.Join(s.dir, "waits")); return err == nil }) {
			t.Fatal("there is no successor")
		}
		s.signal(sig)
		if err := s.ended(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		s.noneLeft()
	}
}

// TestAnotherNumberOfSockets changes how many sockets a listener has, by reload and by upgrade. Sockets are never closed
// while the listener lives: whoever waits in one of them is served.
func TestAnotherNumberOfSockets(t *testing.T) {
	s := started(t, "listen web 127.0.0.1:0 2\ndrain 3s\n")
	address := s.address()
	stop, made := make(chan struct{}), make(chan error, 1)
	go func() { made <- connectAlways(address, stop) }()
	for i, n := range []int{4, 1, 3} {
		s.write("config", fmt.Sprintf("listen web 127.0.0.1:0 %d\ndrain 3s\n", n))
		if err := s.upgrade(); err != nil {
			t.Fatal(err)
		}
		if st := s.only(uint64(2 + i)); st.Listeners[0].Bound != address || st.Listeners[0].Sockets != 4 {
			t.Errorf("%+v", st.Listeners)
		}
	}
	close(stop)
	if err := <-made; err != nil {
		t.Error(err)
	}
}

// TestDrainByRequest ends the master by way of the control socket.
func TestDrainByRequest(t *testing.T) {
	s := started(t, oneListener)
	if err := s.ask(func(ctx context.Context, c *Client) error { return c.Drain(ctx) }); err != nil {
		t.Fatal(err)
	}
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

// TestUpgradeKeepsWhatWasBrought: a configuration that a request has brought stays over upgrades and crashes, until the file is asked
// for.
func TestUpgradeKeepsWhatWasBrought(t *testing.T) {
	s := started(t, oneListener)
	brought := oneListener + "comment brought\n"
	if _, err := s.reload(ReloadRequest{Config: &Config{Name: "request", Bytes: []byte(brought)}}); err != nil {
		t.Fatal(err)
	}
	runs := func(worker uint64, config string) int {
		t.Helper()
		st := s.only(worker)
		if st.ConfigHash != message.Hash([]byte(config)) || st.Workers[0].ConfigHash != st.ConfigHash {
			t.Errorf("worker %d runs not %q: %+v", worker, config, st)
		}
		return st.Workers[0].PID
	}
	runs(1, brought)
	s.write("config", oneListener+"comment file\n") // nobody has said that this is to replace it
	for worker := uint64(2); worker < 4; worker++ { // the second one by a master that knows it from the one before
		if err := s.upgrade(); err != nil {
			t.Fatal(err)
		}
		s.until("reopened", func(MasterStatus) bool {
			return strings.Count(s.log.String(), "this master is a new program") == int(worker-1)
		})
		pid := runs(worker, brought)
		if !s.reopened(pid) { // which the new master does with the same breath as it would look at the file
			t.Error("the new master does not catch up")
		}
		runs(worker, brought)
		if n := strings.Count(s.log.String(), "level=WARN msg=\"what runs was brought by a request"); n != int(worker-1) {
			t.Errorf("the log says it %d times", n)
		}
	}
	if err := syscall.Kill(runs(3, brought), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	runs(4, brought)
	if _, err := s.reload(ReloadRequest{}); err != nil {
		t.Fatal(err)
	}
	runs(4, oneListener+"comment file\n")
	s.write("config", oneListener+"comment again\n")
	if err := s.upgrade(); err != nil {
		t.Fatal(err)
	}
	runs(5, oneListener+"comment again\n")
}

// TestReloadWhoseAskerIsGone: a reload that waits, and that nobody waits for any more, is not done, and is not one of the file either.
func TestReloadWhoseAskerIsGone(t *testing.T) {
	s := started(t, oneListener)
	s.write("config", oneListener+"comment file\n")
	slow := oneListener + "reload slow\n"
	done := make(chan error, 1)
	go func() {
		_, err := s.reload(ReloadRequest{Config: &Config{Name: "request", Bytes: []byte(slow)}})
		done <- err
	}()
	s.until("reloading", func(st MasterStatus) bool { return st.Phase == "reloading" })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	c := s.client()
	if _, err := c.Reload(ctx, ReloadRequest{Config: &Config{Name: "request", Bytes: []byte(oneListener + "comment brought\n")}}); err == nil {
		t.Error("it was done during the one before")
	}
	c.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !s.eventually(func() bool { return strings.Contains(s.log.String(), "whoever asked for it did not wait") }) {
		t.Error("nobody says that it was not done")
	}
	if st := s.only(1); st.ConfigHash != message.Hash([]byte(slow)) {
		t.Errorf("%+v", st)
	}
}
