package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ is 100 in the ABI
// of every architecture Go runs on, whatever CONFIG_HZ is.
const tick = 10 * time.Millisecond

// procStat is what the benchmark needs of one line of /proc/PID/stat, see
// proc_pid_stat(5). Times cover all threads, dead ones included.
type procStat struct {
	pid, parent int
	// user and system are the process's own; reapedUser and reapedSystem belong
	// to children it has waited for, so that a worker that ends between two
	// readings moves its time and does not lose it.
	user, system             time.Duration
	reapedUser, reapedSystem time.Duration
	// started is the start in ticks since boot. With the pid it names one
	// process for good: pids are used again.
	started uint64
}

// cpuTime is CPU time split the way the kernel splits it.
type cpuTime struct {
	user, system time.Duration
}

// since returns the time spent from the earlier reading to this one.
func (c cpuTime) since(earlier cpuTime) cpuTime {
	return cpuTime{user: c.user - earlier.user, system: c.system - earlier.system}
}

// errStat is wrapped by every error of parseStat.
var errStat = errors.New("malformed /proc/PID/stat line")

// parseStat reads one line of /proc/PID/stat. The name in parentheses may hold
// spaces and parentheses itself, so the last one ends it.
func parseStat(line []byte) (procStat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 1 || end < open {
		return procStat{}, fmt.Errorf("%w: no name in parentheses", errStat)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(line[:open])))
	if err != nil {
		return procStat{}, fmt.Errorf("%w: pid: %w", errStat, err)
	}
	// rest[0] is field 3 of the manual page, the state.
	rest := strings.Fields(string(line[end+1:]))
	const first = 3
	number := func(field int) (value uint64) {
		if err != nil {
			return 0
		}
		if field-first >= len(rest) {
			err = fmt.Errorf("ends before field %d", field)
			return 0
		}
		value, err = strconv.ParseUint(rest[field-first], 10, 63)
		return value
	}
	ticks := func(field int) time.Duration { return time.Duration(number(field)) * tick }
	stat := procStat{
		pid: pid, parent: int(number(4)),
		user: ticks(14), system: ticks(15),
		reapedUser: ticks(16), reapedSystem: ticks(17),
		started: number(22),
	}
	if err != nil {
		return procStat{}, fmt.Errorf("%w: %w", errStat, err)
	}
	return stat, nil
}

// readTree returns the process root and all that descend from it, root first.
// A process that ends while /proc is being read is left out.
func readTree(root int) ([]procStat, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var all []procStat
	for _, file := range files {
		line, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return nil, err
		}
		stat, err := parseStat(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, stat)
	}
	tree := treeOf(root, all)
	if len(tree) == 0 {
		return nil, fmt.Errorf("process %d is gone", root)
	}
	return tree, nil
}

// treeOf picks root and its descendants out of all processes.
func treeOf(root int, all []procStat) []procStat {
	var tree []procStat
	if i := slices.IndexFunc(all, func(s procStat) bool { return s.pid == root }); i >= 0 {
		tree = append(tree, all[i])
	}
	// The slice grows while it is walked: each process adds its children.
	for i := 0; i < len(tree); i++ {
		for _, stat := range all {
			if stat.parent == tree[i].pid && stat.pid != tree[i].pid {
				tree = append(tree, stat)
			}
		}
	}
	return tree
}

// cpuOf adds up the CPU time of a tree of processes, reaped children included.
func cpuOf(tree []procStat) cpuTime {
	var sum cpuTime
	for _, stat := range tree {
		sum.user += stat.user + stat.reapedUser
		sum.system += stat.system + stat.reapedSystem
	}
	return sum
}

// spent returns the CPU time of a program, with all it forked, while f runs.
func (p *running) spent(f func() error) (cpuTime, error) {
	before, err := readTree(p.child.pid())
	if err != nil {
		return cpuTime{}, err
	}
	if err := f(); err != nil {
		return cpuTime{}, err
	}
	after, err := readTree(p.child.pid())
	return cpuOf(after).since(cpuOf(before)), err
}

// memory is the resident memory of a tree of processes in KiB. PSS counts a
// page that n processes share as 1/n in each.
type memory struct {
	rss, pss int64
}

// readMemory adds up the resident memory of the tree below root.
func readMemory(root int) (memory, error) {
	tree, err := readTree(root)
	if err != nil {
		return memory{}, err
	}
	var sum memory
	for _, stat := range tree {
		file := fmt.Sprintf("/proc/%d/smaps_rollup", stat.pid)
		text, err := os.ReadFile(file)
		if err != nil {
			return memory{}, err
		}
		one, err := parseRollup(text)
		if err != nil {
			return memory{}, fmt.Errorf("%s: %w", file, err)
		}
		sum.rss += one.rss
		sum.pss += one.pss
	}
	return sum, nil
}

// parseRollup reads Rss and Pss from /proc/PID/smaps_rollup.
func parseRollup(text []byte) (memory, error) {
	var out memory
	found := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		var into *int64
		switch fields[0] {
		case "Rss:":
			into = &out.rss
		case "Pss:":
			into = &out.pss
		default:
			continue
		}
		value, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return memory{}, fmt.Errorf("%s %w", fields[0], err)
		}
		*into = value
		found++
	}
	if found != 2 {
		return memory{}, errors.New("no single Rss and Pss line")
	}
	return out, nil
}
