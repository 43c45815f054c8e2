package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// micro is a measurement that needs no load: bench/micro makes it, or a
// function here where a process has to be looked at from outside.
type micro struct {
	name, title string
	// reference is the way that the others are compared with, in the first
	// column; empty for none.
	reference string
	// note says what a reader must know to judge it.
	note string
	// measure makes one round; nil asks bench/micro by the name.
	measure func(ctx context.Context, b *bench) ([]figure, error)
}

// figure is one result of one round.
type figure struct {
	Round    int     `json:"round"`
	Scenario string  `json:"scenario"`
	Way      string  `json:"way"`
	Column   string  `json:"column"`
	Value    float64 `json:"value"`
}

// allMicros is the table of measurements, in the order they are made and shown.
func allMicros() []micro {
	return []micro{
		{name: "wake-busy", title: "Waking from another thread whose sender goes on working", reference: "channel",
			note: "From before the call until the receiver runs; a loop is told by Post, a goroutine by an unbuffered channel. To reach: 1."},
		{name: "wake-waits", title: "Waking from another thread whose sender waits for the receiver", reference: "channel",
			note: "A goroutine that is not locked to its thread then runs on the sender's: no thread wakes. A loop has its own thread, so that the line to\n" +
				"compare it with is the locked one."},
		{name: "mailbox", title: "From one goroutine to one loop", reference: "Post, one message a call",
			note: "Numbers of eight bytes, all added up by the loop. The channel's goroutine is no loop. To reach: 20 in batches."},
		{name: "tasks", title: "What a task costs", reference: "iter.Pull: resume and yield",
			note: "Tasks are iter.Pull's coroutines: its line is what no loop can go below. To reach: 250 ns and no allocation for spawn and join."},
		{name: "parked", title: "Memory of 100,000 that are parked", measure: func(ctx context.Context, b *bench) ([]figure, error) { return b.measureParked(ctx) },
			note: "RSS over that of the same process without them. Deep ones have used 4 KiB of stack or more before. To reach: 4."},
		{name: "zerocopy", title: "Sending with MSG_ZEROCOPY over loopback", measure: func(context.Context, *bench) ([]figure, error) { return measureZeroCopy() },
			note: "CPU of the sending thread, which is also that of the kernel's receiving side. Over loopback the kernel copies such data\n" +
				"all the same before a reader gets it " +
				"(its completions say so). Whether it pays with a network card cannot be seen here."},
	}
}

// runMicros makes the measurements asked for, round by round, and adds their
// figures to into.
func (b *bench) runMicros(ctx context.Context, into *results) error {
	for round := 1; round <= b.options.rounds; round++ {
		for _, m := range allMicros() {
			if !b.options.run.MatchString(m.name) {
				continue
			}
			figures, err := b.measureMicro(ctx, m)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			for i := range figures {
				figures[i].Round, figures[i].Scenario = round, m.name
			}
			b.progress("round %d/%d  %s", round, b.options.rounds, m.name)
			into.Micro = append(into.Micro, figures...)
		}
	}
	return nil
}

// measureMicro makes one round of one measurement.
func (b *bench) measureMicro(ctx context.Context, m micro) ([]figure, error) {
	if m.measure != nil {
		return m.measure(ctx, b)
	}
	binary, err := built("./bench/micro")(ctx, b)
	if err != nil {
		return nil, err
	}
	argv := b.pin.command(true, binary, "-measure", m.name)
	text, err := output(ctx, "", nil, argv[0], argv[1:]...)
	if err != nil {
		return nil, err
	}
	return parseFigures(text)
}

// parseFigures reads what bench/micro printed: an object a line.
func parseFigures(text string) ([]figure, error) {
	var figures []figure
	decoder := json.NewDecoder(strings.NewReader(text))
	for decoder.More() {
		var f figure
		if err := decoder.Decode(&f); err != nil {
			return nil, fmt.Errorf("cannot read the figures: %w", err)
		}
		if f.Way == "" || f.Column == "" {
			return nil, fmt.Errorf("a figure of nothing: %+v", f)
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// parkedCount is how many are parked. It divides what the process has grown by.
const parkedCount = 100_000

// measureParked starts a process for each kind and reads its memory.
func (b *bench) measureParked(ctx context.Context) ([]figure, error) {
	binary, err := built("./bench/micro")(ctx, b)
	if err != nil {
		return nil, err
	}
	empty := int64(0)
	var figures []figure
	for _, what := range []string{"nothing", "tasks", "deep-tasks", "goroutines", "deep-goroutines"} {
		rss, err := b.rssOfParked(ctx, binary, what)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if what == "nothing" {
			empty = rss
			continue
		}
		figures = append(figures, figure{Way: what, Column: "KiB each", Value: float64(rss-empty) / parkedCount})
	}
	return figures, nil
}

// rssOfParked is the resident memory in KiB of a process that has parked so many.
func (b *bench) rssOfParked(ctx context.Context, binary, what string) (int64, error) {
	b.started++
	log := fmt.Sprintf("%s/parked-%d", b.data, b.started)
	c, err := startChild(log, b.data, nil, binary, "-park", what, "-count", strconv.Itoa(parkedCount))
	if err != nil {
		return 0, err
	}
	defer c.stop()
	for deadline := time.Now().Add(startTimeout); ; {
		if text, err := os.ReadFile(log); err != nil || string(text) == "parked\n" {
			break
		}
		if c.exited() || time.Now().After(deadline) {
			return 0, fmt.Errorf("does not park: %s", c.logTail())
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
	sum, err := readMemory(c.pid())
	return sum.rss, err
}

// distinct gives the values of a field of figures in the order of their first appearance.
func distinct(figures []figure, field func(figure) string) (values []string) {
	for _, f := range figures {
		if v := field(f); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}
