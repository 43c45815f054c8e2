// Package applog is the program's own log: log/slog, whose lines leave through a bounded queue and a goroutine of their
// own, so that a slow terminal or pipe never holds up the loop that had something to say.
package applog

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/config"
)

// Format is how a line is written.
type Format string

// The formats: key=value text, and one JSON object a line.
const (
	Text Format = "text"
	JSON Format = "json"
)

// EnumValues are the formats there are.
func (Format) EnumValues() []string { return []string{string(Text), string(JSON)} }

// Level is the least important level that is written.
type Level string

// EnumValues are the levels there are.
func (Level) EnumValues() []string { return []string{"debug", "info", "warn", "error"} }

// Spec is the log as it stands in the configuration.
type Spec struct {
	Level  Level  `yaml:"level" doc:"Least important level that is written."`
	Format Format `yaml:"format" doc:"How a line is written."`
}

// SetDefaults chooses text from level info on.
func (s *Spec) SetDefaults() { s.Level, s.Format = "info", Text }

var _ config.Defaulter = (*Spec)(nil)

const (
	// queued is how many lines wait for the writer; more are dropped and counted.
	queued = 1024
	// flushLimit is how long Close waits for a writer that takes nothing: a paused terminal must not keep a process alive.
	flushLimit = 2 * time.Second
)

// Log is a logger with a writer goroutine.
type Log struct {
	*slog.Logger
	lines   chan []byte
	done    chan struct{}
	once    sync.Once
	dropped atomic.Uint64
}

// Open starts a log that writes to w.
func Open(s Spec, w io.Writer) *Log {
	l := &Log{lines: make(chan []byte, queued), done: make(chan struct{})}
	l.Logger = slog.New(s.handler(queue{l}))
	go l.write(w, s.handler(w))
	return l
}

// handler formats for w.
func (s Spec) handler(w io.Writer) slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if s.Format == JSON {
		return slog.NewJSONHandler(w, o)
	}
	return slog.NewTextHandler(w, o)
}

// queue is the log as the writer of a slog handler: it never waits.
type queue struct{ l *Log }

func (q queue) Write(p []byte) (int, error) {
	select {
	case q.l.lines <- append([]byte(nil), p...):
	default:
		q.l.dropped.Add(1)
	}
	return len(p), nil
}

// write moves lines to w until Close. What was dropped is told in the log's own format, whatever its level.
func (l *Log) write(w io.Writer, own slog.Handler) {
	defer close(l.done)
	for line := range l.lines {
		if line == nil {
			return
		}
		_, _ = w.Write(line) // there is nowhere left to say that the log cannot be written
		if n := l.dropped.Swap(0); n > 0 {
			r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines dropped", 0)
			r.AddAttrs(slog.Uint64("lines", n))
			_ = own.Handle(context.Background(), r)
		}
	}
}

// Close writes what is queued and ends the writer; it gives up on a writer that is stuck. Lines that come later are
// dropped.
func (l *Log) Close() {
	l.once.Do(func() {
		limit := time.NewTimer(flushLimit)
		defer limit.Stop()
		select {
		case l.lines <- nil:
		case <-limit.C:
			return
		}
		select {
		case <-l.done:
		case <-limit.C:
		}
	})
}
