package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// processStart is when the benchmark began.
var processStart = time.Now()

// bench is one run of the program: where things are and what has to be ended.
type bench struct {
	options options
	// root is the source tree; bin holds what is built from it; data is on
	// tmpfs where there is one and holds configurations, logs and bodies.
	root, bin, data string
	wrk             string
	origin          string
	originName      string
	pin             pinning
	// maxConns is what the descriptor limit lets a proxy hold.
	maxConns int
	children map[*running]bool
	atExit   []func()
	started  int
}

// contender is a peer whose program was found.
type contender struct {
	peer
	binary, shown string
}

// running is a program that was started and answers.
type running struct {
	name, addr string
	child      *child
}

// failure adds which program failed, and the end of its log, to an error.
func (r *running) failure(err error) error {
	return fmt.Errorf("%s: %w\n%s", r.name, err, r.child.logTail())
}

// newBench finds the source tree and makes the temporary directories.
func newBench(ctx context.Context, o options) (*bench, error) {
	b := &bench{options: o, children: map[*running]bool{}}
	module, err := output(ctx, "", nil, "go", "env", "GOMOD")
	if err != nil {
		return nil, err
	}
	module = strings.TrimSpace(module)
	if filepath.Base(module) != "go.mod" {
		return nil, errors.New("run it inside the source tree: go run ./bench")
	}
	b.root = filepath.Dir(module)
	if err := b.fitLimit(); err != nil {
		return nil, err
	}
	if b.bin, err = os.MkdirTemp("", "ringway-bench-bin-"); err != nil {
		return nil, err
	}
	b.atExit = append(b.atExit, func() { os.RemoveAll(b.bin) })
	// Files there must not be executed on many systems, hence two directories.
	if b.data, err = os.MkdirTemp("/dev/shm", "ringway-bench-"); err != nil {
		b.data, err = os.MkdirTemp("", "ringway-bench-")
	}
	if err != nil {
		b.close()
		return nil, err
	}
	b.atExit = append(b.atExit, func() { os.RemoveAll(b.data) })
	return b, nil
}

// fitLimit lowers the number of idle connections to what the limit on open
// descriptors allows a proxy that opens one upstream for each.
func (b *bench) fitLimit() error {
	const spare, loads = 256, 1024
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit on open files: %w", err)
	}
	most := int(min(limit.Max, 1<<20)-spare) / 2
	if most < 2*loads {
		return fmt.Errorf("the limit on open files is %d, need %d: ulimit -Hn", limit.Max, 4*loads+spare)
	}
	if b.options.idleConns > most-loads {
		b.progress("idle connections lowered from %d to %d by the limit on open files", b.options.idleConns, most-loads)
		b.options.idleConns = most - loads
	}
	b.maxConns = b.options.idleConns + loads
	return nil
}

// close ends all children and removes all files.
func (b *bench) close() {
	for p := range b.children {
		b.stop(p)
	}
	for i := len(b.atExit) - 1; i >= 0; i-- {
		b.atExit[i]()
	}
}

// progress tells the user on stderr what happens.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%7.1fs  %s\n", time.Since(processStart).Seconds(), fmt.Sprintf(format, args...))
}

// find returns the peers of a field whose programs are there, and says how to
// get those that are not.
func (b *bench) find(ctx context.Context, f field) ([]contender, error) {
	var found []contender
	for _, p := range f.peers(b.options) {
		if !b.options.takes(p.name) {
			continue
		}
		binary, err := p.locate(ctx, b)
		if errors.As(err, new(absentError)) {
			b.progress("going on without %s: %v", p.name, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		shown := ""
		if p.version != nil {
			if shown, err = p.version(ctx, binary); err != nil {
				return nil, err
			}
		}
		found = append(found, contender{p, binary, shown})
	}
	if len(found) == 0 {
		b.progress("no %s to measure", f.what)
	}
	return found, nil
}

// freePort returns an address on loopback nobody listens on.
func freePort() (addr string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// start runs a program and waits until it serves what it should: one that
// answers wrongly is not measured. Prepare, if not nil, runs once the directory
// is there.
func (b *bench) start(ctx context.Context, c contender, prepare func(site) error) (*running, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	b.started++
	dir := filepath.Join(b.data, fmt.Sprintf("%s-%d", c.name, b.started))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	s := site{
		Dir: dir, File: filepath.Join(dir, "config"),
		Listen: addr, Origin: b.origin,
		MaxConns: b.maxConns, Root: os.Geteuid() == 0,
	}
	for _, f := range []func(site) error{c.prepare, prepare} {
		if f == nil {
			continue
		}
		if err := f(s); err != nil {
			return nil, err
		}
	}
	if c.config != "" {
		if err := s.write(c.config); err != nil {
			return nil, err
		}
	}
	// Homes inside the directory keep what a program saves out of the user's.
	env := append([]string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, c.env...)
	argv := b.pin.command(c.beside, c.binary, c.args(s)...)
	child, err := startChild(filepath.Join(dir, "log"), dir, env, argv[0], argv[1:]...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	p := &running{name: c.name, addr: addr, child: child}
	b.children[p] = true
	if err := p.await(ctx, b, c.check); err != nil {
		err = p.failure(err)
		b.stop(p)
		return nil, err
	}
	return p, nil
}

// stop ends a program that start returned.
func (b *bench) stop(p *running) {
	p.child.stop()
	delete(b.children, p)
}

// startTimeout is how long a program may take until it answers.
const startTimeout = 15 * time.Second

// await polls until the program listens, then checks what it serves.
func (p *running) await(ctx context.Context, b *bench, check func(context.Context, *bench, string) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := net.DialTimeout("tcp", p.addr, time.Second)
		if err == nil {
			conn.Close()
			break
		}
		if p.child.exited() {
			return errors.New("ended while it was started")
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("does not listen: %w", err)
		}
	}
	if check == nil {
		return nil
	}
	return check(ctx, b, p.addr)
}

// checkBodies demands every body as the origin has it.
func checkBodies(ctx context.Context, _ *bench, addr string) error {
	// A client of its own: a shared pool would keep connections to programs
	// that are gone.
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for path, want := range bodies() {
		if err := checkBody(ctx, client, "http://"+addr+path, want); err != nil {
			return err
		}
	}
	return nil
}

// checkBody fetches a URL and compares it with the body that should come.
func checkBody(ctx context.Context, client *http.Client, url string, want []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK || !bytes.Equal(got, want) {
		return fmt.Errorf("%s: got %s with %d bytes, want 200 with the origin's %d bytes",
			url, response.Status, len(got), len(want))
	}
	return nil
}

// firstLine is the first line of an error that may have many.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
