package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/ringway/ringway/bench/handover/clients"
)

// bench is what all peers are measured with.
type bench struct {
	dir      string
	duration time.Duration
	every    time.Duration
	origin   string // of HTTP
	echo     string // of TCP
	stream   string // nginx's module, empty if there is none
	relays   bool   // nginx can relay
}

func main() {
	var b bench
	only := regexp.MustCompile("")
	flag.DurationVar(&b.duration, "duration", 30*time.Second, "time under load for each row")
	flag.DurationVar(&b.every, "every", 2*time.Second, "time from one change to the next")
	flag.Func("run", "measure the rows whose program and change match `REGEXP`", func(text string) (err error) {
		only, err = regexp.Compile(text)
		return err
	})
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := b.run(ctx, only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "handover:", err)
		os.Exit(1)
	}
}

// run is the order of work: find the programs, start the origins, put each peer under load and change it, print a row for each.
func (b *bench) run(ctx context.Context, only *regexp.Regexp) (err error) {
	if b.dir, err = os.MkdirTemp("", "ringway-handover-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	programs, err := b.programs()
	if err != nil {
		return err
	}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer web.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer tcp.Close()
	go func() { _ = http.Serve(web, clients.Origin()) }() // until it is closed
	go clients.ServeEcho(tcp)
	b.origin, b.echo = web.Addr().String(), tcp.Addr().String()
	b.head(programs)
	for i, p := range peers() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !only.MatchString(p.name + " " + p.change) {
			continue
		}
		r, err := b.measure(ctx, i, p, programs[p.name])
		if err != nil {
			return fmt.Errorf("%s, %s: %w", p.name, p.change, err)
		}
		fmt.Println(r)
	}
	return nil
}

// programs finds or builds what is compared.
func (b *bench) programs() (map[string]string, error) {
	all := map[string]string{"ringway": filepath.Join(b.dir, "ringway")}
	cmd := exec.Command("go", "build", "-o", all["ringway"], "github.com/ringway/ringway/cmd/ringway")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build ringway: %w\n%s", err, out)
	}
	for _, name := range []string{"nginx", "haproxy"} {
		path, err := exec.LookPath(name)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + name) // daemons are not on every user's path
		}
		if err != nil {
			return nil, fmt.Errorf("%s is not here: install the package %s", name, name)
		}
		all[name] = path
	}
	found, _ := filepath.Glob("/usr/lib*/nginx/modules/ngx_stream_module.so")
	if len(found) > 0 {
		b.stream = found[0]
	}
	out, _ := exec.Command(all["nginx"], "-V").CombinedOutput()
	b.relays = b.stream != "" || regexp.MustCompile(`--with-stream(\s|$)`).Match(out)
	return all, nil
}

// versionOf is the line in which a program says what it is.
func versionOf(program string, arg string) string {
	out, _ := exec.Command(program, arg).CombinedOutput() // what it printed counts
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	line, _, _ = strings.Cut(line, " - https")
	return strings.TrimPrefix(line, "nginx version: ")
}

// load is the clients of every row: those of issue and tests.
var load = clients.Numbers{KeepAlive: 64, Fresh: 4, Downloads: 2, Bytes: 100 << 20, Relays: 50, Tunnels: 50}

func (b *bench) head(programs map[string]string) {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // empty where there is none
	fmt.Printf("Linux %s, %d cores, %s. %v under load for each row, a change every %v.\n", strings.TrimSpace(string(kernel)), runtime.NumCPU(), runtime.Version(), b.duration, b.every)
	fmt.Printf("%s; %s; %s.\n", versionOf(programs["ringway"], "version"), versionOf(programs["nginx"], "-v"), versionOf(programs["haproxy"], "-v"))
	fmt.Printf("Clients: %d with keep-alive, %d with a connection for each request, %d downloads of 100 MiB, %d tunnels, %d TCP relays.\n", load.KeepAlive, load.Fresh, load.Downloads, load.Tunnels, load.Relays)
	if !b.relays {
		fmt.Println("This nginx relays no TCP: its module stream is not installed.")
	}
	fmt.Print("\n| proxy | change | old processes live | changes | requests | failed | of them between two requests | downloads | failed | tunnels cut | relays cut | processes at the end |\n" +
		"| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
}

// row is what came of one peer.
type row struct {
	peer
	relays    bool
	asked     int // changes that were asked for
	changes   int // that were made
	processes int
	*clients.Load
}

// String is a line of the table.
func (r row) String() string {
	relays := "–"
	if r.relays {
		relays = fmt.Sprint(r.Relays.Failed.Load())
	}
	lives := "as long as they like"
	if r.deadline != "" {
		lives = r.deadline + " s"
	}
	changes := fmt.Sprint(r.changes)
	if r.changes < r.asked {
		changes += fmt.Sprintf(" of %d", r.asked)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %d | %d | %d | %d | %d | %d | %s | %d |", r.name, r.change, lives, changes,
		r.KeepAlive.Done.Load()+r.Fresh.Done.Load(), r.KeepAlive.Failed.Load()+r.Fresh.Failed.Load(), r.Stale.Load(),
		r.Downloads.Done.Load(), r.Downloads.Failed.Load(), r.Tunnels.Failed.Load(), relays, r.processes)
}

// measure puts one peer under load and changes it again and again.
func (b *bench) measure(ctx context.Context, i int, p peer, program string) (r row, err error) {
	r = row{peer: p, relays: p.name != "nginx" || b.relays}
	s := site{Dir: filepath.Join(b.dir, fmt.Sprint(i)), Origin: b.origin, Echo: b.echo, Deadline: p.deadline, Stream: b.stream, Relays: r.relays}
	if err := os.Mkdir(s.Dir, 0o755); err != nil {
		return r, err
	}
	for _, address := range []*string{&s.Web, &s.Relay} {
		if *address, err = free(); err != nil {
			return r, err
		}
	}
	x := &proxy{peer: p, site: s, program: program, started: map[int]bool{}}
	defer func() {
		if x.log != nil {
			x.end()
		}
	}()
	if err := x.begin(); err != nil {
		return r, err
	}
	n := load
	if !r.relays {
		n.Relays = 0
	}
	r.Load = clients.Begin(clients.Target{Web: s.Web, Relay: s.Relay}, n)
	failed := b.change(ctx, x, &r)
	r.processes = len(x.processes())
	r.End()
	if text := r.Faults(); len(text) > 0 {
		fmt.Fprintf(os.Stderr, "%s, %s: the first faults:\n  %s\n", p.name, p.change, strings.Join(text, "\n  "))
	}
	return r, failed
}

// change does it every now and then until the time is over. The last one has as long as the others.
func (b *bench) change(ctx context.Context, x *proxy, r *row) error {
	tick := time.NewTicker(b.every)
	defer tick.Stop()
	for end := time.Now().Add(b.duration); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if !time.Now().Before(end.Add(-b.every / 2)) {
			return nil
		}
		x.processes() // those that are there now may be on their own later
		r.asked++
		x.Turn = r.asked
		if err := x.write(filepath.Join(x.Dir, "config"), x.config); err != nil {
			return err
		}
		switch err := x.do(x); {
		case err == nil:
			r.changes++
		case !errors.Is(err, errNotDone):
			return err
		}
	}
}

// write fills the template in.
func (s site) write(file, config string) error {
	t, err := template.New("config").Parse(config)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := t.Execute(f, s); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// free is an address that nobody listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func answers(address string) bool {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
