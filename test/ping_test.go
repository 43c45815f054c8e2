package test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringway/ringway/probe/report"
)

// startPeer starts pingPeer in the namespace that it is named for; end stops it and returns what it did.
func (n *twins) startPeer() (end func() map[string]tally) {
	n.t.Helper()
	n.set(n.peer, "net/ipv4/icmp_echo_ignore_all", "1")
	n.set(n.peer, "net/ipv6/icmp/echo_ignore_all", "1")
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	link := filepath.Join(n.t.TempDir(), "ping-peer")
	if err := os.Symlink(self, link); err != nil {
		n.t.Fatal(err)
	}
	c := n.command(n.peer, link, "veth0")
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
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	n.pinged = c.Process
	r := bufio.NewReader(out)
	defer n.warm()
	if line, err := r.ReadString('\n'); line != "ready\n" {
		n.t.Fatalf("the peer says %q, %v", line, err)
	}
	return func() map[string]tally {
		n.t.Helper()
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			n.t.Fatal(err)
		}
		did := map[string]tally{}
		if err := json.NewDecoder(r).Decode(&did); err != nil {
			n.t.Fatal(err)
		}
		_ = c.Wait() // it said all it had to
		return did
	}
}

// warm waits until each end knows the other's link address, which takes a while after a link came up.
func (n *twins) warm() {
	n.t.Helper()
	eventually(n.t, func() error {
		if status, out := n.ping("-c", "1", "-w", "0.5", "10.78.9.1", "fd78:0:0:0:9::1"); status != 0 {
			return errors.New(out)
		}
		return nil
	})
}

// ping runs ringway ping in the client's namespace: its exit status, and what it printed.
func (n *twins) ping(args ...string) (status int, stdout string) {
	n.t.Helper()
	c := n.command(n.client, append([]string{binary(n.t, true), "ping"}, args...)...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		n.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

// summary runs ringway ping with --json and returns its last object.
func (n *twins) summary(args ...string) report.Object {
	n.t.Helper()
	_, out := n.ping(append(args, "--json", "-d", "3600")...)
	var o report.Object
	if err := json.Unmarshal([]byte(out), &o); err != nil || o.Type != "summary" {
		n.t.Fatalf("%v in %q", err, out)
	}
	return o
}

// Where the packets of one address go: what the peer did is what the report says, number for number.
func compare(t *testing.T, got *report.TargetObject, did tally, count uint64) {
	t.Helper()
	want := map[string]uint64{"answered": did.Answered, "timeout": did.Lost + did.Late, "corrupted": did.Corrupted, "unreachable": did.Unreachable,
		"ttl_exceeded": did.TTLExceeded, "too_big": did.TooBig, "other_error": did.OtherError}
	extra := map[string]uint64{"late": did.Late, "duplicate": did.Duplicate, "reordered": did.Reordered}
	if did.Requests != count || got.Sent != count {
		t.Errorf("%s: %d sent, %d came, want %d", got.Name, got.Sent, did.Requests, count)
	}
	for _, m := range []struct {
		name      string
		got, want map[string]uint64
	}{{"outcome", got.Outcomes, want}, {"extra", got.Extra, extra}} {
		for k := range m.got {
			if _, ok := m.want[k]; !ok {
				t.Errorf("%s: %d %s that nobody injected", got.Name, m.got[k], k)
			}
		}
		for k, n := range m.want {
			if m.got[k] != n && !(k == "reordered" && did.Late > 0) { // what is late enough is overtaken besides
				t.Errorf("%s: %s %s is %d, but %d were injected", got.Name, m.name, k, m.got[k], n)
			}
		}
	}
}

// The test of truth: for every kind of damage a network can do, the report equals what was injected.
func TestPingInjection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ prefix, first string }{
		"IPv4": {"10.78.0.", "10.78.0.1"},
		"IPv6": {"fd78::", "fd78::1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newTwins(t)
			end := n.startPeer()
			faults := []int{1, peerLoses, peerIsLate, peerDoubles, peerReorders, peerFlips, peerUnreach, peerExceeds, peerDelays, peerMixes, peerObjects}
			args := []string{"-c", "220", "-i", "0.02", "-w", "2", "--late", "10", "-s", "64"}
			for _, f := range faults {
				last := fmt.Sprint(f)
				if name == "IPv6" {
					last = fmt.Sprintf("%x", f)
				}
				args = append(args, c.prefix+last)
			}
			o := n.summary(args...)
			did := end()
			for i := range o.Targets {
				compare(t, &o.Targets[i], did[o.Targets[i].Address], 220)
			}
			if s := o.Session; s.QueueOverflow+s.Foreign+s.Stale+s.StrayErrors+s.Truncated+s.StampsMissing != 0 {
				t.Errorf("%+v", s)
			}
			if o.Clocks[0].Domain != "software" {
				t.Errorf("measured by %+v", o.Clocks)
			}
			// The delay that was injected is in the times, and not in those of the others.
			if r := o.Targets[8].RTT; r == nil || r.Min < float64(peerDelay.Microseconds()) {
				t.Errorf("of %v each: %+v", peerDelay, r)
			}
			if r := o.Targets[0].RTT; r == nil || r.Min > float64(peerDelay.Microseconds()) {
				t.Errorf("without a delay: %+v", r)
			}
			// The last damaged answer, bit for bit.
			bits := did[o.Targets[5].Address].Bits
			last, d := bits[len(bits)-1], o.Targets[5].Damage
			if d == nil || d.Byte != last.Byte || d.Bit != last.Bit || d.Bits != 1 || d.ChecksumOK != last.Repaired {
				t.Errorf("the report says %+v, the peer did %+v", d, last)
			}
			if r := o.Targets[6]; !strings.Contains(r.Reason, "unreachable") || r.Reporter != map[string]string{"IPv4": peer4, "IPv6": peer6}[name] {
				t.Errorf("%q, says %q", r.Reason, r.Reporter)
			}
		})
	}
}

