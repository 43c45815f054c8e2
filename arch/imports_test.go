package arch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const unix = "golang.org/x/sys/unix"

// pureStaysPure keeps codecs, expressions and the configuration free of I/O: they can then be fuzzed, reused and read
// without the runtime.
func pureStaysPure(tree []pkg) (faults []string) {
	for _, p := range tree {
		if !underAny(p.ImportPath, "proto", "rule", "config") {
			continue
		}
		for _, path := range slices.Concat(p.Deps, p.TestImports, p.XTestImports) {
			if underAny(path, "loop", "conn", "sys") {
				faults = append(faults, fmt.Sprintf("%s reaches %s; it is to work without the runtime", p.ImportPath, path))
			}
		}
	}
	return faults
}

// loopKnowsNoDriver leaves the choice of a driver to the worker. The conformance kit in loop/drivertest is given its
// driver as well.
func loopKnowsNoDriver(tree []pkg) (faults []string) {
	for _, p := range tree {
		if p.ImportPath != "loop" && p.ImportPath != "loop/drivertest" {
			continue
		}
		for _, path := range p.Deps {
			if underAny(path, "loop/uring", "loop/epoll", "loop/sim", "sys/uring", "sys/epoll") {
				faults = append(faults, fmt.Sprintf("%s reaches %s; drivers are given to it", p.ImportPath, path))
			}
		}
	}
	return faults
}

// foundationsStandAlone keeps what everybody imports from importing anybody.
func foundationsStandAlone(tree []pkg) (faults []string) {
	own := map[string]bool{}
	for _, p := range tree {
		own[p.ImportPath] = true
	}
	for _, p := range tree {
		if !underAny(p.ImportPath, "lockfree", "buf", "errs") {
			continue
		}
		for _, path := range p.Deps {
			if own[path] {
				faults = append(faults, fmt.Sprintf("%s imports %s; it may import nothing of ours", p.ImportPath, path))
			}
		}
	}
	return faults
}

// unixOnlyInSys keeps the kernel's ABI, and raw error numbers with it, behind package sys; tests included.
func unixOnlyInSys(tree []pkg) (faults []string) {
	for _, p := range tree {
		if !under(p.ImportPath, "sys") && slices.Contains(slices.Concat(p.Imports, p.TestImports, p.XTestImports), unix) {
			faults = append(faults, fmt.Sprintf("%s imports %s; add what is missing to package sys", p.ImportPath, unix))
		}
	}
	return faults
}

// syscallUsers are the packages outside sys that may import the standard library's syscall, and what for. Tests may
// always: they play the hostile peer.
var syscallUsers = map[string]string{
	"buf":               "maps its blocks outside the Go heap, and imports nothing of ours, so not sys either",
	"loop":              "compares thread ids, to catch use from another thread",
	"loop/drivertest":   "is a test, though in a package of its own: it drives raw sockets against a driver",
	"loop/epoll":        "turns the error of a system call into a result, which is a negative error number",
	"cli":               "names the signals",
	"observe/accesslog": "duplicates stdout's descriptor without a child inheriting it",
	"observe/admin":     "tells a stale Unix socket by the refusal of a connection",
	"bench":             "names signals, and ends child processes with itself",
	"bench/bare":        "names the signals",
	"bench/handover":    "names signals, and sends them to proxies",
}

func syscallOnlyWhereArgued(tree []pkg) (faults []string) {
	unused := maps.Clone(syscallUsers)
	for _, p := range tree {
		if under(p.ImportPath, "sys") || !slices.Contains(p.Imports, "syscall") {
			continue
		}
		if _, ok := syscallUsers[p.ImportPath]; !ok {
			faults = append(faults, fmt.Sprintf("%s imports syscall; use package sys, or argue it in syscallUsers", p.ImportPath))
		}
		delete(unused, p.ImportPath)
	}
	for _, path := range slices.Sorted(maps.Keys(unused)) {
		faults = append(faults, fmt.Sprintf("%s does not import syscall any more; take it out of syscallUsers", path))
	}
	return faults
}

// leavesAreLeaves keeps the ends of the graph at its end, so that a library never drags a program in.
func leavesAreLeaves(tree []pkg) (faults []string) {
	for _, p := range tree {
		for _, path := range p.Imports {
			switch {
			case path == "cli" && p.ImportPath != "cmd/ringway",
				underAny(path, "arch", "bench", "test", "cmd") && !under(p.ImportPath, strings.Split(path, "/")[0]),
				path == "loop/drivertest":
				faults = append(faults, fmt.Sprintf("%s imports %s, which is nobody's library", p.ImportPath, path))
			}
		}
	}
	return faults
}
