package inbound

import (
	"fmt"
	"log/slog"
	"time"
)

// complaintEvery is how often the log hears of one kind of failure.
const complaintEvery = int64(time.Minute)

// Complaints tell the log of what any peer can cause without letting it fill the log: each kind at once, then once a minute
// with the number of those that were left out. The metrics count them all.
type Complaints struct {
	Log      *slog.Logger
	Listener string
	kinds    map[any]*complaint
}

// streamFault is a kind of them: why a stream of HTTP/2 was reset.
type streamFault string

type complaint struct {
	next    int64 // of the loop's clock
	skipped int
}

// Warn tells of a connection that ended so, unless it was told of another one just before. now is the loop's time.
func (c *Complaints) Warn(now int64, end fmt.Stringer, args ...any) {
	c.tell(now, end, "connection refused or broken off", "end", end.String(), args)
}

// Stream tells of a stream of HTTP/2 that was reset for its client's mistake. The reason is one of the texts that http2 has.
func (c *Complaints) Stream(now int64, reason string, args ...any) {
	c.tell(now, streamFault(reason), "stream refused or reset", "reason", reason, args)
}

// tell logs one of a kind, which name and what show, or counts it.
func (c *Complaints) tell(now int64, kind any, msg, name, what string, args []any) {
	k := c.kinds[kind]
	if k == nil {
		if c.kinds == nil {
			c.kinds = map[any]*complaint{}
		}
		k = new(complaint)
		c.kinds[kind] = k
	} else if now < k.next {
		k.skipped++
		return
	}
	args = append([]any{"listener", c.Listener, name, what}, args...)
	if k.skipped > 0 {
		args = append(args, "more_since_the_last", k.skipped)
	}
	k.next, k.skipped = now+complaintEvery, 0
	c.Log.Warn(msg, args...)
}
