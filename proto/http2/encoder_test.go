package http2

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/ringway/ringway/proto/header"
)

// TestEncoderAtRandom: x/net's decoder reads the same fields, whichever come, come again and are pushed out of a table whose size
// changes.
func TestEncoderAtRandom(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 0))
		limit := []int{100, 300, 4096, 20000}[seed%4]
		var e encoder
		e.init(min(limit, defaultTableSize), limit)
		d := hpack.NewDecoder(defaultTableSize, nil)
		d.SetAllowedMaxDynamicTableSize(1 << 20)
		indexed := 0
		for block := range 300 {
			if r.IntN(20) == 0 {
				e.resize(uint32(r.IntN(2 * limit)))
			}
			e.dst = e.dst[:0]
			want := ""
			add := func(id header.ID, name, value string) {
				e.field(id, []byte(name), []byte(value))
				want += "|" + name + "=" + value
			}
			status := []string{"200", "204", "302", "500", "503"}[r.IntN(5)]
			e.pseudo(statusID, statusName, status)
			want += "|:status=" + status
			for range r.IntN(8) {
				switch n := r.IntN(40); n % 4 {
				case 0:
					add(header.Server, "server", fmt.Sprint("s", n))
				case 1:
					add(header.Other, fmt.Sprint("x-", n), strings.Repeat("v", n))
				case 2:
					add(header.Other, fmt.Sprint("x-", n%8), strings.Repeat("long ", 5*n))
				default:
					add(header.ETag, "etag", fmt.Sprint(block))
				}
			}
			for _, b := range e.dst {
				if b > 0x80+staticEntries {
					indexed++
				}
			}
			if got := decodeAll(t, d, e.dst); got != want {
				t.Fatalf("seed %d, block %d: %s, want %s", seed, block, got, want)
			}
		}
		if indexed == 0 {
			t.Errorf("seed %d: nothing was indexed", seed)
		}
	}
}
