package cli

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/observe/applog"
)

// programLog is the program's log, whose level and format a reload may change while everybody keeps the logger that they have.
type programLog struct {
	*slog.Logger
	w   io.Writer
	now atomic.Pointer[applog.Log]
}

func openLog(spec applog.Spec, w io.Writer) *programLog {
	l := &programLog{w: w}
	l.now.Store(applog.Open(spec, w))
	l.Logger = slog.New(&changingHandler{log: l})
	return l
}

// closeLate is how long whoever has just asked for the old log may take to write to it.
const closeLate = 100 * time.Millisecond

// set changes how lines are written.
func (l *programLog) set(spec applog.Spec) {
	old := l.now.Swap(applog.Open(spec, l.w))
	time.AfterFunc(closeLate, old.Close)
}

// Close writes what is queued.
func (l *programLog) Close() { l.now.Load().Close() }

// changingHandler asks the log for its handler at each line.
type changingHandler struct {
	log    *programLog
	derive []func(slog.Handler) slog.Handler // what loggers were made of this one with
}

func (h *changingHandler) now() slog.Handler {
	to := h.log.now.Load().Handler()
	for _, f := range h.derive {
		to = f(to)
	}
	return to
}

// Enabled asks the log.
func (h *changingHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.log.now.Load().Handler().Enabled(ctx, level)
}

// Handle has the log write.
func (h *changingHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.now().Handle(ctx, r)
}

// WithAttrs is for loggers that say more.
func (h *changingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup is for loggers that say it under a name.
func (h *changingHandler) WithGroup(name string) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *changingHandler) with(f func(slog.Handler) slog.Handler) slog.Handler {
	return &changingHandler{h.log, append(h.derive[:len(h.derive):len(h.derive)], f)}
}
