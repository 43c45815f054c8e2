package gateway

import (
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// dataFor reads n bytes of bodies, and tells how many came of each stream.
func (k *framed) dataFor(t *testing.T, n int) map[uint32]int {
	t.Helper()
	came := map[uint32]int{}
	for n > 0 {
		switch f := k.next().(type) {
		case nil:
			t.Fatalf("the connection has ended; %v came, %d are missing", came, n)
		case *http2.RSTStreamFrame:
			t.Fatalf("stream %d has ended: %v", f.StreamID, f.ErrCode)
		case *http2.DataFrame:
			came[f.StreamID] += len(f.Data())
			n -= len(f.Data())
		}
	}
	return came
}

// TestLongBodiesByPriority: a long body gets what there is of the connection before less urgent ones, piece after piece, and they get it
// while that one has no window of its own.
func TestLongBodiesByPriority(t *testing.T) {
	const window, much = 65535, 192 << 10
	piece := strings.Repeat("x", 16<<10)
	eachDriver(t, func(t *testing.T, d DriverName) {
		var ahead atomic.Int32 // origins that have sent all that this takes: the kernel holds it
		r := start(t, d, with{}, origin(t, func(c *client) {
			if _, err := readHead(c.br); err != nil {
				return
			}
			c.send("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 1<<30)
			for n := 0; ; n += len(piece) {
				if n >= window+much && n < window+much+len(piece) {
					ahead.Add(1)
				}
				if _, err := c.Write([]byte(piece)); err != nil {
					return
				}
			}
		}))
		k := r.dialFramed()
		ask := func(id uint32, priority string) {
			k.head(id, true, ":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/", "priority", priority)
		}
		ask(1, "u=7")
		k.dataFor(t, window)
		ask(3, "u=4")
		ask(5, "u=0")
		for heads := 0; heads < 2; {
			if _, ok := k.next().(*http2.MetaHeadersFrame); ok {
				heads++
			}
		}
		eventually(t, "what is to come is on its way", func() bool { return ahead.Load() == 3 })
		_ = k.WriteWindowUpdate(1, 1<<30)
		_ = k.WriteWindowUpdate(3, 1<<30)
		_ = k.WriteWindowUpdate(5, much-window)
		_ = k.WriteWindowUpdate(0, much)
		first := k.dataFor(t, much)
		if first[5] < much*8/10 {
			t.Errorf("%v came by stream; the last was the most urgent", first)
		}
		_ = k.WriteWindowUpdate(0, much)
		then := k.dataFor(t, much)
		if n := much - first[5]; then[5] != n || then[3] < (much-n)*8/10 {
			t.Errorf("%v came by stream, when the most urgent had a window of %d", then, n)
		}
	})
}
