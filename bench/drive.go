package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// messages is a load of bench/messages: one message in flight on each
// connection, and how long it and its answer are.
type messages struct {
	unit          string
	send, receive int
}

// unit is what the load's costs are for.
func (l load) unit() string {
	if l.messages != nil {
		return l.messages.unit
	}
	if l.offers != "" {
		return "handshake"
	}
	return "request"
}

// drive is a run of bench/messages whose connections stand.
type drive struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors bytes.Buffer
}

// startDrive starts the program and returns when it has connected.
func (b *bench) startDrive(ctx context.Context, addr string, l load, duration time.Duration) (*drive, error) {
	binary, err := built("./bench/messages")(ctx, b)
	if err != nil {
		return nil, err
	}
	argv := b.pin.command(true, binary, "drive", "-to", addr, "-connections", fmt.Sprint(l.conns), "-for", duration.String(),
		"-send", fmt.Sprint(l.messages.send), "-receive", fmt.Sprint(l.messages.receive))
	d := &drive{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...)}
	d.cmd.SysProcAttr = ownGroup(syscall.SIGKILL)
	d.cmd.Stderr = &d.errors
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.out = bufio.NewReader(out)
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	if line, err := d.out.ReadString('\n'); err != nil || line != "connected\n" {
		d.end()
		return nil, fmt.Errorf("the load did not connect: %s", strings.TrimSpace(d.errors.String()))
	}
	return d, nil
}

// result lets it go, and waits for what comes of it.
func (d *drive) result() (wrkResult, error) {
	if _, err := io.WriteString(d.in, "\n"); err != nil {
		return wrkResult{}, err
	}
	var r struct {
		Messages int64         `json:"messages"`
		Elapsed  time.Duration `json:"elapsed_ns"`
		P50      time.Duration `json:"p50_ns"`
		P99      time.Duration `json:"p99_ns"`
	}
	line, err := d.out.ReadBytes('\n')
	if err != nil {
		d.end() // its errors are complete then
		return wrkResult{}, errors.New(strings.TrimSpace(d.errors.String()))
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return wrkResult{}, err
	}
	return wrkResult{requests: r.Messages, perSecond: float64(r.Messages) / r.Elapsed.Seconds(), p50: r.P50, p99: r.P99}, nil
}

// end closes the connections and waits for the program. It may be called again.
func (d *drive) end() {
	_ = d.in.Close()
	_ = d.cmd.Wait() // what went wrong was told before
}

// exchangeMessages runs a load of messages and returns the CPU time the peer
// spent between the first message and the last.
func (b *bench) exchangeMessages(ctx context.Context, p *running, l load, duration time.Duration) (cpuTime, wrkResult, error) {
	d, err := b.startDrive(ctx, p.addr, l, duration)
	if err != nil {
		return cpuTime{}, wrkResult{}, err
	}
	defer d.end()
	var result wrkResult
	cpu, err := p.spent(func() (err error) {
		result, err = d.result()
		return err
	})
	return cpu, result, err
}
