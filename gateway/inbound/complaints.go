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
	kinds    map[fmt.Stringer]*complaint
}

type complaint struct {
	next    int64 // of the loop's clock
	skipped int
}

// Warn tells of a connection that ended so, unless it was told of another one just before. now is the loop's time.
func (c *Complaints) Warn(now int64, end fmt.Stringer, args ...any) {
	k := c.kinds[end]
	if k == nil {
		if c.kinds == nil {
			c.kinds = map[fmt.Stringer]*complaint{}
		}
		k = new(complaint)
		c.kinds[end] = k
	} else if now < k.next {
		k.skipped++
		return
	}
	args = append([]any{"listener", c.Listener, "end", end.String()}, args...)
	if k.skipped > 0 {
		args = append(args, "more_since_the_last", k.skipped)
	}
	k.next, k.skipped = now+complaintEvery, 0
	c.Log.Warn("connection refused or broken off", args...)
}
