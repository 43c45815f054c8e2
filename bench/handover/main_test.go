package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/bench/handover/clients"
	"github.com/ringway/ringway/gateway"
)

// TestRingwayConfig: what Ringway is measured with is valid, and differs from one turn to the next.
func TestRingwayConfig(t *testing.T) {
	s := site{Dir: t.TempDir(), Web: "127.0.0.1:1", Relay: "127.0.0.1:2", Origin: "127.0.0.1:3", Echo: "127.0.0.1:4", Deadline: "10"}
	var texts []string
	for s.Turn = range 2 {
		file := filepath.Join(s.Dir, "config")
		if err := s.write(file, ringwayConfig); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gateway.Load(file, text); err != nil {
			t.Error(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] == texts[1] {
		t.Error("a reload would change nothing")
	}
}

// TestDeadline: old processes are given one only where the row says so.
func TestDeadline(t *testing.T) {
	for name, c := range map[string]struct{ config, key string }{"nginx": {nginxConfig, "worker_shutdown_timeout 7s"}, "haproxy": {haproxyConfig, "hard-stop-after 7s"}} {
		for _, deadline := range []string{"", "7"} {
			file := filepath.Join(t.TempDir(), "config")
			if err := (site{Deadline: deadline}).write(file, c.config); err != nil {
				t.Fatal(err)
			}
			text, _ := os.ReadFile(file)
			if strings.Contains(string(text), c.key) != (deadline != "") {
				t.Errorf("%s with %q:\n%s", name, deadline, text)
			}
		}
	}
}

// TestProcesses: children of a process are found, and one that has ended is none of the program's.
func TestProcesses(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(sleep, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if !slices.Contains(children(os.Getpid()), pid) {
		t.Errorf("%d is not among %v", pid, children(os.Getpid()))
	}
	exe, err := filepath.EvalSymlinks(sleep)
	if err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(5 * time.Second); !ofProgram(pid, exe); time.Sleep(10 * time.Millisecond) { // it is this program until its exec
		if time.Now().After(limit) {
			t.Fatalf("%d does not run %s", pid, exe)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if ofProgram(pid, exe) {
		t.Error("it is taken for alive")
	}
}

// TestRow: a row tells changes that were refused, and relays that could not be had.
func TestRow(t *testing.T) {
	r := row{peer: peer{name: "nginx", change: "upgrade"}, asked: 3, changes: 1, processes: 6, Load: new(clients.Load)}
	r.KeepAlive.Done.Add(5)
	r.Fresh.Failed.Add(2)
	r.Tunnels.Failed.Add(50)
	if got, want := r.String(), "| nginx | upgrade | as long as they like | 1 of 3 | 5 | 2 | 0 | 0 | 0 | 50 | – | 6 |"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
