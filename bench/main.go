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
	suite        string
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
	flags.StringVar(&o.suite, "suite", suiteAll, "what to measure: gateway, tls, http2, grpc, runtime, or all")
	flags.Func("run", "run the scenarios whose name matches `REGEXP`: "+strings.Join(options{suite: suiteAll}.scenarioNames(), " "),
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
	case !slices.Contains([]string{suiteAll, suiteGateway, suiteTLS, suiteHTTP2, suiteGRPC, suiteRuntime}, o.suite):
		return fmt.Errorf("-suite %q: have gateway, tls, http2, grpc, runtime, all", o.suite)
	case !slices.ContainsFunc(o.scenarioNames(), o.run.MatchString):
		return fmt.Errorf("-run %q matches none of %s", o.run, strings.Join(o.scenarioNames(), " "))
	}
	var known []string
	for _, f := range o.fields() {
		for _, p := range f.peers(o) {
			known = append(known, p.name)
		}
	}
	for name := range strings.SplitSeq(o.peers, ",") {
		if name != "" && !slices.Contains(known, name) {
			return fmt.Errorf("-peers: no %q among %s", name, strings.Join(known, " "))
		}
	}
	return nil
}

// scenarioNames are the names -run is matched with.
func (o options) scenarioNames() []string {
	var names []string
	for _, f := range o.fields() {
		for _, l := range f.loads {
			names = append(names, l.name)
		}
		for _, name := range []string{f.idle, f.tail, f.burst} {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	if o.suite == suiteRuntime || o.suite == suiteAll {
		for _, m := range allMicros() {
			names = append(names, m.name)
		}
	}
	return names
}

// asked says whether any of a field's scenarios is to be run.
func (o options) asked(f field) bool {
	return o.wants(f.idle) || o.wants(f.tail) || o.wants(f.burst) || slices.ContainsFunc(f.loads, func(l load) bool { return o.run.MatchString(l.name) })
}

// wants says whether a scenario that a field may not have is to be run.
func (o options) wants(scenario string) bool { return scenario != "" && o.run.MatchString(scenario) }

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

// run is the order of work: find the programs, run the loads of each field
// with its origin, then the idle connections and what needs no load, print.
func run(ctx context.Context, o options) error {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	if o.suite != suiteRuntime {
		if b.wrk, err = installed("wrk", "wrk")(ctx, b); err != nil {
			return err
		}
	}
	if o.pin {
		if b.pin, err = newPinning(ctx, b); err != nil {
			return err
		}
	}
	r := report{options: b.options}
	if r.host, err = b.describe(ctx); err != nil {
		return err
	}
	failed := b.measureAll(ctx, &r)
	if failed == nil || !r.results.empty() { // what was measured before a failure is not thrown away
		r.write(os.Stdout)
		if err := r.save(); err != nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	if count := r.results.invalid(); count > 0 {
		return fmt.Errorf("%d measurements had errors; their lines are marked invalid", count)
	}
	return nil
}

// measureAll adds what is measured to the report, up to the first failure.
func (b *bench) measureAll(ctx context.Context, r *report) error {
	for _, f := range b.options.fields() {
		if b.options.asked(f) {
			if err := b.runField(ctx, f, r); err != nil {
				return err
			}
		}
	}
	if slices.Contains([]string{suiteGateway, suiteTLS, suiteHTTP2, suiteGRPC}, b.options.suite) {
		return nil
	}
	return b.runMicros(ctx, &r.results)
}

// runField runs the loads of one field, and adds them to the report.
func (b *bench) runField(ctx context.Context, f field, r *report) error {
	contenders, err := b.find(ctx, f)
	if err != nil || len(contenders) == 0 {
		return err
	}
	if f.origin != nil {
		if b.origin, err = f.origin(ctx, b); err != nil {
			return err
		}
	}
	if slices.Contains([]string{suiteGateway, suiteTLS, suiteHTTP2, suiteGRPC}, f.suite) {
		r.host.Origin = b.originName
	}
	r.host.add(contenders)
	s := newSection(b.options, f, contenders)
	r.sections = append(r.sections, s)
	if len(s.loads) > 0 {
		samples, err := b.runLoads(ctx, contenders, s.loads)
		r.results.Loads = append(r.results.Loads, samples...)
		if err != nil {
			return err
		}
	}
	if b.options.wants(f.tail) {
		samples, err := b.runTails(ctx, contenders)
		r.results.Tails = append(r.results.Tails, samples...)
		if err != nil {
			return err
		}
	}
	if b.options.wants(f.burst) {
		samples, err := b.runBursts(ctx, contenders)
		r.results.Bursts = append(r.results.Bursts, samples...)
		if err != nil {
			return err
		}
	}
	if b.options.wants(f.idle) {
		samples, err := b.runIdle(ctx, f.idle, contenders)
		r.results.Idle = append(r.results.Idle, samples...)
		return err
	}
	return nil
}

// newSection says what a part of the report is about: the loads asked for, the
// peers found, and which of them the others are compared with.
func newSection(o options, f field, contenders []contender) section {
	s := section{suite: f.suite}
	for _, l := range f.loads {
		if o.run.MatchString(l.name) {
			s.loads = append(s.loads, l)
		}
	}
	for _, c := range contenders {
		s.peers = append(s.peers, c.name)
		if c.subject {
			s.subjects = append(s.subjects, c.name)
		}
	}
	for _, c := range contenders {
		if c.standIn && !slices.ContainsFunc(contenders, func(c contender) bool { return c.subject }) {
			s.subjects = append(s.subjects, c.name)
		}
	}
	if len(s.subjects) == 0 {
		// Without Ringway the ratios tell the others from each other.
		s.subjects = s.peers[:1]
	}
	return s
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
