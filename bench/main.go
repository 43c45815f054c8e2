package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	run          *regexp.Regexp
	rounds       int
	duration     time.Duration
	driver       string
	peers        string
	caddy        bool
	caddyVersion string
	nginx        string
	haproxy      string
	cache        string
	json         string
	idleConns    int
	idleWait     time.Duration
	pin          bool
}

// errInterrupted stands for whatever failed because a signal ended the run.
var errInterrupted = errors.New("interrupted")

// Exit codes.
const (
	exitFailed  = 1
	exitNoTools = 2
)

func main() {
	// Children get a signal when the thread that forked them ends: this one
	// lasts as long as the program.
	runtime.LockOSThread()
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		if err = run(ctx, o); ctx.Err() != nil {
			err = errInterrupted
		}
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		if errors.As(err, new(absentError)) {
			os.Exit(exitNoTools)
		}
		os.Exit(exitFailed)
	}
}

// parseOptions reads the command line and refuses what cannot be run.
func parseOptions(args []string) (options, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	o := options{run: regexp.MustCompile("")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Func("run", "run the scenarios whose name matches `REGEXP`: "+strings.Join(scenarioNames(), " "),
		func(text string) (err error) {
			o.run, err = regexp.Compile(text)
			return err
		})
	flags.IntVar(&o.rounds, "rounds", 5, "number of rounds")
	flags.DurationVar(&o.duration, "duration", 3*time.Second, "time under load per scenario, proxy and round; whole seconds")
	flags.StringVar(&o.driver, "driver", "auto", "driver Ringway runs with: auto, epoll, uring, or both to compare the two")
	flags.StringVar(&o.peers, "peers", "", "comma-separated `NAMES` of the proxies to run, all when empty")
	flags.BoolVar(&o.caddy, "caddy", false, "run Caddy too; it is built from its module once")
	flags.StringVar(&o.caddyVersion, "caddy-version", "latest", "version of Caddy to build")
	flags.StringVar(&o.nginx, "nginx", "nginx", "nginx `PROGRAM`")
	flags.StringVar(&o.haproxy, "haproxy", "haproxy", "haproxy `PROGRAM`")
	flags.StringVar(&o.cache, "cache", filepath.Join(cache, "ringway-bench"), "`DIR` that keeps what is built from modules")
	flags.StringVar(&o.json, "json", "", "write the figures of every round to `FILE`")
	flags.IntVar(&o.idleConns, "idle-connections", 4000, "connections of the idle scenario")
	flags.DurationVar(&o.idleWait, "idle-wait", 3*time.Second, "rest before the memory is read")
	flags.BoolVar(&o.pin, "pin", false, "keep the proxies on one CPU, wrk and the origin on the others (taskset): steadier, but no proxy may use a second CPU")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	return o, o.validate(flags.Args())
}

// validate refuses values that cannot be run.
func (o options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.rounds < 1:
		return fmt.Errorf("-rounds %d: need at least 1", o.rounds)
	case o.duration < time.Second || o.duration%time.Second != 0:
		return fmt.Errorf("-duration %v: wrk takes whole seconds", o.duration)
	case !slices.Contains([]string{"auto", "epoll", "uring", "both"}, o.driver):
		return fmt.Errorf("-driver %q: have auto, epoll, uring, both", o.driver)
	case o.idleConns < 1 || o.idleWait < 0:
		return errors.New("-idle-connections and -idle-wait must be positive")
	case !slices.ContainsFunc(scenarioNames(), o.run.MatchString):
		return fmt.Errorf("-run %q matches none of %s", o.run, strings.Join(scenarioNames(), " "))
	}
	var known []string
	for _, p := range allPeers(o) {
		known = append(known, p.name)
	}
	for name := range strings.SplitSeq(o.peers, ",") {
		if name != "" && !slices.Contains(known, name) {
			return fmt.Errorf("-peers: no %q among %s", name, strings.Join(known, " "))
		}
	}
	return nil
}

// scenarioNames are the names -run is matched with.
func scenarioNames() []string {
	var names []string
	for _, l := range allLoads() {
		names = append(names, l.name)
	}
	return append(names, idleScenario)
}

// drivers are the drivers Ringway is run with.
func (o options) drivers() []string {
	if o.driver == "both" {
		return []string{"uring", "epoll"}
	}
	return []string{o.driver}
}

// takes says whether a peer was asked for.
func (o options) takes(name string) bool {
	return o.peers == "" || slices.Contains(strings.Split(o.peers, ","), name)
}

// run is the order of work: find the programs, start the origin, run the
// loads, then the idle connections, print.
func run(ctx context.Context, o options) error {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	if b.wrk, err = installed("wrk", "wrk")(ctx, b); err != nil {
		return err
	}
	if o.pin {
		if b.pin, err = newPinning(ctx, b); err != nil {
			return err
		}
	}
	contenders, err := b.find(ctx)
	if err != nil {
		return err
	}
	if b.origin, err = b.startOrigin(ctx); err != nil {
		return err
	}
	r := report{options: b.options}
	if r.host, err = b.describe(ctx, contenders); err != nil {
		return err
	}
	r.choose(contenders)
	if len(r.loads) > 0 {
		if r.results.Loads, err = b.runLoads(ctx, contenders, r.loads); err != nil {
			return err
		}
	}
	if o.run.MatchString(idleScenario) {
		if r.results.Idle, err = b.runIdle(ctx, contenders); err != nil {
			return err
		}
	}
	r.write(os.Stdout)
	if err := r.save(); err != nil {
		return err
	}
	if count := r.results.invalid(); count > 0 {
		return fmt.Errorf("%d measurements had errors; their lines are marked invalid", count)
	}
	return nil
}

// choose sets what the report is about: the loads asked for, the peers found,
// and which of them the others are compared with.
func (r *report) choose(contenders []contender) {
	for _, l := range allLoads() {
		if r.options.run.MatchString(l.name) {
			r.loads = append(r.loads, l)
		}
	}
	for _, c := range contenders {
		r.peers = append(r.peers, c.name)
		if c.subject {
			r.subjects = append(r.subjects, c.name)
		}
	}
	if len(r.subjects) == 0 {
		// Without Ringway the ratios tell the others from each other.
		r.subjects = r.peers[:1]
	}
}

// save writes the raw rounds, if asked to.
func (r report) save() error {
	if r.options.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(struct {
		Host    host   `json:"host"`
		Seconds int    `json:"seconds"`
		Rounds  int    `json:"rounds"`
		Driver  string `json:"driver"`
		results
	}{r.host, int(r.options.duration / time.Second), r.options.rounds, r.options.driver, r.results}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(r.options.json, append(text, '\n'), 0o644)
}