// What the flags ask for is what goes over the wire.
func TestPingOptionsOnTheWire(t *testing.T) {
	t.Parallel()
	n := newTwins(t)
	end := n.startPeer()
	n.ip("-n", n.client, "addr", "add", "10.77.0.7/24", "dev", "veth0")
	n.ip("-n", n.client, "-6", "addr", "add", "fd77::7/64", "dev", "veth0", "nodad", "preferred_lft", "0") // not chosen unasked
	status, out := n.ping("-c", "4", "-i", "0.02", "-w", "5", "--sweep", "20:60:20", "-t", "9", "--dscp", "46", "--ecn", "1", "-M", "-p", "deadbeef",
		"-I", "veth0", "-S", "10.77.0.7", "-S", "fd77::7", "10.78.0.1", "fd78::1")
	status2, out2 := n.ping("-c", "1", "-w", "5", "-z", "0x1c", "-p", "ones", "-s", "24", "10.78.0.12", "fd78::c")
	if status != 0 || status2 != 0 {
		t.Fatalf("%s%s", out, out2)
	}
	did := end()
	for addr, want := range map[string]wireOptions{
		"10.78.0.1":  {netip.MustParseAddr("10.77.0.7"), 9, 46<<2 | 1, true, []byte("\xde\xad\xbe\xef")},
		"fd78::1":    {netip.MustParseAddr("fd77::7"), 9, 46<<2 | 1, true, []byte("\xde\xad\xbe\xef")},
		"10.78.0.12": {netip.MustParseAddr(client4), 64, 0x1c, false, []byte("\xff\xff\xff\xff\xff\xff\xff\xff")},
		"fd78::c":    {netip.MustParseAddr(client6), 64, 0x1c, true, []byte("\xff\xff\xff\xff\xff\xff\xff\xff")},
	} {
		got := did[addr].Last
		if got.Source != want.Source || got.TTL != want.TTL || got.TOS != want.TOS || got.DontFragment != want.DontFragment || len(got.Payload) < 16 || string(got.Payload[16:]) != string(want.Payload) {
			t.Errorf("to %s: %+v, want %+v behind the first 16 bytes", addr, got, want)
		}
	}
}

