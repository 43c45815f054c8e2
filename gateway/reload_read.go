package gateway

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
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
	spec, err := from.plan.spec.load(c.Name, c.Text, from.plan.bears)
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

// Reading a large configuration makes much garbage beside a heap that is otherwise small. Were it collected on the way, the collector
// would run again and again, on threads that do not give way to loops as the reading does (loop.Background): that made the tail of
// requests, and a fifth of a reload's CPU. So it waits until there is as much of it as such a text comes to.
const (
	largeText      = 128 << 10
	garbagePerByte = 100
	maxGarbage     = 256 << 20
	// leastHeap is what Go takes a smaller heap for when it decides how much garbage there may be.
	leastHeap = 4 << 20
)

// collecting is held while the collector waits: there is one for all gateways of a process.
var collecting sync.Mutex

// collectLess has the collector wait while a configuration of so many bytes is read, if it is large, and unless memory is limited.
// restore ends that.
func collectLess(text int) (restore func()) {
	if text < largeText || debug.SetMemoryLimit(-1) != math.MaxInt64 || !collecting.TryLock() {
		return func() {}
	}
	now := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(now)
	live, usual := now[0].Value.Uint64(), now[1].Value.Uint64() // the greatest there is if GOGC is off
	percent := 100 * min(uint64(text)*garbagePerByte, maxGarbage) / max(live, leastHeap)
	if percent <= usual {
		collecting.Unlock()
		return func() {}
	}
	before := debug.SetGCPercent(int(percent))
	return func() {
		debug.SetGCPercent(before)
		collecting.Unlock()
	}
}
