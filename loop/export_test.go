package loop

import "time"

// SetCheckThreads makes misuse from another thread panic, for loops that start afterwards, and gives back how it was.
func SetCheckThreads(on bool) (was bool) {
	was, checkThreads = checkThreads, on
	return was
}

// TrimTasks ends the pooled coroutines that were not needed since the last time, as the loop does every few seconds.
func (l *Loop) TrimTasks() { l.trimTasks() }

// Add counts a duration.
func (h *Histogram) Add(d time.Duration) { h.add(d) }

// Origins is how many kinds of tasks the loop remembers.
func (l *Loop) Origins() int { return len(l.origins) }

// Looks is how often the watchdog looked at a loop.
func (d *Watchdog) Looks() uint64 { return d.looks.Load() }
