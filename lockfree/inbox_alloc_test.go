//go:build !race

package lockfree_test

import (
	"testing"

	"github.com/ringway/ringway/lockfree"
)

// TestInboxReusesNodes is not built with the race detector, whose sync.Pool drops some of what it is given.
func TestInboxReusesNodes(t *testing.T) {
	b := lockfree.NewInbox[int](16)
	batch := make([]int, 8)
	if allocs := testing.AllocsPerRun(1000, func() {
		b.Send(1)
		b.SendN(batch)
		b.Receive(func(int) {})
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
