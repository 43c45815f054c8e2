package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// peer is a proxy, and one way of changing it while it runs.
type peer struct {
	name     string // of the program
	change   string // what is done to it again and again
	deadline string // how long old processes may live, in seconds; empty for what the program does by default
	config   string // template
	args     func(s site, file string) []string
	do       func(p *proxy) error
}

// peers is the table of what is compared.
func peers() (all []peer) {
	ringway := peer{name: "ringway", config: ringwayConfig, args: func(_ site, file string) []string { return []string{"run", "-c", file} }}
	for _, c := range []struct {
		change string
		do     func(*proxy) error
	}{{"reload, SIGHUP", signalMaster(syscall.SIGHUP)}, {"upgrade, SIGUSR2", signalMaster(syscall.SIGUSR2)}} {
		p := ringway
		p.change, p.do, p.deadline = c.change, c.do, "10"
		all = append(all, p)
	}
	for _, deadline := range []string{"", "10"} {
		nginx := peer{name: "nginx", config: nginxConfig, deadline: deadline, args: func(s site, file string) []string { return []string{"-p", s.Dir, "-c", file} }}
		haproxy := peer{name: "haproxy", config: haproxyConfig, deadline: deadline, args: func(_ site, file string) []string { return []string{"-W", "-q", "-f", file} }}
		for _, c := range []struct {
			of     peer
			change string
			do     func(*proxy) error
		}{
			{nginx, "reload, SIGHUP", signalMaster(syscall.SIGHUP)}, {nginx, "upgrade, SIGUSR2 and SIGQUIT", upgradeNginx},
			{haproxy, "reload, SIGUSR2", signalMaster(syscall.SIGUSR2)}, // which starts the program on disk as well
		} {
			p := c.of
			p.change, p.do = c.change, c.do
			all = append(all, p)
		}
	}
	return all
}

// signalMaster is for programs that need a signal and nothing more.
func signalMaster(s syscall.Signal) func(*proxy) error {
	return func(p *proxy) error {
		pid, err := p.master()
		if err != nil {
			return err
		}
		return syscall.Kill(pid, s)
	}
}

// errNotDone says that a proxy did not do as it was told.
var errNotDone = errors.New("it was not done")

// upgradeNginx has nginx start its successor, waits until that serves, and ends the old one gracefully, as nginx's manual says. While
// one that was so ended lives, because of its last connections, nginx takes no other upgrade.
func upgradeNginx(p *proxy) error {
	old, err := p.master()
	if err != nil {
		return err
	}
	if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
		return err
	}
	for limit := time.Now().Add(upgradeLimit); ; time.Sleep(10 * time.Millisecond) {
		now, err := p.master()
		if err == nil && now != old && len(children(now)) >= 2 {
			break
		}
		if time.Now().After(limit) {
			return errNotDone
		}
	}
	return syscall.Kill(old, syscall.SIGQUIT)
}

// upgradeLimit is how long nginx may take to start its successor, which it otherwise does in some 50 ms.
const upgradeLimit = time.Second

// settle is how long a proxy may take to be there.
const settle = 10 * time.Second

// proxy is a peer that runs.
type proxy struct {
	peer
	site
	program string
	log     *os.File
	started map[int]bool // every process that was seen of it
}

// begin starts the proxy. It becomes a daemon or stays a child; either way its PID file says whom to signal.
func (p *proxy) begin() error {
	file := filepath.Join(p.Dir, "config")
	if err := p.write(file, p.config); err != nil {
		return err
	}
	var err error
	if p.log, err = os.Create(filepath.Join(p.Dir, "log")); err != nil {
		return err
	}
	cmd := exec.Command(p.program, p.args(p.site, file)...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // its log says how it ended
	for limit := time.Now().Add(settle); ; time.Sleep(20 * time.Millisecond) {
		if _, err := p.master(); err == nil && answers(p.Web) && (!p.Relays || answers(p.site.Relay)) {
			return nil
		}
		if time.Now().After(limit) {
			text, _ := os.ReadFile(p.log.Name())
			return fmt.Errorf("%s does not serve:\n%s", p.name, text)
		}
	}
}

// master is the process that is signalled.
func (p *proxy) master() (int, error) {
	text, err := os.ReadFile(filepath.Join(p.Dir, "pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return strconv.Atoi(first)
}

// processes are those of the proxy that live: the master's family, and what was seen of it before, since old ones may have been
// taken in by process 1.
func (p *proxy) processes() (alive []int) {
	if pid, err := p.master(); err == nil {
		p.see(pid)
	}
	for pid := range p.started {
		if ofProgram(pid, p.program) {
			alive = append(alive, pid)
		} else {
			delete(p.started, pid)
		}
	}
	return alive
}

func (p *proxy) see(pid int) {
	p.started[pid] = true
	for _, c := range children(pid) {
		p.see(c)
	}
}

// end ends every process of the proxy.
func (p *proxy) end() {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for _, pid := range p.processes() {
			_ = syscall.Kill(pid, s) // it may have ended
		}
		for limit := time.Now().Add(time.Second); len(p.processes()) > 0 && time.Now().Before(limit); {
			time.Sleep(20 * time.Millisecond)
		}
	}
	p.log.Close()
}

// children are those of a process, by what the kernel keeps of each of its threads.
func children(pid int) (all []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f) // it may have ended
		for word := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(word); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

// ofProgram reports whether a process lives and runs the program, not another one by the same number.
func ofProgram(pid int, program string) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && strings.HasPrefix(filepath.Base(exe), filepath.Base(program))
}
