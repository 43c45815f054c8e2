package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestParseSNMP(t *testing.T) {
	text := "Ip: A B\nIp: 1 2\nIcmp: InMsgs InEchos X InEchoReps\nIcmp: 9 7 0 5\nIcmpMsg: InType3\nIcmpMsg: 4\n"
	if c, err := parseSNMP(text); err != nil || c != (icmpCounts{7, 5}) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", "Icmp: InEchos InEchoReps\nIcmp: 1\n", "Icmp: InEchos InEchoReps\nIcmp: 1 x\n", "Icmp: A\nIcmp: 1\n"} {
		if _, err := parseSNMP(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	here, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseSNMP(string(here)); err != nil {
		t.Error(err)
	}
}

func TestClaims(t *testing.T) {
	for name, c := range map[string]struct {
		read   func(string) (claim, error)
		output string
		want   claim
	}{
		"fping": {readFping, "127.0.0.1 : xmt/rcv/%loss = 5/5/0%, min/avg/max = 0.03/0.04/0.05\n127.0.0.2 : xmt/rcv/%loss = 5/3/40%\n", claim{sent: 10, lost: 2, stamps: "receive-ns"}},
		"mping": {readMping, "10:00:00 [INFO] 127.0.0.1: sent:100, recv:100,  loss rate: 0.00%\n10:00:01 [WARN] 127.0.0.1: sent:50, recv:10, loss rate\n", claim{sent: 150, lost: 40}},
		"ringway": {readRingway, `{"type":"summary","total":{"sent":9,"answered":8,"rtt_us":{"p50":1.5,"p99":3}},"clocks":[{"domain":"software"}]}`,
			claim{sent: 9, lost: 1, p50: 1500, p99: 3000, stamps: "software"}},
	} {
		if got, err := c.read(c.output); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if _, err := c.read("something else"); err == nil {
			t.Errorf("%s: nothing was read as a report", name)
		}
	}
}

func TestRanges(t *testing.T) {
	for _, l := range loads {
		n := 0
		for range addresses(l.targets) {
			n++
		}
		if n != l.count {
			t.Errorf("%s has %d targets, not %d", l.targets, n, l.count)
		}
	}
	if got := expand("127.0.0.254-127.0.1.1"); got != "127.0.0.254,127.0.0.255,127.0.1.0,127.0.1.1" {
		t.Error(got)
	}
}

// A whole run, with the real program and the kernel's counters.
func TestRun(t *testing.T) {
	ctx := context.Background()
	if !ownNamespace(ctx) {
		t.Skip("no permission to make network namespaces")
	}
	ringway := t.TempDir() + "/ringway"
	if out, err := exec.Command("go", "build", "-o", ringway, "github.com/ringway/ringway/cmd/ringway").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r, err := run(ctx, allTools(ringway, "mping")[0], load{"test", "127.0.0.1-127.0.0.5", 5, 20}, time.Second, true)
	if err != nil {
		t.Fatal(err)
	}
	if r.sent != 100 || r.lost != 0 || r.kernel != (icmpCounts{100, 100}) || r.peak < 1000 || r.cpu <= 0 {
		t.Errorf("%+v", r)
	}
	if row := r.row("x"); !strings.HasPrefix(row, "| x | ") || strings.Count(row, "|") != 11 {
		t.Error(row)
	}
}
