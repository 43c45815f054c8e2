package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// invokePing runs ping in this process, or skips where it may not.
func invokePing(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	status, stdout, stderr = invoke(append([]string{"ping"}, args...)...)
	if strings.Contains(stderr, "no permission to send ICMP") {
		t.Skipf("no permission for ICMP sockets here: %s", stderr)
	}
	return status, stdout, stderr
}

func TestPingUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "which target?"},
		{"--bogus", "unknown flag"},
		{"-c x 127.0.0.1", "invalid argument"},
		{"-r 0 127.0.0.1", "a rate is above nought"},
		{"-r NaN 127.0.0.1", "a rate is above nought"},
		{"-r 1e9 127.0.0.1", "interval"},
		{"-r 5 -i 1 127.0.0.1", "give one of"},
		{"-d 0 127.0.0.1", "--delay"},
		{"-w never 127.0.0.1", "not a time"},
		{"-w -1 127.0.0.1", "not a time"},
		{"-s 8 127.0.0.1", "16 to 65507"},
		{"--sweep 64:32:8 127.0.0.1", "FROM:TO:STEP"},
		{"--sweep 64:128 127.0.0.1", "FROM:TO:STEP"},
		{"-p xyz 127.0.0.1", "pattern"},
		{"-z 256 127.0.0.1", "not a number"},
		{"-z 1 --dscp 2 127.0.0.1", "whole byte"},
		{"--dscp 64 127.0.0.1", "--dscp is 0 to 63"},
		{"-t 256 127.0.0.1", "time to live"},
		{"-4 -6 127.0.0.1", "exclude"},
		{"-S nowhere 127.0.0.1", "no address"},
		{"--socket tcp 127.0.0.1", "--socket"},
		{"--timestamps sundial 127.0.0.1", "--timestamps"},
		{"--timestamps hardware 127.0.0.1", "needs --interface"},
		{"--trace --mtu 127.0.0.1", "exclude"},
		{"--trace --max-hops 0 127.0.0.1", "--max-hops"},
		{"0.0.0.0/0", "0.0.0.0/0 has 4294967296 addresses"},
		{"--max-targets 100 10.0.0.0/24", "at most 100"},
		{"10.0.0.9-10.0.0.1", "no range"},
	} {
		status, stdout, stderr := invoke(append([]string{"ping"}, strings.Fields(c.args)...)...)
		if status != 3 || stdout != "" || !strings.HasPrefix(stderr, "ringway: ") || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d, stdout %q, stderr %q; want 3 and %q", c.args, status, stdout, stderr, c.want)
		}
	}
	if status, stdout, _ := invoke("ping", "--help"); status != 0 || !strings.Contains(stdout, "--total-rate") {
		t.Errorf("help: status %d, %s", status, stdout)
	}
}

func TestPingStatuses(t *testing.T) {
	hosts := write(t, "hosts", "127.0.0.1 # one\n127.0.0.2,127.0.0.3\n")
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"-c 3 -i 0.01 127.0.0.1", 0, `127\.0\.0\.1 : xmt/rcv/%loss = 3/3/0%, min/avg/max = `},
		{"-c 3 -i 10ms -q -f " + hosts, 0, `9 sent to 3 targets in .*, 9 answered, loss 0%`},
		{"-c 1 -i 0.01 localhost no..such", 2, `no\.\.such +: cannot resolve no\.\.such: no such host`},
		{"-c 1 no..such", 2, `no\.\.such : cannot resolve`},
		{"-c 2 -i 0.01 -w 0.05 -I lo 127.0.0.1 240.0.0.1", 1, `240\.0\.0\.1 : xmt/rcv/%loss = 2/0/100%`},
		{"-c 4 -i 0.01 --sweep 16:48:16 -p dead -M -t 4 --dscp 46 --ecn 1 -S 127.0.0.1 127.0.0.5", 0, `= 4/4/0%`},
		{"-c 2 -i 0.01 -6 127.0.0.1 localhost", 2, `127\.0\.0\.1 +: only IPv6`},
		{"-c 2 -i 0.01 --timestamps user 127.0.0.1", 0, `clock: user, 2 measurements`},
		{"--trace 127.0.0.1", 0, `127\.0\.0\.1: reached at hop 1\n  1  127\.0\.0\.1  min/avg/max`},
		{"--mtu 127.0.0.1", 0, `127\.0\.0\.1 : path MTU 65535`},
		{"--trace no..such", 2, `cannot resolve`},
		{"-c 1 --report /none/such/file 127.0.0.1", 4, `^$`},
		{"-c 1 --listen 127.0.0.1:nowhere 127.0.0.1", 4, `^$`},
		{"-c 1 -I none-such 127.0.0.1", 4, ``},
	} {
		status, stdout, stderr := invokePing(t, strings.Fields(c.args)...)
		if status != c.status || !regexp.MustCompile(c.want).MatchString(stdout) {
			t.Errorf("%q: status %d, want %d\n%s%s", c.args, status, c.status, stdout, stderr)
		}
	}
}

// Each line of --json is an object, and the periods add up to the summary.
func TestPingJSON(t *testing.T) {
	status, stdout, stderr := invokePing(t, "-c", "40", "-i", "0.02", "-d", "0.2", "--json", "127.0.0.1", "127.0.0.2")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	type object struct {
		Type  string
		Total struct{ Sent, Answered uint64 }
		Notes []string
	}
	var sum, periods uint64
	var last object
	for line := range strings.Lines(stdout) {
		last = object{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if last.Type == "period" {
			periods++
			sum += last.Total.Sent
		}
	}
	if last.Type != "summary" || last.Total.Sent != 80 || last.Total.Answered != 80 || periods < 2 || sum > 80 || sum < 20 {
		t.Errorf("%d periods with %d probes, then %+v", periods, sum, last)
	}
}

// Ctrl-C ends with the summary and the page, and Prometheus can scrape before.
func TestPingInterrupt(t *testing.T) {
	t.Parallel()
	if status, _, _ := invokePing(t, "-c", "1", "127.0.0.1"); status != 0 {
		t.Fatal("127.0.0.1 does not answer")
	}
	page := filepath.Join(t.TempDir(), "ping.html")
	c := start(t, "ping", "-r", "50", "-d", "0.1", "--listen", "127.0.0.1:0", "--report", page, "127.0.0.1")
	url := c.awaitLine(`metrics: (http://127\.0\.0\.1:\d+/metrics)`)[1]
	c.awaitLine(`127\.0\.0\.1  sent \d+, answered \d+, loss 0%, rtt min/avg/max`)
	if _, body := get(t, url); !strings.Contains(body, `ringway_ping_outcome_total{address="127.0.0.1",outcome="answered",target="127.0.0.1"}`) {
		t.Error(body)
	}
	begin := time.Now()
	c.signal(syscall.SIGINT)
	status, output := c.awaitEnd()
	if status != 0 || !strings.Contains(output, "xmt/rcv/%loss") || time.Since(begin) > patience/2 {
		t.Errorf("status %d after %v:\n%s", status, time.Since(begin), output)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), `class="m"`) || !strings.Contains(string(text), "</html>") {
		t.Errorf("%v: %.300s", err, text)
	}
}

func TestPingReadsStdin(t *testing.T) {
	root := command()
	root.SetArgs([]string{"ping", "-q", "-c", "1", "-f", "-"})
	root.SetIn(strings.NewReader("127.0.0.1 127.0.0.2\n"))
	var out strings.Builder
	root.SetOut(&out)
	if err := root.Execute(); err != nil {
		if strings.Contains(err.Error(), "no permission") {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "2 sent to 2 targets") {
		t.Error(out.String())
	}
}
