package main

import (
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// icmpCounts are the kernel's own counts of echo messages that arrived (RFC 4293, /proc/net/snmp).
type icmpCounts struct{ requests, replies uint64 }

func (c icmpCounts) since(earlier icmpCounts) icmpCounts {
	return icmpCounts{c.requests - earlier.requests, c.replies - earlier.replies}
}

// parseSNMP reads the two lines that begin with Icmp: names, then values.
func parseSNMP(text string) (c icmpCounts, err error) {
	var names []string
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "Icmp:")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if names == nil {
			names = fields
			continue
		}
		if len(fields) != len(names) {
			return c, fmt.Errorf("%d names and %d values", len(names), len(fields))
		}
		found := 0
		for i, name := range names {
			var into *uint64
			switch name {
			case "InEchos":
				into = &c.requests
			case "InEchoReps":
				into = &c.replies
			default:
				continue
			}
			if *into, err = strconv.ParseUint(fields[i], 10, 64); err != nil {
				return c, err
			}
			found++
		}
		if found == 2 {
			return c, nil
		}
	}
	return c, fmt.Errorf("no Icmp lines with InEchos and InEchoReps")
}

func readSNMP(dir, name string) (icmpCounts, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return icmpCounts{}, err
	}
	return parseSNMP(string(text))
}

// peakMemory reads the largest resident memory so far, in KiB, from /proc/PID/status; nought if the process is gone.
func peakMemory(pid string) (kib int64) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib
		}
	}
	return 0
}

// addresses are those of a range, both ends included.
func addresses(r string) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		from, to, _ := strings.Cut(r, "-")
		last := netip.MustParseAddr(to)
		for a := netip.MustParseAddr(from); yield(a) && a != last; a = a.Next() {
		}
	}
}
