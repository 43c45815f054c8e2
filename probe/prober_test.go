package probe

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/sys"
)

// loopback are targets that the kernel itself answers for.
func loopback(t testing.TB, words ...string) []Target {
	t.Helper()
	targets, err := Parse(words, 0)
	if err != nil {
		t.Fatal(err)
	}
	return targets
}

// open makes a prober, or skips where this process may not send ICMP or has no such addresses.
func open(t testing.TB, targets []Target, o Options) *Prober {
	t.Helper()
	p, err := New(targets, o)
	var denied *PermissionError
	switch {
	case errors.As(err, &denied):
		t.Skipf("no permission for ICMP sockets here: %v", denied.Err)
	case err != nil && sys.IsNoFamily(err):
		t.Skipf("no such addresses here: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func run(t testing.TB, p *Prober) *Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("it did not end by itself")
	}
	return p.Snapshot(SnapshotOptions{Recent: true})
}

// Every kind of socket, family and clock domain measures loopback without a single false loss.
func TestLoopback(t *testing.T) {
	for name, c := range map[string]struct {
		target  string
		sockets SocketKind
		limit   Domain
		want    Domain
	}{
		"raw":                {"127.0.0.1", Raw, NoDomain, Software},
		"datagram":           {"127.0.0.1", Datagram, NoDomain, Software},
		"raw IPv6":           {"::1", Raw, NoDomain, Software},
		"datagram IPv6":      {"::1", Datagram, NoDomain, Software},
		"receive nanosecond": {"127.0.0.1", Auto, ReceiveNano, ReceiveNano},
		"receive micro":      {"127.0.0.1", Auto, ReceiveMicro, ReceiveMicro},
		"user":               {"127.0.0.1", Auto, User, User},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, loopback(t, c.target), Options{Interval: 2 * time.Millisecond, Count: 100, Sockets: c.sockets, Domain: c.limit, Timeout: 5 * time.Second})
			s := run(t, p)
			got := s.Targets[0]
			if got.Sent != 100 || got.Of(Answered) != 100 || got.Loss() != 0 || !s.Ended || s.Total.Sent != 100 {
				t.Errorf("%+v", got)
			}
			for _, x := range Extras() {
				if n := got.Extra(x); n != 0 {
					t.Errorf("%d %v", n, x)
				}
			}
			l := got.Latency
			if l.Domain != c.want || l.Count != 100 || l.Min <= 0 || l.Min > l.P50 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max || l.Max > time.Second || len(got.Recent) != recentLength {
				t.Errorf("%+v, %d recent", l, len(got.Recent))
			}
			if c.sockets != Auto && s.Sockets[0].Kind != c.sockets {
				t.Errorf("%+v", s.Sockets)
			}
			if x := s.Session; x.Foreign+x.Stale+x.StrayErrors+x.QueueOverflow+x.Truncated+x.StampsUnknown+x.StampsMissing != 0 {
				t.Errorf("%+v", x)
			}
		})
	}
}

// Where the kernel does not let us name the stamps' identifiers, they are matched by the packets that come with them.
func TestStampsByPacket(t *testing.T) {
	for _, target := range []string{"127.0.0.1", "::1"} {
		for _, kind := range []SocketKind{Raw, Datagram} {
			p := open(t, loopback(t, target), Options{Interval: 2 * time.Millisecond, Count: 50, Sockets: kind})
			for _, s := range p.engine.sockets {
				if s != nil {
					s.named = false
					if err := sys.SetTimestamping(s.fd, false); err != nil {
						t.Fatal(err)
					}
				}
			}
			s := run(t, p)
			if got := s.Targets[0]; got.Of(Answered) != 50 || got.Latency.Domain != Software || got.Latency.Count != 50 || s.Session.StampsMissing+s.Session.StampsUnknown != 0 {
				t.Errorf("%s by %v: %+v, %+v", target, kind, got, s.Session)
			}
		}
	}
}

