package health

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringway/ringway/probe"
	"github.com/ringway/ringway/sys"
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
	pause   time.Duration // before it tries again what failed
}

// pingBuffer is the room for what is received. Checks are few and read at once.
const pingBuffer = 1 << 20

// newPinger opens what it takes. That this process may not ping at all, or has no descriptors left, is an error.
func newPinger(c *Checker, terms pingTerms, targets []netip.Addr) (*pinger, error) {
	p := &pinger{checker: c, terms: terms, targets: targets, refused: make([]error, len(targets)), sinks: make([][]*check, len(targets)), pause: retryPause}
	if err := p.open(); err != nil {
		return nil, fmt.Errorf("health checks by icmp: %w", err)
	}
	return p, nil
}

// options are what the pinger's terms mean to a prober.
func (p *pinger) options() probe.Options {
	t := &p.terms
	return probe.Options{Interval: t.interval, Timeout: t.timeout, Size: t.size, TOS: t.tos, DontFragment: t.dontFragment,
		Sockets: t.sockets.probe(), BufferSize: pingBuffer, OnEvent: p.observe}
}

// open opens the prober, and notes whom it cannot ping. That this process may not ping, or has no descriptors left to, says nothing of
// whom: then it is an error.
func (p *pinger) open() (err error) {
	list := make([]probe.Target, len(p.targets))
	for i, a := range p.targets {
		list[i] = probe.Target{Name: a.String(), Addr: a}
	}
	p.prober, err = probe.New(list, p.options())
	switch {
	case err != nil && ownFault(err) != nil:
		return ownFault(err)
	case errors.Is(err, probe.ErrNoTargets): // a host without IPv6, for one; its endpoints cannot be reached either
		for i := range p.refused {
			p.refused[i] = err
		}
		return nil
	case err != nil:
		return err
	}
	for i, got := range p.prober.Targets() {
		if p.refused[i] = got.Err; ownFault(got.Err) != nil {
			p.discard()
			p.prober = nil
			return ownFault(got.Err)
		}
	}
	return nil
}

// ownFault is the part of err that this process is to blame for, and not the address: that it may not ping, or has no descriptors left.
func ownFault(err error) error {
	var denied *probe.PermissionError
	switch {
	case errors.As(err, &denied):
		return denied
	case sys.IsExhausted(err):
		return err
	}
	return nil
}

// run pings until ctx ends. What stops it otherwise is the system's doing; it tries again.
func (p *pinger) run(ctx context.Context) {
	for {
		err := p.ping(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.checker.log.Error("health checks by icmp were interrupted, and go on in a moment", "err", err)
			if !p.rest(ctx) {
				return
			}
		}
		for err = p.open(); err != nil; err = p.open() {
			p.checker.log.Error("health checks by icmp cannot go on", "err", err)
			if !p.rest(ctx) {
				return
			}
		}
	}
}

// ping pings until ctx ends, the system fails, or an address that was refused no longer is: then it returns nil, and is to begin anew.
func (p *pinger) ping(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	if slices.ContainsFunc(p.refused, func(err error) bool { return err != nil }) {
		waiting.Go(func() {
			p.awaitAdmitted(ctx)
			cancel()
		})
	}
	if p.prober == nil {
		<-ctx.Done()
		return nil
	}
	return p.prober.Run(ctx)
}

// awaitAdmitted returns when an address that was refused can be pinged, or ctx ends. An interface may come up later than the gateway does.
// Until then each try is a ping that failed, also for endpoints that came to the address after the first.
func (p *pinger) awaitAdmitted(ctx context.Context) {
	for p.rest(ctx) {
		var list []probe.Target
		for i, why := range p.refused {
			if why != nil {
				list = append(list, probe.Target{Name: p.targets[i].String(), Addr: p.targets[i]})
			}
		}
		if trial, err := probe.New(list, p.options()); err == nil { // of those alone: the others are pinged meanwhile
			admitted := slices.ContainsFunc(trial.Targets(), func(t probe.Target) bool { return t.Err == nil })
			trial.Close()
			if admitted {
				p.checker.log.Info("health checks by icmp reach addresses that they could not")
				return
			}
		}
		for i, why := range p.refused {
			if why != nil {
				p.checker.take(result{failure: why.Error()}, func() []*check { return p.sinks[i] })
			}
		}
	}
}

// retryPause is how long a pinger waits before it tries again.
const retryPause = 5 * time.Second

// rest waits until it is time to try again; false if ctx ends.
func (p *pinger) rest(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(p.pause):
		return true
	}
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
