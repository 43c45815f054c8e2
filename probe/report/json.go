package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/ringway/ringway/probe"
)

// Object is one line of JSON: of a period, or the summary. Times are microseconds.
type Object struct {
	Type    string         `json:"type"` // period | summary
	Time    time.Time      `json:"time"`
	Elapsed float64        `json:"elapsed_s"`
	Total   Figures        `json:"total"`
	Targets []TargetObject `json:"targets"`
	Clocks  []Clock        `json:"clocks,omitempty"`
	Session *Session       `json:"session,omitempty"`
	Sockets []Socket       `json:"sockets,omitempty"`
	Notes   []string       `json:"notes,omitempty"`
}

// Figures are counts and times: of the period in a period's object, of all in the summary.
type Figures struct {
	Sent     uint64            `json:"sent"`
	Answered uint64            `json:"answered"`
	InFlight uint64            `json:"in_flight,omitempty"`
	Loss     float64           `json:"loss"` // 0 to 1
	Outcomes map[string]uint64 `json:"outcomes,omitempty"`
	Extra    map[string]uint64 `json:"extra,omitempty"`
	RTT      *RTT              `json:"rtt_us,omitempty"`
}

// RTT are round-trip times in microseconds, of one clock domain.
type RTT struct {
	Domain string   `json:"domain"`
	Count  uint64   `json:"count"`
	Min    float64  `json:"min"`
	Avg    float64  `json:"avg"`
	Max    float64  `json:"max"`
	P50    *float64 `json:"p50,omitempty"`
	P90    *float64 `json:"p90,omitempty"`
	P99    *float64 `json:"p99,omitempty"`
	Jitter *float64 `json:"jitter,omitempty"`
}

// TargetObject is one target's.
type TargetObject struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
	Error   string `json:"error,omitempty"`
	Figures
	Reason   string        `json:"reason,omitempty"`
	Reporter string        `json:"reporter,omitempty"`
	Damage   *probe.Damage `json:"damage,omitempty"`
}

// Clock is a domain that something was measured in.
type Clock struct {
	Domain string `json:"domain"`
	Means  string `json:"means"`
	RTT    *RTT   `json:"rtt_us"`
}

// Session is what belongs to no target.
type Session struct {
	Foreign       uint64  `json:"foreign"`
	Stale         uint64  `json:"stale"`
	StrayErrors   uint64  `json:"stray_errors"`
	StampsMissing uint64  `json:"stamps_missing"`
	StampsUnknown uint64  `json:"stamps_unknown"`
	QueueOverflow uint64  `json:"queue_overflow"`
	Truncated     uint64  `json:"truncated"`
	Held          uint64  `json:"held"`
	Slipped       float64 `json:"slipped_s"`
}

// Socket is how a family's probes were sent.
type Socket struct {
	Family string `json:"family"`
	Kind   string `json:"kind"`
	Stamps string `json:"stamps"`
}

// JSON writes one object as a line. summary asks for the whole instead of the last period.
func JSON(w io.Writer, s *probe.Snapshot, summary bool) error {
	o := Object{Type: "period", Time: s.At, Elapsed: s.Elapsed.Seconds(), Total: figures(&s.Period), Targets: make([]TargetObject, 0, len(s.Targets))}
	if summary {
		o.Type, o.Total, o.Notes = "summary", figures(&s.Total), Notes(s)
		o.Total.RTT = times(&s.Latency, true)
		for i := range s.ByDomain {
			l := &s.ByDomain[i]
			o.Clocks = append(o.Clocks, Clock{l.Domain.String(), l.Domain.Describe(), times(l, true)})
		}
		x := &s.Session
		o.Session = &Session{x.Foreign, x.Stale, x.StrayErrors, x.StampsMissing, x.StampsUnknown, x.QueueOverflow, x.Truncated, x.Held, x.Slipped.Seconds()}
		for _, k := range s.Sockets {
			o.Sockets = append(o.Sockets, Socket{k.Family.String(), k.Kind.String(), k.Domain.String()})
		}
	}
	for i := range s.Targets {
		o.Targets = append(o.Targets, targetObject(&s.Targets[i], summary))
	}
	return json.NewEncoder(w).Encode(o)
}

func targetObject(t *probe.TargetStats, summary bool) TargetObject {
	o := TargetObject{Name: t.Name, Reason: t.Reason, Damage: t.Damage}
	if t.Addr.IsValid() {
		o.Address = t.Addr.String()
	}
	if t.Err != nil {
		o.Error = t.Err.Error()
	}
	if t.Reporter.IsValid() {
		o.Reporter = t.Reporter.String()
	}
	if summary {
		o.Figures = figures(&t.Counters)
		o.RTT = times(&t.Latency, true)
		if o.RTT != nil {
			j := micro(t.Latency.Jitter)
			o.RTT.Jitter = &j
		}
		return o
	}
	o.Figures = figures(&t.Period)
	if l := &t.Latency; l.PeriodCount > 0 {
		o.RTT = &RTT{Domain: l.Domain.String(), Count: l.PeriodCount, Min: micro(l.PeriodMin), Avg: micro(l.PeriodAvg), Max: micro(l.PeriodMax)}
	}
	return o
}

func figures(c *probe.Counters) Figures {
	f := Figures{Sent: c.Sent, Answered: c.Of(probe.Answered), Loss: c.Loss()}
	if c.Sent >= c.Finished() { // in a period, probes of the one before may have finished
		f.InFlight = c.Of(probe.InFlight)
	}
	put := func(m *map[string]uint64, name string, n uint64) {
		if n == 0 {
			return
		}
		if *m == nil {
			*m = map[string]uint64{}
		}
		(*m)[name] = n
	}
	for _, o := range probe.Outcomes() {
		put(&f.Outcomes, o.String(), c.Of(o))
	}
	for _, x := range probe.Extras() {
		put(&f.Extra, x.String(), c.Extra(x))
	}
	return f
}

func times(l *probe.Latency, percentiles bool) *RTT {
	if l.Count == 0 {
		return nil
	}
	r := &RTT{Domain: l.Domain.String(), Count: l.Count, Min: micro(l.Min), Avg: micro(l.Avg), Max: micro(l.Max)}
	if percentiles {
		p50, p90, p99 := micro(l.P50), micro(l.P90), micro(l.P99)
		r.P50, r.P90, r.P99 = &p50, &p90, &p99
	}
	return r
}

func micro(d time.Duration) float64 { return float64(d) / 1e3 }
