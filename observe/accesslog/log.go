package accesslog

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// drainInterval is how long a record waits at most for the writer.
	drainInterval = 50 * time.Millisecond
	// writeSize is how much is gathered for one write.
	writeSize = 64 << 10
	// closeTimeout bounds how long Close waits for a file that takes nothing,
	// such as a pipe whose reader has stopped.
	closeTimeout = 5 * time.Second
)

// ErrClosed is returned by Reopen once Close was called.
var ErrClosed = errors.New("access log is closed")

// Log is the process's access log: the rings of all loops and the goroutine
// that drains them into the file.
type Log struct {
	spec      Spec
	producers []*Producer

	asleep  atomic.Bool   // the writer waits, and nobody has roused it yet
	wake    chan struct{} // roused early; room for one, so sending never waits
	closing atomic.Bool

	reopen chan reopening
	quit   chan struct{} // closed to make the writer drain and end
	done   chan struct{} // closed when it has

	// What loops read at every push ends here: the writer changes the rest
	// with every record, and must not take that cache line from them.
	_ [cacheLine]byte

	writer writer // used by the writer's goroutine alone

	written atomic.Uint64
	lost    atomic.Uint64 // records formatted, but refused by the file
	failure atomic.Pointer[error]
}

// reopening asks the writer to change to another file.
type reopening struct {
	to   *sink
	done chan error
}

// Open opens the log that spec asks for, with one Producer for each of
// producers loops, and starts its writer. If spec's path is empty the log is
// off, and every method does nothing.
func Open(spec Spec, producers int) (*Log, error) {
	spec.SetDefaults()
	if err := spec.Check(); err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	l := &Log{spec: spec}
	if spec.Path == "" {
		return l, nil
	}
	to, err := openSink(spec.Path)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	l.start(to, producers)
	return l, nil
}

// start makes the rings and the writer.
func (l *Log) start(to *sink, producers int) {
	l.writer = writer{sink: to, format: formatter{combined: l.spec.Format == FormatCombined}}
	l.wake = make(chan struct{}, 1)
	l.reopen = make(chan reopening)
	l.quit = make(chan struct{})
	l.done = make(chan struct{})
	for range producers {
		l.producers = append(l.producers, &Producer{log: l, ring: newRing(l.spec.Buffer)})
	}
	go l.run()
}

// Producer returns the end of loop i. It is nil, and may be used so, if the
// log is off.
func (l *Log) Producer(i int) *Producer {
	if l.done == nil {
		return nil
	}
	return l.producers[i]
}

// rouse makes the writer drain now. At most one call between two drains does
// more than read a flag. Called from loops.
func (l *Log) rouse() {
	if !l.asleep.Load() || !l.asleep.CompareAndSwap(true, false) {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Reopen opens the path anew, for after a rotation has renamed the file. What
// was pushed before the call is in the old file. If the path cannot be opened
// the old file stays in use. It waits for the writer.
func (l *Log) Reopen() error {
	if l.done == nil || l.spec.Path == pathStdout || l.spec.Path == pathStderr {
		return nil
	}
	if l.closing.Load() {
		return ErrClosed
	}
	to, err := openSink(l.spec.Path)
	if err != nil {
		return fmt.Errorf("access log: %w", err)
	}
	r := reopening{to: to, done: make(chan error, 1)}
	select {
	case l.reopen <- r:
		return <-r.done
	case <-l.done:
		return errors.Join(ErrClosed, to.close())
	}
}

// Close writes what was pushed, closes the file and ends the writer. Loops
// should have stopped pushing; a Push that runs at the same time may be lost
// without being counted. Calling it again does nothing. It gives up on a file
// that takes no bytes after five seconds.
func (l *Log) Close() error {
	if l.done == nil {
		return nil
	}
	if !l.closing.Swap(true) {
		close(l.quit)
	}
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-l.done:
		return l.Err()
	case <-timer.C:
		return fmt.Errorf("access log: %s takes no bytes; gave up flushing", l.spec.Path)
	}
}

// Written returns how many records were written to the file.
func (l *Log) Written() uint64 { return l.written.Load() }

// Dropped returns how many records were lost: those for which a ring had no
// room, and those that the file refused.
func (l *Log) Dropped() uint64 {
	n := l.lost.Load()
	for _, p := range l.producers {
		n += p.Dropped()
	}
	return n
}

// Err returns the last failure to write, nil once a later write succeeded.
func (l *Log) Err() error {
	if p := l.failure.Load(); p != nil {
		return *p
	}
	return nil
}
