package accesslog

import (
	"bytes"
	"time"
)

// writer is what the writer's goroutine works with.
type writer struct {
	sink   *sink
	format formatter
	view   view
	out    []byte // lines not yet written
	lines  int    // how many
}

// run is the writer's goroutine: it drains on every tick, when roused, before
// a change of file and before the end.
func (l *Log) run() {
	defer close(l.done)
	ticker := time.NewTicker(drainInterval)
	defer ticker.Stop()
	for {
		// A push just before this line rouses nobody; the next one past half
		// does, and the ticker bounds the wait if there is none.
		l.asleep.Store(true)
		select {
		case <-l.wake:
			l.asleep.Store(false)
			l.drain()
		case <-ticker.C:
			l.asleep.Store(false)
			l.drain()
		case r := <-l.reopen:
			l.drain()
			old := l.writer.sink
			l.writer.sink = r.to
			r.done <- old.close()
		case <-l.quit:
			l.drain()
			if err := l.writer.sink.close(); err != nil {
				l.failure.Store(&err)
			}
			return
		}
	}
}

// drain formats and writes what is in the rings.
func (l *Log) drain() {
	for _, p := range l.producers {
		l.drainRing(p.ring)
	}
	l.flush()
}

// drainRing formats what was in r when it began, so that a busy loop cannot
// keep the writer from the other rings. Room is given back before the write,
// since the write may take long and the lines are copies.
func (l *Log) drainRing(r *ring) {
	w := &l.writer
	pos, end := r.tail.Load(), r.head.Load()
	if pos == end {
		return
	}
	for pos != end {
		record, after := r.next(pos)
		pos = after
		if record == nil {
			continue
		}
		w.view.decode(record)
		w.out = w.format.append(w.out, &w.view)
		w.lines++
		if len(w.out) >= writeSize {
			r.release(pos)
			l.flush()
		}
	}
	r.release(pos)
}

// flush writes the gathered lines and accounts for them. Lines that the file
// refuses are lost: keeping them would fill memory while a disk is full.
func (l *Log) flush() {
	w := &l.writer
	if len(w.out) == 0 {
		return
	}
	n, err := w.sink.write(w.out)
	whole := w.lines
	if err != nil {
		whole = bytes.Count(w.out[:n], []byte{'\n'})
		l.lost.Add(uint64(w.lines - whole))
		l.failure.Store(&err)
	} else if l.failure.Load() != nil {
		l.failure.Store(nil)
	}
	l.written.Add(uint64(whole))
	w.out, w.lines = w.out[:0], 0
}
