package health

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ringway/ringway/probe"
)

// pingTerms are what endpoints have in common that one prober can ping.
type pingTerms struct {
	interval, timeout time.Duration
	size, tos         int
	dontFragment      bool
	sockets           Sockets
}

func (s *ICMPSpec) terms() pingTerms {
	return pingTerms{s.Interval.Std(), s.Timeout.Std(), s.Size, s.TOS, s.DontFragment, s.Sockets}
}

// pinger pings all addresses that are to be pinged alike, each once however many clusters have it. Its targets do not change.
type pinger struct {
	checker *Checker
	terms   pingTerms
	targets []netip.Addr
	refused []error // by target: this host cannot ping it; nil: it can
	prober  *probe.Prober
	sinks   [][]*check // by target; guarded by the checker's lock
	cancel  context.CancelFunc
}

// pingBuffer is the room for what is received. Checks are few and read at once.
const pingBuffer = 1 << 20

// newPinger opens what it takes. That this process may not ping at all is an error.
func newPinger(c *Checker, terms pingTerms, targets []netip.Addr) (*pinger, error) {
	p := &pinger{checker: c, terms: terms, targets: targets, refused: make([]error, len(targets)), sinks: make([][]*check, len(targets))}
	if err := p.open(); err != nil {
		return nil, fmt.Errorf("health checks by icmp: %w", err)
	}
	return p, nil
}

func (p *pinger) open() (err error) {
	list := make([]probe.Target, len(p.targets))
	for i, a := range p.targets {
		list[i] = probe.Target{Name: a.String(), Addr: a}
	}
	t := &p.terms
	p.prober, err = probe.New(list, probe.Options{Interval: t.interval, Timeout: t.timeout, Size: t.size, TOS: t.tos, DontFragment: t.dontFragment,
		Sockets: t.sockets.probe(), BufferSize: pingBuffer, OnEvent: p.observe})
	var denied *probe.PermissionError
	switch {
	case errors.As(err, &denied):
		return denied
	case errors.Is(err, probe.ErrNoTargets): // a host without IPv6, for one; its endpoints cannot be reached either
		for i := range p.refused {
			p.refused[i] = err
		}
		return nil
	case err != nil:
		return err
	}
	for i, got := range p.prober.Targets() {
		if p.refused[i] = got.Err; errors.As(got.Err, &denied) {
			p.prober.Close()
			return denied
		}
	}
	return nil
}

// run pings until ctx ends. What stops it otherwise is the system's doing; it tries again.
func (p *pinger) run(ctx context.Context) {
	for p.prober != nil {
		err := p.prober.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		p.checker.log.Error("health checks by icmp were interrupted, and go on in a moment", "err", err)
		for err = p.pause(ctx); err != nil && ctx.Err() == nil; err = p.pause(ctx) {
			p.checker.log.Error("health checks by icmp cannot go on", "err", err)
		}
		if ctx.Err() != nil {
			p.discard()
			return
		}
	}
}

// reopenPause is how long a pinger waits before it tries again.
const reopenPause = 5 * time.Second

// pause waits a moment and opens the prober anew.
func (p *pinger) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(reopenPause):
	}
	err := p.open()
	if err == nil && p.prober == nil { // the addresses' family is gone
		err = p.refused[0]
	}
	return err
}

// discard frees what was opened of a pinger that does not run.
func (p *pinger) discard() {
	if p.prober != nil {
		p.prober.Close()
	}
}

// observe is told by the prober what became of each probe. Answers that come too late, or twice, change nothing: the probe has its
// outcome. That this host had no room to send says nothing of the endpoint.
func (p *pinger) observe(e *probe.Event) {
	if e.Extra != probe.None || e.Outcome == probe.LocalDrop {
		return
	}
	r := result{took: e.RTT}
	if e.Outcome != probe.Answered {
		r.failure = pingFailure(e)
	}
	p.checker.take(r, func() []*check { return p.sinks[e.Target] })
}

// pingFailure says why a probe failed.
func pingFailure(e *probe.Event) string {
	switch why := e.Reason(); {
	case e.Outcome == probe.Timeout:
		return "no answer in time"
	case e.Outcome == probe.Corrupted:
		return "the answer is not what was sent"
	case why != "":
		return why
	}
	return strings.ReplaceAll(e.Outcome.String(), "_", " ")
}

// describe says how it pings.
func (p *pinger) describe() string {
	if p.prober == nil {
		return "none"
	}
	var all []string
	for _, s := range p.prober.Sockets() {
		all = append(all, fmt.Sprintf("%v %v, %v stamps", s.Family, s.Kind, s.Domain))
	}
	return strings.Join(all, "; ")
}

// pingList is who is to be pinged by one pinger, as it is put together.
type pingList map[netip.Addr][]*check

// addresses are the targets in their order.
func (l pingList) addresses() []netip.Addr {
	all := make([]netip.Addr, 0, len(l))
	for a := range l {
		all = append(all, a)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}
