package main

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const nginxStat = "4711 (nginx) S 4700 4711 4700 0 -1 4194368 310 0 0 0 1234 5678 3 4 20 0 1 0 991122 11223344 812 18446744073709551615 1 1 0 0 0 0 0 4096 1256 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

func TestParseStat(t *testing.T) {
	want := procStat{
		pid: 4711, parent: 4700,
		user: 12340 * time.Millisecond, system: 56780 * time.Millisecond,
		reapedUser: 30 * time.Millisecond, reapedSystem: 40 * time.Millisecond,
		started: 991122,
	}
	tests := []struct{ name, line string }{
		{"plain", nginxStat},
		{"space in the name", strings.Replace(nginxStat, "(nginx)", "(nginx: worker)", 1)},
		{"parentheses in the name", strings.Replace(nginxStat, "(nginx)", "(a) R 1 (b))", 1)},
		{"line feed in the name", strings.Replace(nginxStat, "(nginx)", "(a\nb)", 1)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseStat([]byte(test.line))
			if err != nil || got != want {
				t.Errorf("parseStat = %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestParseStatRefuses(t *testing.T) {
	tests := []struct{ name, line string }{
		{"empty", ""},
		{"no name", "4711 nginx S 1"},
		{"no pid", "(nginx) S 1"},
		{"parentheses reversed", "4711 )nginx( S 1"},
		{"cut off", nginxStat[:60]},
		{"pid is no number", strings.Replace(nginxStat, "4711 (", "x (", 1)},
		{"time is no number", strings.Replace(nginxStat, "1234", "12x4", 1)},
		{"negative time", strings.Replace(nginxStat, "1234", "-234", 1)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := parseStat([]byte(test.line)); !errors.Is(err, errStat) {
				t.Errorf("parseStat = %+v, %v; want errStat", got, err)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(nginxStat))
	f.Add([]byte("1 (a) b) S 0"))
	f.Fuzz(func(t *testing.T, line []byte) {
		stat, err := parseStat(line)
		if err != nil && stat != (procStat{}) {
			t.Errorf("parseStat(%q) gave both %+v and %v", line, stat, err)
		}
	})
}

func TestTreeTakesDescendantsOnly(t *testing.T) {
	all := []procStat{
		{pid: 1},
		{pid: 30, parent: 20, user: 4 * tick},
		{pid: 10, parent: 1, user: tick, reapedSystem: 8 * tick},
		{pid: 20, parent: 10, user: 2 * tick, system: tick},
		{pid: 11, parent: 1, user: 100 * tick},
	}
	tree := treeOf(10, all)
	var pids []int
	for _, stat := range tree {
		pids = append(pids, stat.pid)
	}
	if want := []int{10, 20, 30}; !slices.Equal(pids, want) {
		t.Fatalf("tree = %v, want %v", pids, want)
	}
	if got, want := cpuOf(tree), (cpuTime{user: 7 * tick, system: 9 * tick}); got != want {
		t.Errorf("cpuOf = %+v, want %+v", got, want)
	}
	if tree := treeOf(99, all); tree != nil {
		t.Errorf("treeOf a pid that is not there = %+v, want none", tree)
	}
}

// TestTreeSeesChildsTime runs a shell whose child burns CPU and is reaped: the
// time must be found although the process that spent it is gone.
func TestTreeSeesChildsTime(t *testing.T) {
	shell := exec.Command("sh", "-c", "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; echo done; read x")
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); shell.Wait() }()
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	tree, err := readTree(shell.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if cpu := cpuOf(tree); cpu.user+cpu.system < 5*tick {
		t.Errorf("CPU time of the tree = %+v, want at least 50 ms", cpu)
	}
}

func TestParseRollup(t *testing.T) {
	const text = "558272524000-7fffc0f68000 ---p 00000000 00:00 0    [rollup]\nRss:                1812 kB\nPss:                 455 kB\nPss_Dirty:           116 kB\n"
	got, err := parseRollup([]byte(text))
	if want := (memory{rss: 1812, pss: 455}); err != nil || got != want {
		t.Errorf("parseRollup = %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "Rss: 12 kB\n", "Rss: x kB\nPss: 1 kB\n"} {
		if got, err := parseRollup([]byte(bad)); err == nil {
			t.Errorf("parseRollup(%q) = %+v, want an error", bad, got)
		}
	}
}

func TestReadMemoryOfThisProcess(t *testing.T) {
	got, err := readMemory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if got.rss < 1024 || got.pss <= 0 || got.pss > got.rss {
		t.Errorf("readMemory = %+v, want a Go program's size with PSS ≤ RSS", got)
	}
}
