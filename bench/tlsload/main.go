package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// options are the command line behind the command.
type options struct {
	to          string
	groups      []string
	connections int
	rate        float64
	duration    time.Duration
}

// Result is what a run prints. Times are nanoseconds, of a request, of a handshake with its request, or of the slowest request beside
// each burst.
type Result struct {
	Done        int64         `json:"done"`
	Elapsed     time.Duration `json:"elapsed_ns"`
	P50         time.Duration `json:"p50_ns"`
	P99         time.Duration `json:"p99_ns"`
	Failures    int64         `json:"failures"`
	FailureText string        `json:"failure_text"` // of the first
	Group       string        `json:"group"`        // of the last key exchange
}

func main() {
	log.SetFlags(0)
	debug.SetGCPercent(800) // what it allocates is gone at once, and its processor is better spent on the server
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("tlsload: ", err)
	}
}

// run does what the command line says.
func run(args []string) error {
	if len(args) == 0 {
		return errors.New("have handshakes, requests, bursts")
	}
	var o options
	flags := flag.NewFlagSet("tlsload", flag.ContinueOnError)
	flags.StringVar(&o.to, "to", "", "address to connect to")
	flags.IntVar(&o.connections, "connections", 1, "connections at a time")
	flags.Float64Var(&o.rate, "rate", 0, "handshakes or requests to begin every second; 0: as many as go")
	flags.DurationVar(&o.duration, "for", time.Second, "time to go on")
	names := flags.String("groups", "X25519", "comma-separated `NAMES` of the groups offered for the key exchange, a share for the first")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	o.groups = strings.Split(*names, ",")
	c, err := newClient(o)
	if err != nil {
		return err
	}
	var r Result
	switch {
	case o.connections < 1 || o.rate < 0:
		return errors.New("-connections is at least 1, and -rate 0")
	case args[0] == "handshakes" && o.rate == 0:
		r = c.together()
	case args[0] == "handshakes":
		r = c.atRate()
	case args[0] == "requests" && o.rate > 0:
		r, err = c.keepAsking()
	case args[0] == "bursts" && o.rate == 0:
		r, err = c.bursts()
	default:
		return fmt.Errorf("no command %q with this rate: have handshakes, requests, bursts", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// tally counts what is done, by all at once.
type tally struct {
	mu       sync.Mutex
	took     []time.Duration
	failures int64
	failed   error // the first failure
	group    string
}

// add counts one that began at start.
func (t *tally) add(start time.Time, group string, err error) {
	t.addFor(time.Since(start), group, err)
}

// addFor counts one that took so long.
func (t *tally) addFor(took time.Duration, group string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.took = append(t.took, took)
		t.group = group
		return
	}
	if t.failures++; t.failures == 1 {
		t.failed = err
	}
}

// result sums up. It is called once, when nobody counts any more.
func (t *tally) result(elapsed time.Duration) Result {
	r := Result{Done: int64(len(t.took)), Elapsed: elapsed, Failures: t.failures, Group: t.group}
	if t.failed != nil {
		r.FailureText = t.failed.Error()
	}
	if slices.Sort(t.took); len(t.took) > 0 {
		r.P50, r.P99 = t.took[(len(t.took)-1)/2], t.took[(len(t.took)-1)*99/100]
	}
	return r
}
