package sim

import "time"

// Faults say what goes wrong in a World, and how often: shares are between 0 and 1. The zero value is a calm world:
// everything arrives at once and whole.
type Faults struct {
	Latency time.Duration // of every segment, one way
	Jitter  time.Duration // added to it, up to
	Delay   time.Duration // most time from a result's existence to its delivery
	Turn    time.Duration // most time that a turn of a loop takes

	Room    int // bytes that fit between two ends of a connection; 0: 256 KiB
	Segment int // most bytes that travel together; 0: no bound
	Portion int // most results that one Reap delivers; 0: no bound
	Files   int // descriptors that may be open; 0: no bound

	Short       float64 // receives, sends and splices that move less than they could
	Interrupted float64 // receives, sends and accepts that end with EINTR
	NoBuffers   float64 // sends that end with ENOBUFS
	LateCancel  float64 // cancels that take their time
	Reorder     bool    // results on different descriptors come in any order

	Lost       float64 // datagrams of UDP that never arrive
	Refused    float64 // connections that are refused although somebody listens
	Unanswered float64 // connections that nothing ever comes of
	Reset      float64 // connections that are reset on the way
	Silent     float64 // connections on which nothing arrives any more from some moment on
	Discard    float64 // resets that take what the receiver had not read yet with them
}

// dice draws from a seed (splitmix64). Every socket has its own, so that what happens to one does not depend on how
// often others were asked.
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below draws from 0 to n-1; 0 if n is not positive.
func (d *dice) below(n int) int {
	if n <= 1 {
		return 0
	}
	return int(d.next() % uint64(n))
}

// chance is true in a share p of all draws. It draws only if the answer is open.
func (d *dice) chance(p float64) bool {
	return p > 0 && float64(d.next()>>11)/(1<<53) < p
}

// upTo draws a time from 0 to t.
func (d *dice) upTo(t time.Duration) int64 {
	if t <= 0 {
		return 0
	}
	return int64(d.next() % uint64(t+1))
}

// part draws how much of n is done by something that may stop short.
func (d *dice) part(n int, short float64) int {
	if n > 1 && d.chance(short) {
		return 1 + d.below(n)
	}
	return n
}

// fork gives dice of its own to the n-th of something.
func (d dice) fork(n uint64) dice {
	f := dice(uint64(d) ^ n*0xd1342543de82ef95)
	f.next()
	return f
}
