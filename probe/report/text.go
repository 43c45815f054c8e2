package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ringway/ringway/probe"
)

// Opening writes how it is measured: by which sockets, and by which clock.
func Opening(w io.Writer, p *probe.Prober) error {
	for _, s := range p.Sockets() {
		if _, err := fmt.Fprintf(w, "%v: %v socket, %s stamps\n", s.Family, s.Kind, s.Domain); err != nil {
			return err
		}
	}
	return nil
}

// maxLines is how many targets a period's lines show; of more, only those with the most losses.
const maxLines = 40

// Period writes what the period that ended brought, a line a target.
func Period(w io.Writer, s *probe.Snapshot) error {
	b := bufio.NewWriter(w)
	stamp := s.At.Format(time.TimeOnly)
	rows := Worst(s.Targets, maxLines)
	width := nameWidth(rows)
	for _, t := range rows {
		fmt.Fprintf(b, "%s  %s  ", stamp, pad(Title(&t.Target), width))
		if t.Err != nil {
			fmt.Fprintf(b, "%v\n", t.Err)
			continue
		}
		fmt.Fprintf(b, "sent %d, answered %d, loss %s", t.Period.Sent, t.Period.Of(probe.Answered), Percent(t.Period.Loss()))
		if l := &t.Latency; l.PeriodCount > 0 {
			fmt.Fprintf(b, ", rtt min/avg/max %s/%s/%s", Duration(l.PeriodMin), Duration(l.PeriodAvg), Duration(l.PeriodMax))
		}
		if x := Losses(&t.Period); x != "" {
			fmt.Fprintf(b, " (%s)", x)
		}
		b.WriteByte('\n')
	}
	if n := len(s.Targets); n > 1 {
		fmt.Fprintf(b, "%s  %s  sent %d, answered %d, loss %s\n", stamp, pad(fmt.Sprintf("all %d", n), width), s.Period.Sent, s.Period.Of(probe.Answered), Percent(s.Period.Loss()))
	}
	return b.Flush()
}

// Worst is up to n targets in their order; of more, those with the most losses in the period, then in all.
func Worst(all []probe.TargetStats, n int) []*probe.TargetStats {
	out := make([]*probe.TargetStats, 0, min(n, len(all)))
	if len(all) <= n {
		for i := range all {
			out = append(out, &all[i])
		}
		return out
	}
	better := func(a, b *probe.TargetStats) bool { return rank(a) > rank(b) }
	for i := range all { // an insertion into a short list: n is small
		t := &all[i]
		if len(out) == n {
			if !better(t, out[n-1]) {
				continue
			}
			out = out[:n-1]
		}
		at := len(out)
		for at > 0 && better(t, out[at-1]) {
			at--
		}
		out = append(out[:at], append([]*probe.TargetStats{t}, out[at:]...)...)
	}
	return out
}

func rank(t *probe.TargetStats) float64 {
	if t.Err != nil {
		return 3
	}
	return t.Period.Loss()*2 + t.Loss()
}

func nameWidth(rows []*probe.TargetStats) int {
	n := 0
	for _, t := range rows {
		n = max(n, utf8.RuneCountInString(Title(&t.Target)))
	}
	return min(n, 44)
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(n-utf8.RuneCountInString(s), 0))
}

// Summary writes the whole: a line a target in the manner of fping, then what holds for all.
func Summary(w io.Writer, s *probe.Snapshot) error {
	b := bufio.NewWriter(w)
	rows := Worst(s.Targets, len(s.Targets))
	width := nameWidth(rows)
	for _, t := range rows {
		fmt.Fprintf(b, "%s : ", pad(Title(&t.Target), width))
		if t.Err != nil {
			fmt.Fprintf(b, "%v\n", t.Err)
			continue
		}
		fmt.Fprintf(b, "xmt/rcv/%%loss = %d/%d/%s", t.Sent, t.Of(probe.Answered), Percent(t.Loss()))
		if l := &t.Latency; l.Count > 0 {
			fmt.Fprintf(b, ", min/avg/max = %s/%s/%s, p50/p90/p99 = %s/%s/%s, jitter %s", Duration(l.Min), Duration(l.Avg), Duration(l.Max),
				Duration(l.P50), Duration(l.P90), Duration(l.P99), Duration(l.Jitter))
		}
		if x := Losses(&t.Counters); x != "" {
			fmt.Fprintf(b, " (%s)", x)
		}
		if x := Trouble(t); x != "" {
			fmt.Fprintf(b, "; %s", x)
		}
		b.WriteByte('\n')
	}
	total(b, s)
	return b.Flush()
}

func total(b *bufio.Writer, s *probe.Snapshot) {
	fmt.Fprintf(b, "\n%d sent to %d targets in %s, %d answered, loss %s", s.Total.Sent, len(s.Targets), Duration(s.Elapsed), s.Total.Of(probe.Answered), Percent(s.Total.Loss()))
	if n := s.Total.Of(probe.InFlight); n > 0 {
		fmt.Fprintf(b, ", %d still under way", n)
	}
	b.WriteByte('\n')
	if x := Losses(&s.Total); x != "" {
		fmt.Fprintf(b, "seen: %s\n", x)
	}
	if l := &s.Latency; l.Count > 0 {
		fmt.Fprintf(b, "rtt min/avg/max = %s/%s/%s, p50/p90/p99 = %s/%s/%s\n", Duration(l.Min), Duration(l.Avg), Duration(l.Max), Duration(l.P50), Duration(l.P90), Duration(l.P99))
	}
	for _, l := range s.ByDomain {
		fmt.Fprintf(b, "clock: %s, %d measurements: %s\n", l.Domain, l.Count, l.Domain.Describe())
	}
	for _, note := range Notes(s) {
		fmt.Fprintf(b, "note: %s\n", note)
	}
}

// Notes are what a reader has to know before believing the figures: where this host itself was at fault.
func Notes(s *probe.Snapshot) (notes []string) {
	add := func(n uint64, format string) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, n))
		}
	}
	add(s.Session.QueueOverflow, "this host's receive queue dropped %d packets: up to as many timeouts may be its own")
	add(s.Total.Of(probe.LocalDrop), "%d probes never left this host")
	add(s.Session.Held, "sending paused %d times, because more probes were under way than are remembered")
	add(s.Session.StampsMissing, "%d transmit stamps did not come; these probes are measured by another clock, or not at all")
	add(s.Session.Stale, "%d answers came so late that their probes were forgotten")
	add(s.Session.Foreign, "%d packets that looked like answers were not ours")
	add(s.Session.Truncated, "%d control messages were cut off")
	if s.Session.Slipped > 0 && s.Elapsed > 0 && s.Session.Slipped > s.Elapsed/100 {
		notes = append(notes, fmt.Sprintf("sending was held up for %s, so the rate was lower than asked for", Duration(s.Session.Slipped)))
	}
	return notes
}
