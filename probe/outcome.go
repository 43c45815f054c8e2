package probe

import (
	"net/netip"
	"time"

	"github.com/ringway/ringway/proto/icmp"
)

// Outcome is what became of a probe. Each has exactly one.
type Outcome uint8

// The outcomes.
const (
	InFlight    Outcome = iota
	Answered            // an undamaged answer within the timeout
	Timeout             // nothing within the timeout; an answer after it is counted as late besides
	Corrupted           // an answer within the timeout that is not what was sent
	Unreachable         // an ICMP error says that the target cannot be reached
	TTLExceeded         // a router says that the time to live ran out on the way
	TooBig              // larger than a link's MTU, by a router or by this host's own interface
	OtherError          // another ICMP error about it
	LocalDrop           // this host's queues had no room: it never left
	SendFailed          // this host refused to send it: no route, no permission
	outcomes
)

var outcomeNames = [outcomes]string{"in_flight", "answered", "timeout", "corrupted", "unreachable", "ttl_exceeded", "too_big",
	"other_error", "local_drop", "send_failed"}

// String is the name used in reports and metrics.
func (o Outcome) String() string {
	if o < outcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// Outcomes lists them all but InFlight, in the order of reports.
func Outcomes() []Outcome {
	all := make([]Outcome, 0, outcomes)
	for o := Answered; o < outcomes; o++ {
		all = append(all, o)
	}
	return all
}

// Extra is what is counted beside the outcomes, about packets that came in addition to, or in another way than, the first.
type Extra uint8

// The extras. None is an event that tells an outcome.
const (
	None       Extra = iota
	Late             // an answer after the timeout
	Duplicate        // one more answer to a probe that has an outcome by an answer or an ICMP error
	Reordered        // an answer that was overtaken by the one to a later probe of the same target (RFC 4737)
	LateError        // an ICMP error after the timeout
	OtherHost        // an answer from another address than was probed
	Unmeasured       // answered, but in a worse clock domain than the target's: left out of its times
	extras
)

var extraNames = [extras]string{"", "late", "duplicate", "reordered", "late_error", "other_host", "unmeasured"}

// String is the name used in reports and metrics.
func (x Extra) String() string {
	if x < extras {
		return extraNames[x]
	}
	return "unknown"
}

// Extras lists them all, in the order of reports.
func Extras() []Extra {
	all := make([]Extra, 0, extras)
	for x := Late; x < extras; x++ {
		all = append(all, x)
	}
	return all
}

// Event tells what became of a probe, or that something more came (Extra).
type Event struct {
	Target  int // index into the prober's targets
	Seq     uint32
	TTL     uint8 // that it was sent with; nought for the default
	Size    int
	Outcome Outcome
	Extra   Extra
	RTT     time.Duration // of Answered and Late
	Domain  Domain
	From    netip.Addr // who sent the answer or the error
	Family  icmp.Family
	Kind    icmp.Kind // of an ICMP error
	Code    uint8
	MTU     int    // of TooBig, if it was told
	Damage  Damage // of Corrupted
	Err     error  // of SendFailed and of TooBig by this host
	At      int64  // CLOCK_MONOTONIC
}

// Reason says in words what an ICMP error or a refusal to send was about.
func (e *Event) Reason() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	if e.Kind.IsError() {
		return icmp.Reason(e.Family, e.Kind, e.Code)
	}
	return ""
}

// outcomeOf is the outcome that an ICMP error means.
func outcomeOf(k icmp.Kind) Outcome {
	switch k {
	case icmp.Unreachable:
		return Unreachable
	case icmp.TimeExceeded:
		return TTLExceeded
	case icmp.PacketTooBig:
		return TooBig
	}
	return OtherError
}
