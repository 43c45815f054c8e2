package probe_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ringway/ringway/probe"
)

// Ten probes to each of two hosts, a tenth of a second apart, with a word on each that is lost.
func ExampleNew() {
	targets, err := probe.Parse([]string{"127.0.0.1", "localhost"}, 0)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	targets = probe.Resolve(ctx, targets, probe.ResolveOptions{})
	p, err := probe.New(targets, probe.Options{Count: 10, Interval: 100 * time.Millisecond, OnEvent: func(e *probe.Event) {
		if e.Extra == probe.None && e.Outcome != probe.Answered {
			fmt.Println(e.Target, e.Seq, e.Outcome, e.Reason())
		}
	}})
	if err != nil {
		log.Fatal(err) // a *probe.PermissionError says what to do
	}
	if err := p.Run(ctx); err != nil {
		log.Fatal(err)
	}
	for _, t := range p.Snapshot(probe.SnapshotOptions{}).Targets {
		fmt.Printf("%s: loss %.0f %%, p99 %v by %v stamps\n", t.Name, 100*t.Loss(), t.Latency.P99, t.Latency.Domain)
	}
}
