package acme

import (
	"context"
	"log/slog"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// certmagicLog carries what certmagic says to the debug level of our log: it speaks of locks, caches and jobs. What an operator has
// to know is said by this package in its own words. Only failures that it is not told of otherwise come through.
type certmagicLog struct {
	log    *slog.Logger
	fields []zapcore.Field
}

func newCertmagicLog(log *slog.Logger) *zap.Logger { return zap.New(certmagicLog{log: log}) }

// Enabled reports whether anybody would see it.
func (c certmagicLog) Enabled(l zapcore.Level) bool {
	return l >= zapcore.ErrorLevel || c.log.Enabled(context.Background(), slog.LevelDebug)
}

// With adds fields.
func (c certmagicLog) With(fields []zapcore.Field) zapcore.Core {
	c.fields = append(c.fields[:len(c.fields):len(c.fields)], fields...)
	return c
}

// Check adds the core to an entry that it takes.
func (c certmagicLog) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

// reported are words in failures of jobs that an event or a result has told of.
var reported = []string{"] Renew: ", "] Obtain: ", "aborted by event handler", context.Canceled.Error()}

// Write writes an entry.
func (c certmagicLog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		f.AddTo(enc)
	}
	level := slog.LevelDebug
	if e.Message == "job failed" || e.Message == "panic" {
		text, _ := enc.Fields["error"].(string)
		level = slog.LevelWarn
		for _, words := range reported {
			if strings.Contains(text, words) {
				level = slog.LevelDebug
			}
		}
	}
	args := []any{"by", "certmagic " + e.LoggerName}
	for name, v := range enc.Fields {
		args = append(args, name, v)
	}
	c.log.Log(context.Background(), level, "certificates: "+e.Message, args...)
	return nil
}

// Sync has nothing to do.
func (c certmagicLog) Sync() error { return nil }
