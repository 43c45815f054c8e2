package main

import (
	"cmp"
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
)

// host is what the figures depend on besides the proxies.
type host struct {
	Kernel   string    `json:"kernel"`
	CPU      string    `json:"cpu"`
	Cores    int       `json:"cores"`
	Pinned   string    `json:"pinned,omitempty"`
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
