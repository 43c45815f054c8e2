package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/bench/handover/clients"
)

// upgrades are a master under load whose program is replaced again and again.
type upgrades struct {
	*process
	config  string // its file
	control string
	dir     string
	load    *clients.Load
}

// startUpgrades starts a master with listeners of HTTP, web and local, a Unix socket, and one of layer 4, db.
func startUpgrades(t *testing.T, driver string) *upgrades {
	u := &upgrades{dir: t.TempDir()}
	u.control = filepath.Join(u.dir, "control")
	origin := serveGo(t, clients.Origin())
	config := fmt.Sprintf("listeners:\n  web: {address: 127.0.0.1:0, routes: [{cluster: site}]}\n  local: {address: %q, routes: [{cluster: site}]}\n  db: {address: 127.0.0.1:0, protocol: tcp, cluster: echo}\n"+
		"clusters: {site: {endpoints: [%q]}, echo: {endpoints: [%q]}}\nprocess: {control: %q}", "unix:"+filepath.Join(u.dir, "web"), origin, serveEcho(t), u.control)
	u.process = start(t, driver, config, options{runtime: "drain_timeout: 10s"})
	u.config = u.cmd.Args[3]
	return u
}

// ringway runs a command of the same binary.
func (u *upgrades) ringway(args ...string) (string, error) {
	out, err := exec.Command(u.cmd.Path, append(args, "--control", u.control)...).CombinedOutput()
	return string(out), err
}

// masterStatus is what a test needs of it.
type masterStatus struct {
	PID     int
	Phase   string
	Workers []struct {
		PID   int
		State string
	}
	Crashes []struct{ Reason string }
}

func (u *upgrades) status() (st masterStatus) {
	out, err := u.ringway("master", "status")
	if err == nil {
		err = json.Unmarshal([]byte(out), &st)
	}
	if err != nil {
		st.Phase = fmt.Sprintf("%v: %s", err, out)
	}
	return st
}

// serving waits until the master has settled with one worker, and gives that one's number.
func (u *upgrades) serving() int {
	u.t.Helper()
	pid := 0
	eventually(u.t, func() error {
		st := u.status()
		if st.Phase != "running" || len(st.Workers) != 1 || st.Workers[0].State != "ready" {
			return fmt.Errorf("%+v", st)
		}
		pid = st.Workers[0].PID
		return nil
	})
	return pid
}

// begin starts so many clients of each kind, and as many tunnels after an upgrade as relays.
func (u *upgrades) begin(keepAlive, fresh, downloads, relays, bytes int) {
	u.load = clients.Begin(clients.Target{Web: u.addrs["web"], Local: filepath.Join(u.dir, "web"), Relay: u.addrs["db"]},
		clients.Numbers{KeepAlive: keepAlive, Fresh: fresh, Downloads: downloads, Bytes: bytes, Relays: relays, Tunnels: relays})
}

// report fails the test for whatever a client has noticed.
func (u *upgrades) report() {
	for _, f := range u.load.Faults() {
		u.t.Error(f)
	}
}

// end stops the load.
func (u *upgrades) end() {
	u.load.End()
	u.report()
	u.t.Log(u.load)
}

// TestUpgradeUnderLoad replaces program and master while clients of every kind are served: no request fails, no connection is
// broken off, no byte of a relay is lost or comes twice.
func TestUpgradeUnderLoad(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		u := startUpgrades(t, driver)
		master, worker := u.cmd.Process.Pid, u.serving()
		u.begin(16, 2, 1, 10, 100<<20)
		time.Sleep(300 * time.Millisecond)
		for i := range 2 {
			next := u.upgrade()
			if next == worker || u.status().PID != master {
				t.Fatalf("upgrade %d: worker %d after %d, master %+v", i, next, worker, u.status())
			}
			worker = next
			u.report()
		}
		u.end()
		given := regexp.MustCompile(`handed over" given=(\d+)`).FindAllStringSubmatch(u.log.String(), -1)
		for _, g := range given {
			if n, _ := strconv.Atoi(g[1]); n < 30 { // all clients but those with a download or on their way
				t.Errorf("%d connections were handed over", n)
			}
		}
		if len(given) != 2 || len(u.status().Crashes) != 0 {
			t.Errorf("%d hand-overs, %+v", len(given), u.status())
		}
	})
}

