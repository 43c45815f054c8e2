package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// stopTimeout is how long a child may take to end on SIGTERM before its
// process group is killed.
const stopTimeout = 3 * time.Second

// child is a program that runs beside the benchmark, with all it forks.
type child struct {
	cmd *exec.Cmd
	log string
	// done is closed once the child was waited for.
	done chan struct{}
}

// ownGroup puts a child into a process group of its own: it can be killed
// whole, and Ctrl-C on the terminal reaches the benchmark only, which then ends
// its children in order. The death signal covers the case that the benchmark
// itself is killed. It is tied to the thread that forks, therefore main stays
// locked to its thread and starts every child.
func ownGroup(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}

// startChild starts a program whose output goes to the file log.
func startChild(log, dir string, env []string, program string, args ...string) (*child, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = ownGroup(syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		// How it ended matters only while it should run, and is told by then:
		// exited says so, and its log has the reason.
		_ = cmd.Wait()
	}()
	return c, nil
}

// pid is the process all others of the child descend from.
func (c *child) pid() int { return c.cmd.Process.Pid }

// exited says whether the child has ended.
func (c *child) exited() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// logTail returns the end of what the child printed, for error messages.
func (c *child) logTail() string {
	const most = 2000
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return string(bytes.TrimSpace(text))
}

// stop ends the child and all it forked: SIGTERM first, SIGKILL for what is
// left. Descendants that left the group are found by the tree read before.
func (c *child) stop() {
	tree, _ := readTree(c.pid()) // It may be gone: then the group is all there is.
	_ = syscall.Kill(-c.pid(), syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(stopTimeout):
	}
	_ = syscall.Kill(-c.pid(), syscall.SIGKILL)
	for _, stat := range tree {
		if stat.pid != c.pid() && stillRuns(stat) {
			_ = syscall.Kill(stat.pid, syscall.SIGKILL)
		}
	}
	<-c.done
}

// stillRuns says whether the process is there and has not given its pid to
// another one.
func stillRuns(was procStat) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", was.pid))
	if err != nil {
		return false
	}
	now, err := parseStat(line)
	return err == nil && now.started == was.started
}

// output runs a program to its end and returns what it printed on either
// stream. It is killed, with all it forked, when the context ends.
func output(ctx context.Context, dir string, env []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = ownGroup(syscall.SIGKILL)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(text), fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(text))
	}
	return string(text), err
}
