package probe

import (
	"net/netip"
	"time"
)

// Snapshot is what is known at a moment.
type Snapshot struct {
	At       time.Time
	Elapsed  time.Duration // since Run began, until it ended
	Targets  []TargetStats
	Total    Counters
	Period   Counters  // of all targets, since the last period ended
	Latency  Latency   // of all targets, in the domain that most was measured in
	ByDomain []Latency // one for each domain that something was measured in
	Session  Session
	Sockets  []SocketInfo
	Ended    bool
}

// TargetStats is what is known of a target.
type TargetStats struct {
	Target
	Counters
	Period  Counters // since the last period ended
	Latency Latency
	// Recent is the times of the last probes, the oldest first; RecentLost stands for one without an answer.
	Recent []time.Duration
	// Reason is the last ICMP error or refusal to send, in words, and Reporter who sent it.
	Reason   string
	Reporter netip.Addr
	Damage   *Damage // of the last corrupted answer, if that was the last that went wrong
}

// SnapshotOptions say what a snapshot is for.
type SnapshotOptions struct {
	// EndPeriod begins a new period. Only one reader of a prober may ask for it.
	EndPeriod bool
	// Recent asks for the values of sparklines.
	Recent bool
}

// chunk is how many targets are read under one hold of the lock, so that reading ten thousand does not hold sending up.
const chunk = 64

// Snapshot reads all counters.
func (p *Prober) Snapshot(o SnapshotOptions) *Snapshot {
	e := p.engine
	s := &Snapshot{At: time.Now(), Targets: make([]TargetStats, len(p.targets)), Sockets: p.info}
	for from := 0; from < len(p.targets); from += chunk {
		e.mu.Lock()
		for i := from; i < min(from+chunk, len(p.targets)); i++ {
			s.Targets[i] = p.read(i, o)
			s.Total.Add(&s.Targets[i].Counters)
			s.Period.Add(&s.Targets[i].Period)
		}
		e.mu.Unlock()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended {
		e.countDrops()
	}
	switch {
	case !p.ended.IsZero():
		s.Elapsed = p.ended.Sub(p.started)
	case !p.started.IsZero():
		s.Elapsed = s.At.Sub(p.started)
	}
	s.Session, s.Ended = e.ledger.session, e.ended
	if c, ok := e.plan.(*cycle); ok {
		s.Session.Slipped = c.slipped
	}
	best := e.ledger.total.best()
	s.Latency = e.ledger.total.summary(best)
	for d := User; d < domains; d++ {
		if e.ledger.total.n[d] > 0 {
			s.ByDomain = append(s.ByDomain, e.ledger.total.summary(d))
		}
	}
	return s
}

// read is the state of one target. The lock is held.
func (p *Prober) read(i int, o SnapshotOptions) TargetStats {
	t := &p.engine.ledger.targets[i]
	s := TargetStats{Target: p.targets[i], Counters: t.counters, Period: t.counters.Sub(t.period), Latency: t.latency.summary(),
		Reason: t.last.Reason(), Reporter: t.last.From}
	if t.last.Outcome == Corrupted {
		d := t.last.Damage
		s.Damage = &d
	}
	if o.Recent {
		s.Recent = t.recentInOrder()
	}
	if o.EndPeriod {
		t.period = t.counters
		t.latency.endWindow()
	}
	return s
}