// TestUpgradeChangesDriver: the new program may have another driver, which needs listening sockets to be otherwise, and back. Nobody
// notices. If it dies on the way, the old worker finds the sockets as it needs them.
func TestUpgradeChangesDriver(t *testing.T) {
	requireDriver(t, "uring")
	u := startUpgrades(t, "uring")
	u.serving()
	u.begin(16, 2, 1, 10, 20<<20)
	other := map[string]string{"uring": "epoll", "epoll": "uring"}
	now := func() string {
		return regexp.MustCompile(`"driver": "(\w+)"`).FindStringSubmatch(u.ask("/v1/version"))[1]
	}
	kept := 0
	for i := range 12 {
		text, err := os.ReadFile(u.config)
		if err != nil {
			t.Fatal(err)
		}
		from := now()
		to := other[from]
		if err := os.WriteFile(u.config, regexp.MustCompile(`driver: \w+`).ReplaceAll(text, []byte("driver: "+to)), 0o600); err != nil {
			t.Fatal(err)
		}
		if i%3 != 2 {
			if u.kill(startedMark, time.Duration(i)*4*time.Millisecond) != accepting {
				kept++
			} else { // it owned connections already: a crash like any other
				u.crashed()
			}
			u.serving()
		} else if u.upgrade(); now() != to {
			t.Errorf("the driver is %s and not %s", now(), to)
		}
		time.Sleep(100 * time.Millisecond)
		u.report()
	}
	u.end()
	t.Logf("%d new workers died before they owned any connection", kept)
}

// TestKilledUpgrade kills the new worker at random moments. Until it has begun to accept nobody notices, whoever talks to the gateway;
// from then on what it owns dies with it, and those faults are counted apart. The next upgrade succeeds.
func TestKilledUpgrade(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 14))
		u := startUpgrades(t, driver)
		u.serving()
		u.begin(8, 1, 0, 6, 0)
		worker := u.upgrade()
		start, given := u.took(readyMark), u.took("handed over")
		died, crashes := map[moment]int{}, 0
		for i := range 9 {
			mark, after := startedMark, time.Duration(r.Int64N(int64(start/2)))
			switch i % 3 {
			case 1: // about where it is ready
				after += start / 2
			case 2:
				mark, after = readyMark, time.Duration(r.Int64N(int64(given)))
			}
			fresh := u.load.Fresh.Failed.Load()
			m := u.kill(mark, after)
			died[m]++
			now := u.serving()
			if m != accepting && now != worker {
				t.Errorf("the worker is %d instead of %d", now, worker)
			}
			worker = now
			if m == accepting {
				crashes += u.crashed()
				continue
			}
			time.Sleep(100 * time.Millisecond)
			faults := u.load.Faults()
			if fresh = u.load.Fresh.Failed.Load() - fresh; m == unheard && int(fresh) == len(faults) {
				crashes += len(faults) // connections that it had accepted itself
				continue
			}
			for _, f := range faults {
				t.Errorf("killed while %s, %v after %q: %s", m, after, mark, f)
			}
		}
		t.Logf("killed while %v; %d faults by what had begun to accept", died, crashes)
		u.upgrade()
		u.end()
	})
}

// moment is how far a new worker had come when it was killed.
type moment string

const (
	starting  moment = "starting"  // it has had no part in a hand-over: nobody may notice
	unheard   moment = "unheard"   // it may have begun to accept, but the old worker has not heard of it, and has kept all it had
	accepting moment = "accepting" // what it owned died with it
)

// Lines of the log by which a new worker's life is followed.
const (
	startedMark = "started a worker"
	readyMark   = "a worker is ready"
)

// took is how long the last thing that the log tells so has taken.
func (u *upgrades) took(what string) time.Duration {
	u.t.Helper()
	all := regexp.MustCompile(`msg="`+what+`" .*took=(\S+)`).FindAllStringSubmatch(u.log.String(), -1)
	if len(all) == 0 {
		u.t.Fatalf("the log has no %q", what)
	}
	d, err := time.ParseDuration(all[len(all)-1][1])
	if err != nil || d <= 0 {
		u.t.Fatalf("%s: %v, %v", what, d, err)
	}
	return d
}

