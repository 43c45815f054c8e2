package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ringway/ringway/observe/accesslog"
	"github.com/ringway/ringway/observe/metrics"
)

const (
	// retirePatience is how long a client's connection on a loop or a listener that is no more may be silent: a request that was
	// sent before the change has arrived by then.
	retirePatience = 5 * time.Second
	// retirePoll is how often those that leave are asked whether they are done.
	retirePoll = 20 * time.Millisecond
)

// past is what was counted by those that are no more, so that no counter ever falls.
type past struct {
	listeners map[string]*metrics.ListenerCounters
	clusters  map[string]*metrics.ClusterCounters
	endpoints map[[2]string]*metrics.EndpointCounters
	written   uint64
	dropped   uint64
}

func newPast() past {
	return past{listeners: map[string]*metrics.ListenerCounters{}, clusters: map[string]*metrics.ClusterCounters{},
		endpoints: map[[2]string]*metrics.EndpointCounters{}}
}

// add takes the counters of s over. What says how many there are now is over with them.
func (p *past) add(s *metrics.Snapshot) {
	for i := range s.Listeners {
		l := &s.Listeners[i]
		if p.listeners[l.Name] == nil {
			p.listeners[l.Name] = new(metrics.ListenerCounters)
		}
		l.Active, l.Tunnels.Open, l.HTTP2.Connections, l.HTTP2.Streams = 0, 0, 0, 0
		p.listeners[l.Name].Add(&l.ListenerCounters)
	}
	for i := range s.Clusters {
		c := &s.Clusters[i]
		if p.clusters[c.Name] == nil {
			p.clusters[c.Name] = new(metrics.ClusterCounters)
		}
		p.clusters[c.Name].Add(&c.ClusterCounters)
	}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		key := [2]string{e.Cluster, e.Name}
		if p.endpoints[key] == nil {
			p.endpoints[key] = new(metrics.EndpointCounters)
		}
		e.Idle, e.Active, e.Streams = 0, 0, 0
		p.endpoints[key].Add(&e.EndpointCounters)
	}
}

// tell adds to s what is past of that which s tells of.
func (p *past) tell(s *metrics.Snapshot) {
	for _, l := range unique(s.Listeners, func(l *metrics.Listener) string { return l.Name }) {
		if c := p.listeners[l]; c != nil {
			s.Listeners = append(s.Listeners, metrics.Listener{Name: l, ListenerCounters: *c})
		}
	}
	for _, n := range unique(s.Clusters, func(c *metrics.Cluster) string { return c.Name }) {
		if c := p.clusters[n]; c != nil {
			s.Clusters = append(s.Clusters, metrics.Cluster{Name: n, ClusterCounters: *c})
		}
	}
	for _, k := range unique(s.Endpoints, func(e *metrics.Endpoint) [2]string { return [2]string{e.Cluster, e.Name} }) {
		if c := p.endpoints[k]; c != nil {
			s.Endpoints = append(s.Endpoints, metrics.Endpoint{Cluster: k[0], Name: k[1], EndpointCounters: *c})
		}
	}
	s.AccessLog.Written += p.written
	s.AccessLog.Dropped += p.dropped
}

// prune forgets listeners and clusters that a plan does not have.
func (p *past) prune(to *plan) {
	for name := range p.listeners {
		if to.spec.Listeners[name] == nil {
			delete(p.listeners, name)
		}
	}
	for name := range p.clusters {
		if to.spec.Clusters[name] == nil {
			delete(p.clusters, name)
		}
	}
	for key := range p.endpoints {
		if to.spec.Clusters[key[0]] == nil {
			delete(p.endpoints, key)
		}
	}
}