func TestPingTraceAndMTU(t *testing.T) {
	t.Parallel()
	n := newTwins(t)
	n.startPeer()
	status, out := n.ping("--trace", "10.78.0.20", "fd78::14", "10.78.1.20")
	hop := func(i int, addr string) string {
		return fmt.Sprintf(`\n  %d  %s  min/avg/max [0-9.nµm]+s/`, i, regexp.QuoteMeta(addr))
	}
	want := `(?s)10\.78\.0\.20: reached at hop 4` + hop(1, "10.77.0.101") + `.*` + hop(2, "10.77.0.102") + `.*` + hop(3, "10.77.0.103") + `.*` + hop(4, "10.78.0.20") +
		`.*fd78::14: reached at hop 4` + hop(1, "fd77::65") + `.*` + hop(4, "fd78::14") + `.*10\.78\.1\.20: reached at hop 4`
	if status != 0 || !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("status %d:\n%s", status, out)
	}
	status, out = n.ping("--mtu", "-w", "0.5", "10.78.0.1", "10.78.0.21", "10.78.0.22", "fd78::15")
	for _, line := range []string{`10\.78\.0\.1 : path MTU 1500, the MTU of this host's interface`, `10\.78\.0\.21 : path MTU 1400, says 10\.77\.0\.2 `,
		`10\.78\.0\.22 : path MTU 1300; larger packets vanish`, `fd78::15 : path MTU 1400, says fd77::2 `} {
		if status != 0 || !regexp.MustCompile(`(?m)^`+line).MatchString(out) {
			t.Errorf("status %d, no %s:\n%s", status, line, out)
		}
	}
}

// A queue of this host without room is told apart from the network's loss; a neighbour that is not there, from silence.
func TestPingLocalTroubles(t *testing.T) {
	t.Parallel()
	n := newTwins(t)
	n.startPeer()
	o := n.summary("-c", "3", "-i", "0.05", "-w", "5", "10.77.0.99", "192.0.2.1", peer4, peerLink6+"%veth0")
	for i, want := range []string{"unreachable", "send_failed", "answered", "answered"} {
		if got := o.Targets[i]; got.Outcomes[want] != 3 || got.Sent != 3 {
			t.Errorf("%s: %+v, %s; want %s", got.Name, got.Figures, got.Reason, want)
		}
	}
	tc := tool(t, "tc", "iproute2")
	if out, err := n.command(n.client, tc, "qdisc", "add", "dev", "veth0", "root", "bfifo", "limit", "1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o = n.summary("-c", "20", "-i", "0.01", "-w", "2", peer4, "127.0.0.1")
	if got := o.Targets[0]; got.Outcomes["local_drop"] != 20 || got.Outcomes["timeout"] != 0 {
		t.Errorf("%+v", got)
	}
	if got := o.Targets[1]; got.Outcomes["answered"] != 20 {
		t.Errorf("%+v", got)
	}
}

// asNobody runs the binary without any privilege; the file is handed over open, since its folder is closed to others.
func (n *twins) asNobody(args ...string) (status int, stdout, stderr string) {
	n.t.Helper()
	file, err := os.Open(binary(n.t, true))
	if err != nil {
		n.t.Fatal(err)
	}
	defer file.Close()
	var e strings.Builder
	c := n.command(n.client, append([]string{tool(n.t, "setpriv", "util-linux"), "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
		"/proc/self/fd/3", "ping"}, args...)...)
	c.ExtraFiles, c.Stderr, c.Dir = []*os.File{file}, &e, "/"
	out, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		n.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out), e.String()
}

// Without permission the refusal names both ways to get it; with the second, datagram sockets find the same faults.
func TestPingUnprivileged(t *testing.T) {
	t.Parallel()
	n := newTwins(t)
	end := n.startPeer()
	n.set(n.client, "net/ipv4/ping_group_range", "1 0")
	status, _, stderr := n.asNobody("-c", "1", "10.78.0.1")
	if status != 4 || !strings.Contains(stderr, "setcap cap_net_raw+ep /") || !strings.Contains(stderr, "net.ipv4.ping_group_range") {
		t.Errorf("status %d: %s", status, stderr)
	}
	n.set(n.client, "net/ipv4/ping_group_range", "0 2147483647")
	const count = 220
	status, out, stderr := n.asNobody("-c", fmt.Sprint(count), "-i", "0.02", "-w", "2", "--late", "10", "--json", "-d", "3600",
		"10.78.0.1", "10.78.0.2", "10.78.0.3", "10.78.0.4", "10.78.0.7", "10.78.0.8", "fd78::1", "fd78::7")
	var o report.Object
	if err := json.Unmarshal([]byte(out), &o); err != nil || status != 0 {
		t.Fatalf("status %d, %v: %s%s", status, err, out, stderr)
	}
	if o.Sockets[0].Kind != "datagram" || o.Sockets[1].Kind != "datagram" || o.Clocks[0].Domain != "software" {
		t.Errorf("%+v, %+v", o.Sockets, o.Clocks)
	}
	did := end()
	for i := range o.Targets {
		compare(t, &o.Targets[i], did[o.Targets[i].Address], count)
	}
}