// kill upgrades and kills the new worker so long after the master has logged mark of it.
func (u *upgrades) kill(mark string, after time.Duration) moment {
	u.t.Helper()
	from := len(u.log.String())
	done := make(chan error, 1)
	go func() {
		_, err := u.ringway("upgrade")
		done <- err
	}()
	line := regexp.MustCompile(`msg="` + mark + `" .*pid=(\d+)`)
	for end := time.Now().Add(patience); ; time.Sleep(500 * time.Microsecond) {
		if m := line.FindStringSubmatch(u.log.String()[from:]); m != nil {
			time.Sleep(after)
			pid, _ := strconv.Atoi(m[1])
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				u.t.Errorf("kill the new worker: %v", err)
			}
			break
		}
		if time.Now().After(end) {
			u.t.Fatalf("the log has no %q", mark)
		}
	}
	err := <-done
	time.Sleep(50 * time.Millisecond) // the log comes by a pipe
	log := u.log.String()[from:]
	if strings.Contains(log, `msg="handing over"`) {
		return accepting
	}
	if err == nil {
		u.t.Error("an upgrade whose worker was killed is said to have succeeded")
	}
	if strings.Contains(log, `msg="`+readyMark) {
		return unheard
	}
	return starting
}

// crashed counts the faults of clients whose connections have died, until all of them know.
func (u *upgrades) crashed() (n int) {
	for range 20 {
		time.Sleep(200 * time.Millisecond)
		faults := len(u.load.Faults())
		if n += faults; faults == 0 {
			break
		}
	}
	return n
}

// upgrade has the program replaced, and waits until master and worker are new.
func (u *upgrades) upgrade() int {
	u.t.Helper()
	const became = `msg="this master is a new program"`
	before := strings.Count(u.log.String(), became)
	if out, err := u.ringway("upgrade"); err != nil {
		u.t.Fatalf("upgrade: %v: %s", err, out)
	}
	eventually(u.t, func() error {
		if strings.Count(u.log.String(), became) == before {
			return errors.New("the master is not new yet")
		}
		return nil
	})
	return u.serving()
}

// reload has the configuration file say something else, and then has it read.
func (u *upgrades) reload(i int) {
	u.t.Helper()
	text, err := os.ReadFile(u.config)
	if err != nil {
		u.t.Fatal(err)
	}
	next := regexp.MustCompile(`routes: \[\{(name: r\d+, )?cluster: site`).ReplaceAll(text, fmt.Appendf(nil, "routes: [{name: r%d, cluster: site", i))
	if err := os.WriteFile(u.config, next, 0o600); err != nil {
		u.t.Fatal(err)
	}
	out, err := u.ringway("master", "reload")
	if err != nil || !strings.Contains(out, fmt.Sprint("r", i)) {
		u.t.Fatalf("reload: %v: %q", err, out)
	}
}

// held is what the worker holds: descriptors and resident bytes.
func (u *upgrades) held(worker int) (files int, rss int64) {
	u.t.Helper()
	return filesOf(u.t, worker), rssOf(u.t, worker)
}

// TestSoak upgrades and reloads all the time while clients of every kind are served, none of which may notice: 10 upgrades and 50
// reloads, or, by make soak, 20 and 200 in a minute with more clients.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	times, reloads, pace, scale := 10, 5, 500*time.Millisecond, 1
	if os.Getenv("RINGWAY_SOAK") != "" {
		times, reloads, pace, scale = 20, 10, 3*time.Second, 4
	}
	driversAtOnce(t, func(t *testing.T, driver string) {
		u := startUpgrades(t, driver)
		files, rss := u.held(u.serving())
		ours := filesOf(t, u.cmd.Process.Pid)
		u.begin(16*scale, scale, min(2, scale), 50*scale/4, 100<<20)
		began := time.Now()
		for i := range times {
			for k := range reloads {
				u.reload(i*reloads + k)
			}
			u.upgrade()
			u.report()
			time.Sleep(time.Until(began.Add(time.Duration(i+1) * pace)))
		}
		u.end()
		worker := u.serving()
		eventually(t, func() error {
			if n := filesOf(t, u.cmd.Process.Pid); n > ours+2 {
				return fmt.Errorf("the master has %d descriptors, it had %d", n, ours)
			}
			idle := int(u.metric("ringway_endpoint_connections_idle"))
			if n, _ := u.held(worker); n > files+idle+4 { // whoever asks has some
				return fmt.Errorf("the worker has %d descriptors, %d of them of pools; the first one had %d", n, idle, files)
			}
			return nil
		})
		if _, now := u.held(worker); !raceEnabled && now > rss+64<<20 {
			t.Errorf("the worker has %d MiB, the first one had %d", now>>20, rss>>20)
		}
	})
}
