package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/loop"
)

// Figure is one result: of one way to do the thing measured, under the heading of its column.
type Figure struct {
	Way    string  `json:"way"`
	Column string  `json:"column"`
	Value  float64 `json:"value"`
}

// print prints a figure.
func (f Figure) print() error { return json.NewEncoder(os.Stdout).Encode(f) }

func main() {
	log.SetFlags(0)
	measurements := map[string]func() ([]Figure, error){
		"wake-busy":  func() ([]Figure, error) { return wake(goesOn) },
		"wake-waits": func() ([]Figure, error) { return wake(waits) },
		"mailbox":    mailbox,
		"tasks":      tasks,
	}
	name := flag.String("measure", "", "what to measure: wake-busy, wake-waits, mailbox, tasks")
	hold := flag.String("park", "", "park this and wait for a signal: nothing, tasks, deep-tasks, goroutines or deep-goroutines")
	count := flag.Int("count", 100_000, "how many to park")
	flag.Parse()
	if *hold != "" {
		log.Fatal(park(*hold, *count))
	}
	measure, ok := measurements[*name]
	if !ok {
		log.Fatalf("micro: no measurement %q", *name)
	}
	figures, err := measure()
	if err != nil {
		log.Fatal("micro: ", err)
	}
	for _, f := range figures {
		if err := f.print(); err != nil {
			log.Fatal("micro: ", err)
		}
	}
}

// startLoop starts a loop with the driver of that name.
func startLoop(driver gateway.DriverName) (*loop.Loop, error) {
	open, _, err := gateway.ChooseDriver(driver, slog.Default())
	if err != nil {
		return nil, err
	}
	loop.SetMaxProcs(1)
	return loop.Start(loop.DefaultConfig(0, open))
}

// onTask runs f in a task of a new loop, and ends the loop.
func onTask(driver gateway.DriverName, f func(l *loop.Loop, t *loop.Task)) error {
	l, err := startLoop(driver)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	l.Post(func() {
		l.Go("measure", func(t *loop.Task) {
			defer close(ended)
			f(l, t)
		})
	})
	<-ended
	return stopLoop(l)
}

// stopLoop ends a loop.
func stopLoop(l *loop.Loop) error {
	l.Stop(time.Second)
	if err := l.Wait(); err != nil {
		return fmt.Errorf("the loop did not end well: %w", err)
	}
	return nil
}
