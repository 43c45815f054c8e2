package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// result is one run of one tool.
type result struct {
	claim
	kernel icmpCounts
	cpu    time.Duration
	wall   time.Duration
	peak   int64 // KiB

	failure error // the tool gave up
}

// script runs a program between two readings of the kernel's counters, and says its process id.
const script = `cat /proc/net/snmp >"$0/before" || exit 99
"$@" & echo $! >"$0/pid"
wait $!; status=$?
cat /proc/net/snmp >"$0/after" || exit 99
exit $status`

// ownNamespace reports whether this process may make network namespaces.
func ownNamespace(ctx context.Context) bool {
	return exec.CommandContext(ctx, "unshare", "--net", "ip", "link", "set", "lo", "up").Run() == nil
}

// run has a tool do a load.
func run(ctx context.Context, t tool, l load, d time.Duration, own bool) (result, error) {
	dir, err := os.MkdirTemp("", "ringway-ping-run-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	words := append([]string{"sh", "-c", script, dir, t.path}, t.args(l, d)...)
	if own {
		words = append([]string{"unshare", "--net", "sh", "-c", `ip link set lo up && exec "$0" "$@"`}, words...)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*d+time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	var out, stderr bytes.Buffer
	c.Stdout, c.Stderr = &out, &stderr
	begin := time.Now()
	if err := c.Start(); err != nil {
		return result{}, err
	}
	ended := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watchMemory(dir, ended) }()
	err = c.Wait()
	r := result{wall: time.Since(begin)}
	close(ended)
	r.peak = <-peak
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: some host did not answer, which the table shows
		return r, fmt.Errorf("%w: %s", err, tail(stderr.String()))
	}
	// The times of all descendants that were waited for are in.
	r.cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	before, err := readSNMP(dir, "before")
	if err != nil {
		return r, err
	}
	after, err := readSNMP(dir, "after")
	if err != nil {
		return r, err
	}
	r.kernel = after.since(before)
	text := out.String()
	if t.name != "ringway ping" { // the others report on the error output too
		text += stderr.String()
	}
	r.claim, err = t.read(text)
	return r, err
}

// watchMemory reads the tool's peak of memory until it has ended.
func watchMemory(dir string, ended <-chan struct{}) (kib int64) {
	for {
		if pid, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil {
			kib = max(kib, peakMemory(strings.TrimSpace(string(pid))))
		}
		select {
		case <-ended:
			return kib
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func tail(s string) string {
	if len(s) > 500 {
		return "…" + s[len(s)-500:]
	}
	return s
}

// median is the run in the middle, by CPU for a packet.
func median(list []result) result {
	slices.SortFunc(list, func(a, b result) int {
		if (a.failure == nil) != (b.failure == nil) { // failures last
			if a.failure == nil {
				return -1
			}
			return 1
		}
		return int(a.perPacket() - b.perPacket())
	})
	return list[len(list)/2]
}

func (r result) perPacket() time.Duration { return r.cpu / time.Duration(max(r.kernel.requests, 1)) }

// row is the run's line of the table.
func (r result) row(name string) string {
	if r.failure != nil {
		return fmt.Sprintf("| %s | gave up: %s ||||||||||", name, strings.ReplaceAll(strings.Join(strings.Fields(r.failure.Error()), " "), "|", "/"))
	}
	dash := func(d time.Duration) string {
		if d == 0 {
			return "–"
		}
		return d.Round(10 * time.Nanosecond).String()
	}
	really := int64(r.kernel.requests) - int64(r.kernel.replies)
	stamps := r.stamps
	if stamps == "" {
		stamps = "–"
	}
	return fmt.Sprintf("| %s | %.0f | %d of %d | %d | %.2f | %.1f | %.1f | %s | %s | %s |", name, float64(r.kernel.requests)/r.wall.Seconds(), r.lost, r.sent, really,
		r.cpu.Seconds()/r.wall.Seconds(), float64(r.perPacket())/1e3, float64(r.peak)/1024, dash(r.p50), dash(r.p99), stamps)
}
