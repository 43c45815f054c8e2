package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/ringway/ringway/proto/icmp"
	"github.com/ringway/ringway/sys"
)

// Prober probes a fixed list of targets. It is run once.
type Prober struct {
	targets []Target
	engine  *engine
	started time.Time // of Run; with ended guarded by engine.mu
	ended   time.Time
	once    sync.Once
	info    []SocketInfo
}

// SocketInfo says what a socket was found to be able to do.
type SocketInfo struct {
	Family icmp.Family
	Kind   SocketKind
	Domain Domain // the best that it can reach without a card that stamps
}

// ErrNoTargets says that there is nobody to probe: the list is empty, or no name of it has an address.
var ErrNoTargets = errors.New("no target has an address that can be probed")

// ErrAlreadyRun says that Run was called a second time.
var ErrAlreadyRun = errors.New("a prober runs once")

// New opens what is needed to probe the targets. A target that has an error, or is of a family that this host does not have,
// is not probed and stays in the list. A *PermissionError says that this process may not send ICMP at all.
func New(targets []Target, o Options) (*Prober, error) {
	return newProber(targets, o, func(order []int, o Options, start int64) plan {
		c := &cycle{order: order, interval: int64(o.Interval), rounds: o.Count, until: never, start: start, sizes: sweep{o.Size, o.SizeMax, o.SizeStep}}
		if o.Duration > 0 {
			c.until = start + int64(o.Duration)
		}
		return c
	})
}

// newProber makes a prober with a plan for the targets that can be probed, given by their indexes.
func newProber(targets []Target, o Options, makePlan func(order []int, o Options, start int64) plan) (*Prober, error) {
	p := &Prober{targets: append([]Target(nil), targets...)}
	usable := 0
	for i := range p.targets {
		t := &p.targets[i]
		if t.Err == nil {
			t.Addr, t.Err = numericZone(t.Addr)
		}
		if t.Err == nil {
			usable++
		}
	}
	o = o.withDefaults(usable)
	if err := o.validate(); err != nil {
		return nil, err
	}
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, err
	}
	e := &engine{options: o, nonce: binary.BigEndian.Uint64(seed[:]), base: time.Now(), wake: -1}
	p.engine = e
	order, err := p.open(o)
	if err != nil {
		p.close()
		return nil, err
	}
	if e.wake, err = sys.Eventfd(); err != nil {
		p.close()
		return nil, err
	}
	addrs := make([]netip.Addr, len(p.targets))
	for i, t := range p.targets {
		addrs[i] = t.Addr
	}
	e.ledger = newLedger(e.ledgerConfig(len(order)), addrs)
	e.plan = makePlan(order, o, e.now()+int64(sys.StampDelay))
	return p, nil
}

// numericZone names the zone of a link-local address by its number, which needs no look-up for each packet.
func numericZone(a netip.Addr) (netip.Addr, error) {
	if a.Zone() == "" {
		return a, nil
	}
	if _, err := strconv.Atoi(a.Zone()); err == nil {
		return a, nil
	}
	i, err := net.InterfaceByName(a.Zone())
	if err != nil {
		return a, fmt.Errorf("%s: there is no such interface", a.Zone())
	}
	return a.WithZone(strconv.Itoa(i.Index)), nil
}

// open opens the sockets of the families that there are targets of, and lists the targets that can be probed.
func (p *Prober) open(o Options) (order []int, err error) {
	var failed [2]error
	for i, t := range p.targets {
		if t.Err != nil {
			continue
		}
		f := familyOf(t.Addr)
		at := familyIndex(f)
		if p.engine.sockets[at] == nil && failed[at] == nil {
			p.engine.sockets[at], failed[at] = openSocket(f, &o, p.engine.nonce)
		}
		if failed[at] != nil {
			p.targets[i].Err = failed[at]
			continue
		}
		order = append(order, i)
	}
	for _, s := range p.engine.sockets {
		if s == nil {
			continue
		}
		kind := Datagram
		if s.raw {
			kind = Raw
		}
		p.info = append(p.info, SocketInfo{s.family, kind, s.domain})
		p.engine.quick = p.engine.quick || s.domain == User
	}
	if len(order) == 0 {
		return nil, errors.Join(append(failed[:], ErrNoTargets)...)
	}
	return order, nil
}

func (e *engine) ledgerConfig(targets int) ledgerConfig {
	o := &e.options
	perSecond := float64(targets) * float64(time.Second) / float64(o.Interval)
	c := ledgerConfig{nonce: e.nonce, pattern: o.Pattern, timeout: int64(o.Timeout), late: int64(o.Late), limit: o.Domain,
		capacity: int(min(perSecond*(o.Timeout+o.Late).Seconds()*1.1+256, float64(o.MaxSlots))), maximum: o.MaxSlots,
		sink: func(ev *Event) {
			e.plan.observe(ev)
			if o.OnEvent != nil {
				o.OnEvent(ev)
			}
		}}
	for i, s := range e.sockets {
		if s == nil {
			continue
		}
		c.id[i], c.checked[i] = s.id, s.checked()
		if s.domain >= Software {
			c.stampWait = int64(50 * time.Millisecond)
		}
	}
	return c
}

// Run probes until each target got its count and every probe its outcome, the duration is over, or ctx ends: then it returns
// at once, and probes without an outcome stay in flight. It returns an error only if the system fails.
func (p *Prober) Run(ctx context.Context) error {
	err := ErrAlreadyRun
	p.once.Do(func() {
		p.engine.mu.Lock()
		p.started = time.Now()
		p.engine.mu.Unlock()
		err = p.engine.run(ctx)
		p.engine.mu.Lock()
		p.ended = time.Now()
		p.engine.mu.Unlock()
		p.close()
	})
	return err
}

// Close frees what New opened, for a prober that is not run. After Run it does nothing.
func (p *Prober) Close() { p.once.Do(p.close) }

func (p *Prober) close() {
	e := p.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return
	}
	e.countDrops()
	e.ended = true
	for _, s := range e.sockets {
		if s != nil {
			_ = sys.Close(s.fd) // nothing was to be written
		}
	}
	if e.wake >= 0 {
		_ = sys.Close(e.wake)
	}
}

// countDrops asks the sockets what they dropped, which they else tell only with the next packet. The lock is held.
func (e *engine) countDrops() {
	if e.ledger == nil {
		return
	}
	for _, s := range e.sockets {
		if s == nil {
			continue
		}
		if n, err := sys.Drops(s.fd); err == nil {
			e.overflow(s, n)
		}
	}
}

// Sockets says what kind of sockets are used.
func (p *Prober) Sockets() []SocketInfo { return p.info }

// Targets is the list with the errors of those that are not probed.
func (p *Prober) Targets() []Target { return p.targets }
