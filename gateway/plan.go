package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/ringway/ringway/config"
	"github.com/ringway/ringway/gateway/inbound"
	"github.com/ringway/ringway/gateway/route"
	"github.com/ringway/ringway/gateway/secure"
	"github.com/ringway/ringway/gateway/upstream"
	"github.com/ringway/ringway/observe/accesslog"
)

// plan is a configuration in the form that loops are built of. It does not change; what two plans say alike they share.
type plan struct {
	spec   *Spec
	source Source
	hash   string // of the source

	names       []string                // of the listeners, sorted
	tables      map[string]*route.Table // of listeners of HTTP
	serverNames map[string]*route.Names // of listeners of layer 4
	resolved    map[string]*upstream.Resolved
	shared      map[string]*upstream.Resolved // with what health left of the weights when the plan was made
	secure      map[string]*secure.Server     // of listeners that speak TLS
	loops       int
	bounds      map[string]int // of the listeners' connections
	access      *accesslog.Log
	slots       int // producers that access has
}

// Source is a configuration as it was given.
type Source struct {
	Name string // of the file, for what is said about faults in it
	Text []byte
}

// Hash names a configuration by its bytes: SHA-256, in hexadecimal.
func (s Source) Hash() string {
	sum := sha256.Sum256(s.Text)
	return hex.EncodeToString(sum[:])
}

// newPlan compiles spec. What the plan before it has compiled already, if there is one, is taken over.
func (g *Gateway) newPlan(ctx context.Context, spec *Spec, source Source, before *plan) (*plan, error) {
	p := &plan{spec: spec, source: source, hash: source.Hash(), names: slices.Sorted(maps.Keys(spec.Listeners)),
		tables: map[string]*route.Table{}, serverNames: map[string]*route.Names{}, shared: map[string]*upstream.Resolved{}, loops: spec.Runtime.Loops.Or(runtime.NumCPU())}
	if err := g.resolve(ctx, p, before); err != nil {
		return nil, err
	}
	if err := g.loadSecure(p, before); err != nil {
		return nil, err
	}
	for _, name := range p.names {
		s := spec.Listeners[name]
		same := before.keeps(name, s)
		switch {
		case same && s.Protocol == inbound.TCP:
			p.serverNames[name] = before.serverNames[name]
		case same:
			p.tables[name] = before.tables[name]
		case s.Protocol == inbound.TCP:
			p.serverNames[name] = route.CompileNames(s.Sessions())
		default:
			p.tables[name] = route.Compile(s.Routes)
		}
	}
	return p, nil
}

// keeps reports whether p has that very listener.
func (p *plan) keeps(name string, s *inbound.Spec) bool {
	if p == nil {
		return false
	}
	old := p.spec.Listeners[name]
	return old != nil && config.Equal(old, s)
}

// resolve looks the endpoints up, with the weights that operators gave them.
func (g *Gateway) resolve(ctx context.Context, p, before *plan) (err error) {
	p.resolved = map[string]*upstream.Resolved{}
	for name, s := range p.spec.Clusters {
		r, err := upstream.Resolve(ctx, name, s)
		if err != nil {
			if before == nil || before.spec.Clusters[name] == nil || !config.Equal(before.spec.Clusters[name], s) {
				return err
			}
			g.log.Warn("a cluster cannot be resolved, its endpoints stay as they are", "cluster", name, "err", err)
			r = before.resolved[name]
		}
		for _, fault := range r.TLS.Faults(time.Now()) {
			g.log.Warn("servers of a cluster do not take this file's certificates, or are not taken by them; they are used until it holds others", "cluster", name, "err", fault)
		}
		r = g.overrides.apply(r, s)
		if before != nil && before.resolved[name].Same(r) {
			r = before.resolved[name] // by which everybody sees that nothing changed
		}
		p.resolved[name] = r
	}
	return nil
}

// clientBounds are the listeners' bounds of connections, the largest of them lowered where all together would take more
// than three quarters of the descriptors: clients must leave room for the connections to upstreams that their requests
// need. A session of layer 4 has one of its own as long as it lasts, and counts twice.
func clientBounds(spec *Spec, files uint64, loops int, log *slog.Logger) map[string]int {
	out, sum := map[string]int{}, 0
	takes := func(name string) int {
		if spec.Listeners[name].Protocol == inbound.TCP {
			return 2
		}
		return 1
	}
	wants := func(name string) int { return spec.Listeners[name].Limits.Connections * takes(name) }
	for name, s := range spec.Listeners {
		out[name] = s.Limits.Connections
		sum += wants(name)
	}
	room := int(min(files, 1<<30)) / 4 * 3
	if sum <= room {
		return out
	}
	left := room
	smallestFirst := slices.SortedFunc(maps.Keys(out), func(a, b string) int { return wants(a) - wants(b) })
	for i, name := range smallestFirst { // a listener that asks for less than an equal share gets what it asks for
		out[name] = max(min(wants(name), left/(len(smallestFirst)-i))/takes(name), loops)
		left = max(left-out[name]*takes(name), 0)
	}
	log.Info("bounding client connections to leave descriptors for upstreams", "configured", sum, "bound", room, "open_files_limit", files)
	return out
}
