package loop

import (
	"fmt"
	"runtime"
	"strings"
)

// origin says which tasks are alike: those of one name, spawned at one place. It never changes once it is made, so that
// another thread may read one that it was shown (pulse.running).
type origin struct {
	name string
	site callers
}

// callers are program counters: the innermost calls above a spawn, of which the first outside this package is its site.
// All are nought where nobody wants to know.
type callers [3]uintptr

// maxOrigins bounds the origins that a loop keeps. Names that are made for each task would otherwise pile up.
const maxOrigins = 1024

// originOf gives the one origin of a name and a site. A pooled task mostly runs what it ran before, so that its last
// origin is looked at first: see spawn.
func (l *Loop) originOf(name string, site callers) *origin {
	if o := l.origins[origin{name, site}]; o != nil {
		return o
	}
	if l.origins == nil || len(l.origins) >= maxOrigins {
		l.origins = map[origin]*origin{}
	}
	o := &origin{strings.Clone(name), site} // a part of a longer text would keep all of it
	l.origins[*o] = o
	return o
}

// ownFunctions is what the names of this package's functions begin with.
const ownFunctions = "github.com/ringway/ringway/loop."

// String gives file:line of the site, or nothing where none was traced.
func (c callers) String() string {
	if c[0] == 0 {
		return ""
	}
	frames := runtime.CallersFrames(c[:])
	for {
		f, more := frames.Next()
		if !more || !strings.HasPrefix(f.Function, ownFunctions) {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
}
