package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// host is what the figures depend on besides the proxies.
type host struct {
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Pinned string `json:"pinned,omitempty"`
	// Load is /proc/loadavg's first figure before the first measurement: what
	// else the machine does. Where that is as much as it has cores, servers are
	// kept waiting, find more messages at once, and their packets are handled on
	// others' account, so that even ratios drift.
	Load     float64   `json:"load"`
	Go       string    `json:"go"`
	Revision string    `json:"revision"`
	Origin   string    `json:"origin,omitempty"`
	Wrk      string    `json:"wrk,omitempty"`
	Peers    []version `json:"peers"`
}

// version is a peer and the version it printed.
type version struct {
	Peer    string `json:"peer"`
	Version string `json:"version"`
}

// describe collects the host's description.
func (b *bench) describe(ctx context.Context) (host, error) {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return host{}, err
	}
	cpus, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return host{}, err
	}
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return host{}, err
	}
	load, err := loadAverage(string(text))
	if err != nil {
		return host{}, err
	}
	wrk := ""
	if b.wrk != "" {
		if wrk, err = printed("-v")(ctx, b.wrk); err != nil {
			return host{}, err
		}
	}
	h := host{
		Kernel: strings.TrimSpace(string(kernel)),
		CPU:    cpuModel(string(cpus)),
		Cores:  runtime.NumCPU(),
		Pinned: b.pin.String(),
		Load:   load,
		Go:     runtime.Version(),
		Wrk:    wrk,
	}
	// A tree that was unpacked from an archive has no revision; that is no
	// reason not to measure it.
	h.Revision = "unknown"
	if text, err := output(ctx, b.root, nil, "git", "describe", "--always", "--dirty"); err == nil {
		h.Revision = strings.TrimSpace(text)
	}
	return h, nil
}

// add notes the versions of peers, each peer once.
func (h *host) add(contenders []contender) {
	for _, c := range contenders {
		v := version{c.name, cmp.Or(c.shown, "revision "+h.Revision)}
		if !slices.Contains(h.Peers, v) {
			h.Peers = append(h.Peers, v)
		}
	}
}

// loadAverage reads the average of the last minute from /proc/loadavg.
func loadAverage(text string) (float64, error) {
	first, _, found := strings.Cut(text, " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil || !found {
		return 0, fmt.Errorf("/proc/loadavg is %q", text)
	}
	return load, nil
}

// cpuModel reads the processor's name from /proc/cpuinfo. Kernels for ARM do
// not print one: there the architecture has to do.
func cpuModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
