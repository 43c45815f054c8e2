package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStopEndsWholeTree stops a child that ignores SIGTERM, with a grandchild
// in the same group and one that made a session of its own.
func TestStopEndsWholeTree(t *testing.T) {
	dir := t.TempDir()
	script := "trap '' TERM; sleep 60 & setsid sleep 60 & echo $! > pid; sleep 60; sleep 60"
	c, err := startChild(filepath.Join(dir, "log"), dir, nil, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	var tree []procStat
	for deadline := time.Now().Add(5 * time.Second); len(tree) < 4; time.Sleep(10 * time.Millisecond) {
		if tree, err = readTree(c.pid()); err != nil || time.Now().After(deadline) {
			t.Fatalf("tree = %+v, %v; want 4 processes", tree, err)
		}
	}
	if c.exited() {
		t.Fatal("exited before it was stopped")
	}
	c.stop()
	if !c.exited() {
		t.Error("not exited after stop")
	}
	for _, stat := range tree {
		// A killed orphan is a zombie until init reaps it.
		for deadline := time.Now().Add(5 * time.Second); runsForReal(stat); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("process %d outlived stop", stat.pid)
				break
			}
		}
	}
}

// runsForReal is stillRuns less zombies.
func runsForReal(stat procStat) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(stat.pid) + "/stat")
	return err == nil && stillRuns(stat) && !strings.Contains(string(line), ") Z ")
}

func TestOutputEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := output(ctx, "", nil, "sh", "-c", "sleep 60; echo late")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("output = %v, want the context's error", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("output took %v", took)
	}
}

func TestOutputTellsWhatFailed(t *testing.T) {
	_, err := output(t.Context(), "", nil, "sh", "-c", "echo no such thing >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("output = %v, want an error with what was printed", err)
	}
}
