package gateway

import (
	"math"
	"runtime/debug"
	"time"

	"github.com/ringway/ringway/config"
)

// previewed is a configuration that somebody has had a look at and is likely to go over to next: master and worker preview each change
// before it is made, and large ones take long to read.
type previewed struct {
	from       *state // that it was compared with
	name, hash string
	spec       *Spec
	changes    []config.Change
	forget     *time.Timer
}

// previewLife is how long a preview is kept.
const previewLife = 10 * time.Second

// read reads a configuration and compares it with the one that runs, or finds that this has just been done. The caller has the turn.
func (g *Gateway) read(from *state, c Change) (*Spec, []config.Change, error) {
	hash := c.Hash()
	last := g.preview.Swap(nil)
	if last != nil {
		last.forget.Stop()
		if last.from == from && last.name == c.Name && last.hash == hash && !c.Preview {
			return last.spec, last.changes, nil
		}
	}
	spec, err := from.plan.spec.load(c.Name, c.Text)
	if err != nil {
		return nil, nil, err
	}
	changes := config.Diff(from.plan.spec, spec)
	if c.Preview {
		p := &previewed{from: from, name: c.Name, hash: hash, spec: spec, changes: changes}
		p.forget = time.AfterFunc(previewLife, func() { g.preview.CompareAndSwap(p, nil) })
		g.preview.Store(p)
	}
	return spec, changes, nil
}

// While a configuration of this size is read, a process whose heap is otherwise small would collect what has just been made again and
// again: a fifth of a reload's CPU. So garbage may be so many per cent of what lives meanwhile.
const (
	largeText    = 128 << 10
	garbageLimit = 400
)

// collectLess has the collector wait longer while a large configuration is read, unless memory is limited. restore ends that.
func collectLess(text int) (restore func()) {
	if text < largeText || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return func() {}
	}
	before := debug.SetGCPercent(garbageLimit)
	if before < 0 || before > garbageLimit { // somebody has asked for even less
		debug.SetGCPercent(before)
		return func() {}
	}
	return func() { debug.SetGCPercent(before) }
}
