package probe

import "time"

// Domain is the clock, and the place, that both ends of a measurement were read at. Times of different domains are never
// subtracted from each other nor put into one histogram. A higher domain is a better one.
type Domain uint8

// The domains.
const (
	NoDomain     Domain = iota
	User                // CLOCK_MONOTONIC, read by this program around its system calls
	ReceiveMicro        // CLOCK_REALTIME: sent by this program's reading, received by SO_TIMESTAMP in microseconds
	ReceiveNano         // CLOCK_REALTIME: sent by this program's reading, received by the kernel's stamp in nanoseconds
	Software            // CLOCK_REALTIME, both stamped by the kernel: at the driver on the way out, at arrival on the way in
	Hardware            // the clock of the network card, both stamped by it
	domains             // their number
)

var domainNames = [domains]string{"none", "user", "receive-us", "receive-ns", "software", "hardware"}

// String is the name used in reports.
func (d Domain) String() string {
	if d < domains {
		return domainNames[d]
	}
	return "unknown"
}

// Describe says what the domain measures.
func (d Domain) Describe() string {
	switch d {
	case Hardware:
		return "hardware stamps of the network card at both ends"
	case Software:
		return "software stamps of the kernel at both ends (CLOCK_REALTIME)"
	case ReceiveNano:
		return "sent by the program's clock, received by the kernel's stamp in nanoseconds (CLOCK_REALTIME)"
	case ReceiveMicro:
		return "sent by the program's clock, received by the kernel's stamp in microseconds (CLOCK_REALTIME)"
	case User:
		return "the program's clock at both ends (CLOCK_MONOTONIC)"
	}
	return "nothing measured"
}

// Stamps are all readings of one probe's way out and back, in nanoseconds of their clocks; nought is a reading that is missing.
type Stamps struct {
	SentMono int64 // CLOCK_MONOTONIC just before the system call that sent it
	SentReal int64 // CLOCK_REALTIME at the same moment
	TxSoft   int64 // the kernel's transmit stamp, CLOCK_REALTIME
	TxHard   int64 // the network card's
	RxMono   int64 // CLOCK_MONOTONIC just after the system call that received the answer
	RxSoft   int64 // the kernel's receive stamp, CLOCK_REALTIME
	RxHard   int64
	RxMicro  bool // RxSoft came by SO_TIMESTAMP and counts microseconds only
}

// stepSlack is how much longer than the program's own interval a kernel's may seem: the two clocks are slewed differently.
const stepSlack = int64(time.Millisecond)

// RTT is the round-trip time in the best domain that both ends share, at most the domain limit. The program reads its
// monotonic clock before the kernel stamps the way out and after it stamped the way in, so its interval encloses every
// other: a stamped one that does not fit was cut by a step of the clock, and is refused.
func (s *Stamps) RTT(limit Domain) (time.Duration, Domain) {
	outer := s.RxMono - s.SentMono
	fits := func(d int64) bool { return d >= 0 && d <= outer+stepSlack }
	if d := s.RxHard - s.TxHard; limit >= Hardware && s.RxHard != 0 && s.TxHard != 0 && fits(d) {
		return time.Duration(d), Hardware
	}
	if d := s.RxSoft - s.TxSoft; limit >= Software && s.RxSoft != 0 && s.TxSoft != 0 && !s.RxMicro && fits(d) {
		return time.Duration(d), Software
	}
	if d := s.RxSoft - s.SentReal; s.RxSoft != 0 && s.SentReal != 0 && fits(d) {
		if limit >= ReceiveNano && !s.RxMicro {
			return time.Duration(d), ReceiveNano
		}
		if limit >= ReceiveMicro && s.RxMicro {
			return time.Duration(d), ReceiveMicro
		}
	}
	return time.Duration(max(outer, 0)), User
}
