package lockfree

import "math/bits"

// pad keeps what different threads write apart. It is two cache lines of amd64, because the adjacent-line prefetcher
// fetches lines in pairs, and one of those arm64 parts that have lines of 128 bytes.
type pad [128]byte

// maxCapacity bounds the rings, so that their indices' arithmetic has room and a wrong unit is found out.
const maxCapacity = 1 << 30

// ringSize gives the power of two that holds capacity.
func ringSize(capacity, least int) int {
	if capacity < 1 || capacity > maxCapacity {
		panic("lockfree: the capacity of a queue is not within 1 and 1<<30")
	}
	return max(least, 1<<bits.Len(uint(capacity-1)))
}
