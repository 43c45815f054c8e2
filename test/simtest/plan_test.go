package simtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ringway/ringway/loop/sim"
)

// plan is what a seed means.
type plan struct {
	seed     uint64
	world    sim.Config
	config   string // of the gateway
	clients  int
	requests int // of each client
	origins  int
	biggest  int           // bits of the largest body's size
	haste    int           // of clients: one answer in so many is left to wait before its body is read
	idle     time.Duration // that tunnels may be without a byte
	vice     deed          // of the origins
	calm     bool

	share     int  // of four clients' conversations, those of HTTP/2
	crowd     int  // of them: requests at a time, for each that another client would make
	heavy     bool // some conversations send much
	originsH2 bool // all speak HTTP/2
	tight     bool // bodies wait for the windows of connections, which are given back when used up; no stream's is in the way
}

// often draws a share of at most p, and in half of all cases nought: faults of few kinds at a time are told apart.
func often(r *rand.Rand, p float64) float64 {
	if r.IntN(2) == 0 {
		return 0
	}
	return r.Float64() * p
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d) + 1)) }

// draw turns a seed into a plan. One seed in eight is calm: then everything must succeed.
func draw(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 0x72696e67776179))
	p := plan{seed: seed, clients: 1 + r.IntN(12), requests: 1 + r.IntN(8), origins: 1 + r.IntN(3), biggest: 6 + r.IntN(14), calm: seed%8 == 0, haste: 1 + r.IntN(10)}
	p.world = sim.Config{Seed: seed, NonBlocking: r.IntN(2) == 0}
	p.world.Faults = sim.Faults{
		Latency: 1 + upTo(r, 20*time.Millisecond), Jitter: upTo(r, 20*time.Millisecond), Delay: upTo(r, 2*time.Millisecond),
		Turn: upTo(r, 100*time.Microsecond), Reorder: r.IntN(2) == 0,
	}
	f := &p.world.Faults
	if r.IntN(3) == 0 {
		bits := 9 + r.IntN(9)
		f.Room = 1 << bits
		p.biggest = min(p.biggest, bits+4) // what travels through little room takes its time
	}
	if r.IntN(2) == 0 {
		f.Segment = 1 + r.IntN(1<<(1+r.IntN(14)))
	}
	if r.IntN(3) == 0 {
		f.Portion = 1 + r.IntN(4)
	}
	f.Short, f.Interrupted, f.NoBuffers, f.LateCancel = often(r, 0.9), often(r, 0.3), often(r, 0.2), often(r, 1)
	if !p.calm {
		f.Refused, f.Unanswered, f.Reset, f.Silent = often(r, 0.2), often(r, 0.1), often(r, 0.3), often(r, 0.15)
		f.Discard = often(r, 1)
		if r.IntN(2) == 0 {
			p.vice = early + deed(r.IntN(6))
		}
		if p.vice == hasty { // it is about bodies that are on their way in both directions
			f.Room, p.biggest = 1<<(11+r.IntN(4)), 17
		}
		if r.IntN(8) == 0 {
			f.Files = 24 + r.IntN(60)
		}
	}
	if f.Segment > 0 && f.Segment < 64 { // one event a byte: keep it short
		p.biggest = min(p.biggest, 12)
	}
	p.share, p.originsH2, p.crowd = max(r.IntN(7)-2, 0), r.IntN(2) == 0, 1+r.IntN(4)
	p.heavy = (f.Segment == 0 || f.Segment > 500) && (f.Room == 0 || f.Room > 4000) && p.biggest > 12
	p.config = gatewayConfig(r, &p)
	p.tight = p.calm && p.heavy && r.IntN(2) == 0 // elsewhere one that waits for ever is taken for a victim of the faults
	return p
}

// gatewayConfig draws a configuration; scarce bounds are part of it.
func gatewayConfig(r *rand.Rand, p *plan) string {
	var b strings.Builder
	connections, buffers, heads := 65536, 2048, 16384
	pool := ""
	if !p.calm {
		if r.IntN(4) == 0 {
			connections = 3 + r.IntN(8)
		}
		if r.IntN(4) == 0 {
			buffers = 2 + r.IntN(8)
		}
		if r.IntN(6) == 0 {
			heads = 4 + r.IntN(20)
		}
		pool = fmt.Sprintf("pool: {idle: %d, connections: %d, waiting: %d, requests: %d}", r.IntN(8), 1+r.IntN(16), r.IntN(32), r.IntN(4))
	}
	loops := 1 + r.IntN(3)
	tunnel := secs(r, 60, p.calm)
	p.idle, _ = time.ParseDuration(tunnel)
	fmt.Fprintf(&b, "listeners:\n  web:\n    address: 127.0.0.1:8080\n    timeouts: {request_head: %s, idle: %s, read: %s, write: %s, tunnel: %s}\n",
		secs(r, 30, p.calm), secs(r, 60, p.calm), secs(r, 30, p.calm), secs(r, 30, p.calm), tunnel)
	http2, cluster := http2Config(r, p)
	fmt.Fprintf(&b, "    limits: {connections: %d%s}\n    half_close: %s\n    routes: [{cluster: site}]\n",
		max(connections, loops), http2, []string{"cancel", "finish"}[r.IntN(2)])
	fmt.Fprintf(&b, "  line:\n    address: 127.0.0.1:8081\n    protocol: tcp\n    cluster: lines\n    timeouts: {tunnel: %s}\n", tunnel)
	fmt.Fprintf(&b, "clusters:\n  lines:\n    endpoints: [%s]\n    retries: %d\n    timeouts: {connect: %s}\n",
		strings.Join(originAddresses(9501, p.origins), ", "), r.IntN(3), secs(r, 5, p.calm))
	fmt.Fprintf(&b, "  site:\n    endpoints: [%s]\n    retries: %d\n    timeouts: {connect: %s, response_head: %s, read: %s, write: %s, idle: %s}\n",
		strings.Join(originAddresses(9001, p.origins), ", "), r.IntN(3), secs(r, 5, p.calm), secs(r, 30, p.calm), secs(r, 30, p.calm), secs(r, 30, p.calm), secs(r, 60, p.calm))
	b.WriteString(cluster)
	if pool != "" {
		fmt.Fprintf(&b, "    %s\n", pool)
	}
	fmt.Fprintf(&b, "runtime: {stall: off, loops: %d, buffers: %d, heads: %d}\n", loops, buffers, heads)
	return b.String()
}

// http2Config draws how HTTP/2 is spoken with clients and with origins.
func http2Config(r *rand.Rand, p *plan) (limits, cluster string) {
	window := func() int { return 1<<10 + r.IntN(1<<(10+r.IntN(8))) }
	streams, table := 1+r.IntN(1<<r.IntN(8)), r.IntN(1<<r.IntN(14))
	connection := 0
	if !p.calm && r.IntN(4) == 0 { // bodies may hold up others
		connection = 64 << 10
	}
	limits = fmt.Sprintf(", http2: {streams: %d, stream_window: %d, connection_window: %d, header_table: %d}", streams, window(), connection, table)
	if p.originsH2 {
		cluster = fmt.Sprintf("    version: http2\n    http2: {streams: %d, window: %d}\n", 1+r.IntN(1<<r.IntN(8)), 15<<10+window())
	}
	return limits, cluster
}

// secs draws a timeout of up to most seconds; a calm one is long.
func secs(r *rand.Rand, most int, calm bool) string {
	n := 1 + r.IntN(most)
	if calm {
		n = 600
	}
	return fmt.Sprintf("%ds", n)
}

func originAddresses(port, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("127.0.0.1:%d", port+i)
	}
	return out
}
