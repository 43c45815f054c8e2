package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// pinning keeps the proxies on one CPU and what works for them on the others,
// so that the scheduler's choices do not show in the figures. The zero value
// leaves all to the scheduler.
type pinning struct {
	taskset string
	proxy   int
	others  []int
}

// newPinning picks the last CPU this process may use for the proxies: the
// first one tends to serve the machine's interrupts.
func newPinning(ctx context.Context, b *bench) (pinning, error) {
	taskset, err := installed("taskset", "util-linux")(ctx, b)
	if err != nil {
		return pinning{}, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return pinning{}, err
	}
	cpus, err := allowedCPUs(string(status))
	if err != nil {
		return pinning{}, err
	}
	if len(cpus) < 2 {
		return pinning{}, fmt.Errorf("-pin needs two CPUs, may use %v", cpus)
	}
	last := len(cpus) - 1
	return pinning{taskset: taskset, proxy: cpus[last], others: cpus[:last]}, nil
}

// command returns the words that run a program on the CPUs of its side:
// beside the proxies, or as one.
func (p pinning) command(beside bool, program string, args ...string) []string {
	words := append([]string{program}, args...)
	if p.taskset == "" {
		return words
	}
	cpus := []int{p.proxy}
	if beside {
		cpus = p.others
	}
	return append([]string{p.taskset, "-c", cpuList(cpus)}, words...)
}

// String tells the report's reader who ran where.
func (p pinning) String() string {
	if p.taskset == "" {
		return ""
	}
	return fmt.Sprintf("proxies on CPU %d, origin and load on CPU %s", p.proxy, cpuList(p.others))
}

// cpuList writes CPUs the way taskset reads them.
func cpuList(cpus []int) string {
	words := make([]string, len(cpus))
	for i, cpu := range cpus {
		words[i] = strconv.Itoa(cpu)
	}
	return strings.Join(words, ",")
}

// maxCPUs bounds the list of CPUs; Linux is built for 8192 at most.
const maxCPUs = 8192

// allowedCPUs reads the CPUs a process may use from /proc/PID/status, see
// cpuset(7) for the list format: "0-3,8,10-11".
func allowedCPUs(status string) ([]int, error) {
	const key = "Cpus_allowed_list:"
	for line := range strings.Lines(status) {
		list, found := strings.CutPrefix(line, key)
		if !found {
			continue
		}
		var cpus []int
		for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
			low, high, isRange := strings.Cut(part, "-")
			if !isRange {
				high = low
			}
			first, err := strconv.ParseUint(low, 10, 16)
			if err != nil {
				return nil, fmt.Errorf("%s %w", key, err)
			}
			last, err := strconv.ParseUint(high, 10, 16)
			if err != nil {
				return nil, fmt.Errorf("%s %w", key, err)
			}
			if last < first || last >= maxCPUs {
				return nil, fmt.Errorf("%s bad range %q", key, part)
			}
			for cpu := first; cpu <= last; cpu++ {
				cpus = append(cpus, int(cpu))
			}
		}
		slices.Sort(cpus)
		return slices.Compact(cpus), nil
	}
	return nil, errors.New("no " + key + " line")
}