func unique[E any, K comparable](list []E, key func(*E) K) (keys []K) {
	seen := map[K]bool{}
	for i := range list {
		if k := key(&list[i]); !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	return keys
}

// retire runs f beside everything else. Drain waits for it after having ended its context.
func (g *Gateway) retire(f func(ctx context.Context)) {
	g.retiring.Add(1)
	go func() {
		defer g.retiring.Done()
		f(g.background)
	}()
}

// retirePart lets a loop go when its last connection has ended: clients' connections cannot change loops, and none is cut off.
func (g *Gateway) retirePart(p *part, access *accesslog.Log, relog bool) {
	if relog {
		p.loop.On(func() { p.setAccess(access.Producer(p.slot)) })
	}
	g.retire(func(ctx context.Context) {
		if !poll(ctx, func() bool {
			n := 0
			return !p.loop.On(func() { n = p.conns() }) || n == 0
		}) {
			return
		}
		var s metrics.Snapshot
		g.mu.Lock()
		p.loop.On(func() {
			p.snapshot(&s, false)
			p.end()
		})
		g.past.add(&s)
		to := *g.now
		to.retired = without(to.retired, p)
		g.now = &to
		g.mu.Unlock()
		g.stopLoop(p.loop)
		g.log.Info("a loop has ended", "loop", p.loop.ID())
	})
}

// retire lets all clients of a part finish, and takes no more.
func (p *part) retire() {
	for _, h := range p.all() {
		h.Retire(retirePatience)
	}
}

func without(list []*part, p *part) (rest []*part) {
	for _, o := range list {
		if o != p {
			rest = append(rest, o)
		}
	}
	return rest
}

// setAccess changes where the part's requests are logged.
func (p *part) setAccess(to *accesslog.Producer) {
	for _, h := range p.all() {
		h.SetAccess(to)
	}
}

// retireHandlers waits for the connections of a listener that is no more, on one loop, and cuts off what takes longer than
// limit, if that is not 0.
func (g *Gateway) retireHandlers(p *part, list []handler, limit time.Duration) {
	g.retire(func(ctx context.Context) {
		var cut atomic.Bool
		if limit > 0 {
			timer := time.AfterFunc(limit, func() { cut.Store(true) })
			defer timer.Stop()
		}
		poll(ctx, func() bool {
			left := 0
			alive := p.loop.On(func() {
				for _, h := range list {
					if left += h.Conns(); cut.Load() {
						h.CloseAll()
					}
				}
			})
			return !alive || left == 0 && g.forget(p, list)
		})
	})
}

// forget takes handlers without connections out of a part, and keeps what they counted.
func (g *Gateway) forget(p *part, list []handler) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	var s metrics.Snapshot
	p.loop.On(func() {
		var rest []handler
		for _, h := range p.leaving {
			if contains(list, h) {
				s.Listeners = append(s.Listeners, metrics.Listener{Name: h.Label(), ListenerCounters: h.Snapshot()})
			} else {
				rest = append(rest, h)
			}
		}
		p.leaving = rest
	})
	g.past.add(&s)
	return true
}

func contains(list []handler, h handler) bool {
	for _, o := range list {
		if o == h {
			return true
		}
	}
	return false
}

// retireLog closes an access log that no loop writes to any more.
func (g *Gateway) retireLog(l *accesslog.Log, all []*assembly) {
	g.mu.Lock()
	g.closingLogs = append(g.closingLogs, l)
	g.mu.Unlock()
	g.retire(func(context.Context) {
		if err := l.Close(); err != nil {
			g.log.Error("access log", "err", err)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.past.written += l.Written()
		g.past.dropped += l.Dropped()
		for i, o := range g.closingLogs {
			if o == l {
				g.closingLogs = append(g.closingLogs[:i:i], g.closingLogs[i+1:]...)
				break
			}
		}
	})
}

// poll asks done again and again; false says that ctx has ended before.
func poll(ctx context.Context, done func() bool) bool {
	tick := time.NewTicker(retirePoll)
	defer tick.Stop()
	for {
		if done() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// sweep closes the sockets of listeners that are no more. Connections that wait in their queues are served first.
func (g *Gateway) sweep(to *plan) {
	keep := map[ListenerKey]bool{}
	for _, name := range to.names {
		key := place(name, to.spec.Listeners[name].Address)
		keep[key] = true
		g.sockets.entries[key].owner = name
	}
	if len(keep) == len(g.sockets.entries) {
		return
	}
	quiesce(g.current().parts) // lest a loop's descriptor keep the socket alive after the last look into its queue
	for key, e := range g.sockets.entries {
		if !keep[key] {
			g.sockets.close(e, g.adopter())
		}
	}
}

// adopter gives connections that were taken out of a queue to the loops in turn.
func (g *Gateway) adopter() func(e *entry, fd int32) {
	parts, next := g.current().parts, 0
	return func(e *entry, fd int32) {
		p := parts[next%len(parts)]
		next++
		taken := false
		p.loop.On(func() {
			for _, h := range p.all() {
				if h.Label() == e.owner && !taken {
					h.Gate().Adopt(fd, e.unix)
					taken = true
				}
			}
		})
		if !taken {
			_ = g.machine.Sockets.Close(int(fd))
		}
	}
}
