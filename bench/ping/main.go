package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// load is what every tool is asked to do.
type load struct {
	name    string
	targets string // a range on loopback
	count   int    // of targets
	rate    int    // probes a second to each
}

var loads = []load{
	{"10,000 packets/s", "127.0.1.1-127.0.1.100", 100, 100},
	{"100,000 packets/s", "127.0.1.1-127.0.4.232", 1000, 100},
	{"10,000 targets, one packet/s each", "127.1.0.1-127.1.39.16", 10_000, 1},
}

func main() {
	log.SetFlags(0)
	duration := flag.Duration("duration", 10*time.Second, "how long each run sends")
	only := flag.String("run", ".", "loads and tools to run, as `REGEXP` on \"load / tool\"")
	rounds := flag.Int("rounds", 3, "runs of each; the table has the median by CPU")
	mping := flag.String("mping", "mping", "program to run as mping")
	flag.Parse()
	if err := bench(*duration, *only, *rounds, *mping); err != nil {
		log.Fatal(err)
	}
}

func bench(duration time.Duration, only string, rounds int, mping string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if rounds < 1 || duration < time.Second {
		return errors.New("at least one round, of at least a second")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "ringway-ping-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ringway := filepath.Join(dir, "ringway")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", ringway, "github.com/ringway/ringway/cmd/ringway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	var tools []tool
	for _, t := range allTools(ringway, mping) {
		if t.path, err = exec.LookPath(t.path); err != nil {
			fmt.Printf("- %s is left out: %v. %s\n", t.name, err, t.install)
			continue
		}
		tools = append(tools, t)
	}
	own := ownNamespace(ctx)
	describe(own, duration, rounds)
	for _, l := range loads {
		if err := compare(ctx, l, tools, match, duration, rounds, own); err != nil {
			return err
		}
	}
	return nil
}

// compare runs one load with every tool, the tools in turn in each round, and prints its table.
func compare(ctx context.Context, l load, tools []tool, match *regexp.Regexp, duration time.Duration, rounds int, own bool) error {
	results := map[string][]result{}
	for round := range rounds {
		for i := range tools {
			t := tools[(i+round)%len(tools)]
			if !match.MatchString(l.name + " / " + t.name) {
				continue
			}
			r, err := run(ctx, t, l, duration, own)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil { // that a tool cannot do it is a result
				r.failure = err
			}
			results[t.name] = append(results[t.name], r)
		}
	}
	if len(results) == 0 {
		return nil
	}
	fmt.Printf("\n### %s\n\n| tool | requests/s | reported lost | really lost | cores | µs of CPU a packet | max RSS, MiB | p50 | p99 | stamps |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n", l.name)
	for _, t := range tools {
		if list := results[t.name]; len(list) > 0 {
			fmt.Println(median(list).row(t.name))
		}
	}
	return nil
}

func describe(own bool, duration time.Duration, rounds int) {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown kernel")
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("unknown")
	}
	where := "a network namespace of its own for each run"
	if !own {
		where = "the host's network namespace, whose counters others may have moved too"
	}
	fmt.Printf("\nLinux %s, %d cores, %s. Medians of %d runs of %v, in %s. Load average at the start: %s.\n", strings.TrimSpace(string(kernel)), runtime.NumCPU(),
		runtime.Version(), rounds, duration, where, strings.Join(strings.Fields(string(load))[:1], ""))
}