// terminal is a program in a terminal of tmux.
type terminal struct {
	t            *testing.T
	tmux, socket string
}

// newTerminal runs a shell command in a terminal of that size.
func newTerminal(t *testing.T, width, height int, command string) *terminal {
	t.Helper()
	m := &terminal{t, tool(t, "tmux", "tmux"), filepath.Join(t.TempDir(), "tmux")}
	m.run("new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "sh", "-c", command)
	t.Cleanup(func() { _ = exec.Command(m.tmux, "-S", m.socket, "kill-server").Run() })
	return m
}

func (m *terminal) run(args ...string) string {
	m.t.Helper()
	out, err := exec.Command(m.tmux, append([]string{"-S", m.socket, "-f", "/dev/null"}, args...)...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %s: %v: %s", args[0], err, out)
	}
	return string(out)
}

// await waits until the screen looks like the pattern, and returns it.
func (m *terminal) await(pattern string) (text string) {
	m.t.Helper()
	eventually(m.t, func() error {
		if text = m.run("capture-pane", "-p"); !regexp.MustCompile(pattern).MatchString(text) {
			return fmt.Errorf("no %s on the screen:\n%s", pattern, text)
		}
		return nil
	})
	return text
}

// The live table, as a person sees it.
func TestPingTable(t *testing.T) {
	t.Parallel()
	n := newTwins(t)
	n.startPeer()
	ping := fmt.Sprintf("env '%s' ip netns exec %s %s ping -w 5", unseenRaces(t), n.client, binary(t, true))
	m := newTerminal(t, 150, 14, ping+" -r 20 10.78.0.1 10.78.0.2 10.78.0.7 nowhere..example; echo status $?; sleep 60")
	text := m.await(`(?s)ringway ping  3 of 4 answer.*10\.78\.0\.1 +\d+ +0%.*[▁▂▃▄▅▆▇█]{8}.*10\.78\.0\.7 +\d+ +5\d\.\d%.*×`)
	if !strings.Contains(text, "cannot resolve nowhere..example") || !strings.Contains(text, "q leave") || strings.Contains(text, "xmt/rcv") {
		t.Errorf("the screen:\n%s", text)
	}
	if coloured := m.run("capture-pane", "-p", "-e"); !strings.Contains(coloured, "\x1b[31m") || !strings.Contains(coloured, "\x1b[32m") {
		t.Error("nothing is red, or nothing green")
	}
	m.run("send-keys", "s", "s") // by loss, the worst first
	m.await(`(?s)10\.78\.0\.7 .*10\.78\.0\.2 .*10\.78\.0\.1 `)
	m.run("resize-window", "-x", "100", "-y", "10")
	m.await(`(?s)^ringway ping .*10\.78\.0\.7 .*q leave`)
	m.run("send-keys", "q")
	m.await(`(?s)sent to 4 targets .*status 2`)

	// A count ends the table by itself, and leaves the terminal as it was.
	m = newTerminal(t, 150, 14, ping+" -c 20 -i 0.1 10.78.0.1; echo status $?; stty -a | grep -o ' echo '; sleep 60")
	m.await(`ringway ping  1 of 1 answer`)
	m.await(`(?s)10\.78\.0\.1 : xmt/rcv/%loss = 20/20/0%.*status 0\n echo`)
}

// A page that a run leaves behind has what the run printed.
func TestPingReportFile(t *testing.T) {
	t.Parallel()
	n := newTwins(t)
	n.startPeer()
	page := filepath.Join(t.TempDir(), "ping.html")
	began := time.Now()
	status, out := n.ping("-c", "40", "-i", "0.05", "-d", "0.5", "-w", "1", "--report", page, "10.78.0.2", "10.78.0.9")
	if status != 0 || !strings.Contains(out, "= 40/32/20.0%") || time.Since(began) < 2*time.Second {
		t.Errorf("status %d after %v:\n%s", status, time.Since(began), out)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<h2>10.78.0.2</h2>", "<h2>10.78.0.9</h2>", `class="l"`, "<polyline", "20.0%", "timeout 8"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %s", want)
		}
	}
}