// A list with everything wrong in it: each target gets its own fate.
func TestOneNeverStopsTheOthers(t *testing.T) {
	targets := append(loopback(t, "127.0.0.1", "127.0.0.2"), Target{Name: "nowhere", Err: errors.New("cannot resolve")},
		Target{Name: "240.0.0.1", Addr: netip.MustParseAddr("240.0.0.1")}, Target{Name: "127.255.255.255", Addr: netip.MustParseAddr("127.255.255.255")})
	p := open(t, targets, Options{Interval: 5 * time.Millisecond, Count: 20, Timeout: 200 * time.Millisecond, Interface: "lo"})
	s := run(t, p)
	for i := range 2 {
		if got := s.Targets[i]; got.Of(Answered) != 20 || got.Lost() != 0 {
			t.Errorf("%s: %+v", got.Name, got)
		}
	}
	if got := s.Targets[2]; got.Sent != 0 || got.Err == nil {
		t.Errorf("%+v", got)
	}
	if got := s.Targets[4]; got.Of(SendFailed) != 20 || !strings.Contains(got.Reason, "broadcast") {
		t.Errorf("%s: %+v", got.Name, got)
	}
	if got := s.Targets[3]; got.Finished() != 20 || got.Of(Answered) != 0 {
		t.Errorf("%s: %+v", got.Name, got)
	}
}

// Two probers at once, of the same targets, never count each other's.
func TestProbersDoNotMix(t *testing.T) {
	o := Options{Interval: time.Millisecond, Count: 300}
	a, b := open(t, loopback(t, "127.0.0.1"), o), open(t, loopback(t, "127.0.0.1"), o)
	done := make(chan *Snapshot)
	for _, p := range []*Prober{a, b} {
		go func() {
			_ = p.Run(context.Background())
			done <- p.Snapshot(SnapshotOptions{})
		}()
	}
	for range 2 {
		s := <-done
		if c := s.Total; c.Of(Answered) != 300 || c.Extra(Duplicate) != 0 || s.Session.Foreign != 0 {
			t.Errorf("%+v, %+v", c, s.Session)
		}
	}
}

func TestEventsAndPeriods(t *testing.T) {
	seen := map[uint32]int{}
	p := open(t, loopback(t, "127.0.0.1"), Options{Interval: 2 * time.Millisecond, Count: 60, Size: 64, SizeMax: 1024, SizeStep: 64, TTL: 3, TOS: 0x20, DontFragment: true,
		OnEvent: func(e *Event) {
			if e.Outcome == Answered && e.RTT > 0 && e.From == netip.MustParseAddr("127.0.0.1") && e.Size == 64+64*(int(e.Seq)%16) {
				seen[e.Seq]++
			}
		}})
	done := make(chan error)
	go func() { done <- p.Run(context.Background()) }()
	var periods uint64
	for ended := false; !ended; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			ended = true
		case <-time.After(20 * time.Millisecond):
		}
		periods += p.Snapshot(SnapshotOptions{EndPeriod: true}).Period.Of(Answered)
	}
	if len(seen) != 60 || periods != 60 {
		t.Errorf("%d probes were told of, %d in periods", len(seen), periods)
	}
	if err := p.Run(context.Background()); !errors.Is(err, ErrAlreadyRun) {
		t.Error(err)
	}
}

// The end of a context ends sending at once, and what is under way stays so.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := open(t, loopback(t, "127.0.0.1"), Options{Interval: time.Hour})
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	time.Sleep(50 * time.Millisecond)
	begin := time.Now()
	cancel()
	if err := <-done; err != nil || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	target := loopback(t, "127.0.0.1")
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Size: 8}, "16 to 65507 bytes"},
		{Options{SizeMax: 70000}, "16 to 65507 bytes"},
		{Options{Interval: time.Nanosecond}, "interval"},
		{Options{Timeout: time.Hour}, "timeout"},
		{Options{TTL: 256}, "time to live"},
		{Options{TOS: 256}, "TOS"},
		{Options{Source4: netip.MustParseAddr("::1")}, "no IPv4 address"},
		{Options{Source6: netip.MustParseAddr("127.0.0.1")}, "no IPv6 address"},
		{Options{MaxSlots: 1}, "remembered"},
	} {
		if _, err := New(target, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
	if _, err := New(nil, Options{}); !errors.Is(err, ErrNoTargets) {
		t.Error(err)
	}
	zone := Target{Name: "fe80::1%none-such", Addr: netip.MustParseAddr("fe80::1%none-such")}
	if p, err := New([]Target{zone}, Options{}); !errors.Is(err, ErrNoTargets) {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := New([]Target{{Name: "x", Err: errors.New("y")}}, Options{}); !errors.Is(err, ErrNoTargets) {
		t.Error(err)
	}
}
