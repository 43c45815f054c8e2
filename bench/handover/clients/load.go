package clients

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long anything may take that does not fail.
const patience = 30 * time.Second

// maxFaults is how many faults are kept as text; all are counted.
const maxFaults = 20

// Target is where the proxy listens.
type Target struct {
	Web   string // HTTP
	Local string // HTTP as well, on a Unix socket; empty for none
	Relay string // TCP that is passed through; empty for none
}

// Numbers is how many clients there are of each kind.
type Numbers struct {
	KeepAlive int // many requests, one after the other, over each connection
	Fresh     int // a connection for each request
	Downloads int // one long body after the other
	Bytes     int // of such a body
	Relays    int // numbers sent through TCP and expected back
	Tunnels   int // the same through HTTP after an upgrade, as WebSocket is
}

// Count is what has become of one kind of client's work.
type Count struct{ Done, Failed atomic.Int64 }

// Load is clients at work. They go on after a fault, with another connection.
type Load struct {
	target Target
	stop   chan struct{}
	all    sync.WaitGroup
	mu     sync.Mutex
	faults []string

	KeepAlive, Fresh, Downloads Count
	Relays, Tunnels             Count // Done counts numbers that came back, Failed connections that were broken off
	// Stale are those failed requests of KeepAlive that met a connection which was closed between two requests: nothing of an
	// answer had come, and a client that tries again has lost little.
	Stale atomic.Int64
	// Ended are keep-alive connections that were ended in order, with a response that said so.
	Ended atomic.Int64
}

// Begin sets clients to work.
func Begin(t Target, n Numbers) *Load {
	l := &Load{target: t, stop: make(chan struct{})}
	for i := range n.KeepAlive {
		l.all.Go(func() { l.keepAlive(i) })
	}
	for range n.Fresh {
		l.all.Go(l.fresh)
	}
	for range n.Downloads {
		l.all.Go(func() { l.download(n.Bytes) })
	}
	for i := range n.Relays {
		l.all.Go(func() { l.echo("relay", &l.Relays, i, t.Relay, false) })
	}
	for i := range n.Tunnels {
		l.all.Go(func() { l.echo("tunnel", &l.Tunnels, i, t.Web, true) })
	}
	return l
}

// End stops the clients and waits for them.
func (l *Load) End() {
	close(l.stop)
	l.all.Wait()
}

// Faults are those that came since they were asked for the last time, the first ones of them.
func (l *Load) Faults() (faults []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	faults, l.faults = l.faults, nil
	return faults
}

// String tells what has been done.
func (l *Load) String() string {
	return fmt.Sprintf("%d requests, %d downloads, %d numbers echoed, %d connections ended in order", l.KeepAlive.Done.Load()+l.Fresh.Done.Load(),
		l.Downloads.Done.Load(), l.Relays.Done.Load()+l.Tunnels.Done.Load(), l.Ended.Load())
}

func (l *Load) fault(c *Count, format string, args ...any) {
	c.Failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) < maxFaults {
		l.faults = append(l.faults, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

func (l *Load) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// rest is a pause after a fault, so that a proxy which is gone does not give as many faults as there is time.
func (l *Load) rest() {
	select {
	case <-l.stop:
	case <-time.After(50 * time.Millisecond):
	}
}
