package conn

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringway/ringway/loop"
	"github.com/ringway/ringway/loop/sim"
)

// roughWeather loses datagrams, lets them overtake each other, and interrupts whoever waits for them.
var roughWeather = sim.Faults{
	Latency: time.Millisecond, Jitter: 5 * time.Millisecond, Delay: 100 * time.Microsecond, Turn: 20 * time.Microsecond,
	Lost: 0.2, Interrupted: 0.1, LateCancel: 0.3, Portion: 3, Reorder: true, Room: 4096,
}

// requests asks a server for the squares of numbers over UDP, again and again until each has come.
type requests struct {
	server, client *PacketConn
	resent, stale  int
	failed         string
	done           bool
}

func (q *requests) serve(*loop.Task) {
	in, out := make([]Datagram, 4), make([]Packet, 1)
	for {
		n, err := q.server.ReadBatch(in)
		if err != nil {
			return
		}
		for _, d := range in[:n] {
			v := binary.BigEndian.Uint32(d.Data)
			out[0] = Packet{Data: binary.BigEndian.AppendUint64(append([]byte(nil), d.Data...), uint64(v)*uint64(v)), To: d.From}
			if _, err := q.server.WriteBatch(out); err != nil {
				q.failed = err.Error()
			}
		}
		q.server.Release(in[:n])
	}
}

func (q *requests) ask(t *loop.Task) {
	if t.Sleep(time.Millisecond) != nil { // until time passes
		return
	}
	b := make([]byte, 64)
	for v := uint32(0); v < 60; {
		if _, err := q.client.Write(binary.BigEndian.AppendUint32(nil, v)); err != nil {
			q.failed = err.Error()
			break
		}
		q.client.SetReadTimeout(20 * time.Millisecond)
		for {
			n, err := q.client.Read(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				q.resent++
				break
			}
			if err != nil || n != 12 || binary.BigEndian.Uint64(b[4:]) != uint64(binary.BigEndian.Uint32(b))*uint64(binary.BigEndian.Uint32(b)) {
				q.failed = "a wrong answer came"
				return
			}
			if binary.BigEndian.Uint32(b) == v {
				v++
				break
			}
			q.stale++ // of one that was asked twice
		}
	}
	_ = q.server.Close()
	_ = q.client.Close()
	q.done = true
}

// weather runs the requests in a world of its own, and tells how it went.
func weather(t *testing.T, seed uint64) (hash uint64, q *requests, lost int) {
	w := sim.New(sim.Config{Seed: seed, Faults: roughWeather, NonBlocking: seed%2 == 0, Trace: 100_000})
	l, err := loop.Start(loop.DefaultConfig(0, w.Driver))
	if err != nil {
		t.Fatal(err)
	}
	q = &requests{}
	var n *Net
	l.On(func() {
		n = NewNet(l, DefaultLimits())
		q.server = got(ListenPacket(n, PacketConfig{Address: "10.0.0.1:53"}))
		addr := got(AddressOf(q.server.Local()))
		q.client = got(DialPacket(n, &addr, PacketConfig{}))
		l.Go("serve", q.serve)
		l.Go("ask", q.ask)
	})
	w.Run(time.Hour)
	hash = w.Hash()
	for _, line := range w.Trace() {
		if strings.Contains(line, "is lost") {
			lost++
		}
	}
	w.Live()
	var u Usage
	var s loop.Stats
	eventually(t, "nothing is left", func() bool {
		l.On(func() { u, s = n.Usage(), l.Stats() })
		return u == Usage{} && s.Live == 0 && s.Driver.InFlight == 0 && s.Driver.Lent == 0
	})
	if err := stop(l); err != nil {
		t.Error(err)
	}
	return hash, q, lost
}

// TestPacketsInRoughWeather: requests over a network that loses a fifth of them are all answered, and a seed gives the same run
// twice.
func TestPacketsInRoughWeather(t *testing.T) {
	hashes, lostAll, staleAll := map[uint64]bool{}, 0, 0
	for seed := uint64(1); seed <= 20; seed++ {
		hash, q, lost := weather(t, seed)
		if !q.done || q.failed != "" {
			t.Fatalf("seed %d: done: %v, %s", seed, q.done, q.failed)
		}
		if q.resent == 0 && lost > 0 {
			t.Errorf("seed %d: %d were lost, and nothing was sent again", seed, lost)
		}
		if again, _, _ := weather(t, seed); again != hash {
			t.Errorf("seed %d ran differently the second time", seed)
		}
		hashes[hash] = true
		lostAll += lost
		staleAll += q.stale
	}
	if len(hashes) < 20 || lostAll < 100 {
		t.Errorf("%d different runs, %d datagrams lost, %d late: the weather was fair", len(hashes), lostAll, staleAll)
	}
}
