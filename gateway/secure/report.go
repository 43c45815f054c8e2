package secure

import (
	"errors"
	"log/slog"
	"time"

	"github.com/ringway/ringway/observe/metrics"
)

// quiet is how long the log hears nothing more of one kind of failure that any client can cause.
const quiet = int64(time.Minute)

// reporter tells the log of what concerns the operator, without letting clients fill it: each kind at once, then once a
// minute with the number of those left out. The metrics count them all. It belongs to one loop.
type reporter struct {
	log      *slog.Logger
	listener string
	next     map[string]int64
	skipped  map[string]int
}

func newReporter(log *slog.Logger, listener string) *reporter {
	return &reporter{log: log, listener: listener, next: map[string]int64{}, skipped: map[string]int{}}
}

func (r *reporter) warn(now int64, kind, msg string, args ...any) {
	if at, told := r.next[kind]; told && now < at {
		r.skipped[kind]++
		return
	}
	args = append([]any{"listener", r.listener}, args...)
	if n := r.skipped[kind]; n > 0 {
		args = append(args, "more_since_the_last", n)
	}
	r.next[kind], r.skipped[kind] = now+quiet, 0
	r.log.Warn(msg, args...)
}

// handshake tells of a handshake that failed.
func (r *reporter) handshake(now int64, result metrics.TLSResult, err error, args ...any) {
	args = append(args, "result", result.String(), "err", err)
	kind := result.String()
	if bad := (*CertificateError)(nil); errors.As(err, &bad) {
		kind += bad.Rule
	}
	switch result {
	case metrics.TLSClientCertificate, metrics.TLSKeyFailed, metrics.TLSOverloaded, metrics.TLSFailed:
		r.warn(now, kind, "handshake failed", args...)
	default: // anyone can cause these
		r.log.Debug("handshake failed", append([]any{"listener", r.listener}, args...)...)
	}
}

// keyServer tells of a key server that did not sign.
func (r *reporter) keyServer(now int64, err error, fallback bool) {
	r.warn(now, "key_server", "the key server did not sign", "err", err, "signed_with_the_key_here", fallback)
}
