package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// report prints the results as Markdown.
type report struct {
	host     host
	options  options
	sections []section
	results  results
}

// section is the part of a report that compares the same peers.
type section struct {
	suite string
	peers []string
	// subjects are the peers the others are compared with.
	subjects []string
	loads    []load
}

// ratioSource is one peer's value per round; a peer with failures has none,
// because a proxy that fails requests does less work for them.
type ratioSource map[string]map[int]float64

// write prints the head and one table per group.
func (r report) write(w io.Writer) {
	r.writeHead(w)
	for _, s := range r.sections {
		for _, group := range groups(s.loads) {
			r.writeGroup(w, s, group)
			r.writeDetails(w, s, group)
		}
		r.writeTails(w, s)
		r.writeBursts(w, s)
		r.writeIdle(w, s)
	}
	r.writeMicros(w)
}

// groups are the headings that loads stand under, in their order.
func groups(loads []load) (names []string) {
	for _, l := range loads {
		if !slices.Contains(names, l.group) {
			names = append(names, l.group)
		}
	}
	return names
}

// busy is the load average a core from which on a run is worth nothing.
const busy = 0.5

// writeHead says what was measured on what.
func (r report) writeHead(w io.Writer) {
	h := r.host
	fmt.Fprintf(w, "Linux %s, %s, %d cores, Go %s.", h.Kernel, h.CPU, h.Cores, strings.TrimPrefix(h.Go, "go"))
	if h.Wrk != "" {
		fmt.Fprintf(w, " Origin: %s, load: %s.", h.Origin, h.Wrk)
	}
	fmt.Fprintf(w, "\nOne worker each; medians of %d interleaved rounds of %v. CPU time is that of all processes of a peer.\n",
		r.options.rounds, r.options.duration)
	fmt.Fprintf(w, "Load average of the machine before: %.1f.", h.Load)
	if h.Load >= busy*float64(h.Cores) {
		fmt.Fprint(w, " **The machine was busy with other work: the figures do not count.**")
	}
	fmt.Fprintln(w)
	if h.Pinned != "" {
		fmt.Fprintf(w, "Pinned: %s.\n", h.Pinned)
	}
	fmt.Fprint(w, "A ratio is that of the peer in its heading (ringway, where it names none) to the line's, formed in each round:\n"+
		"median (lowest–highest).\n\n")
	for _, v := range h.Peers {
		fmt.Fprintf(w, "- %s: %s\n", v.Peer, v.Version)
	}
}

// writeGroup prints the table of one group of a section's loads.
func (r report) writeGroup(w io.Writer, s section, group string) {
	var lines []string
	unit := ""
	for _, l := range s.loads {
		if l.group == group {
			lines = append(lines, r.loadLines(s, l)...)
			unit = l.unit()
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s\n\n", group)
	if note := notes[group]; note != "" {
		fmt.Fprintf(w, "%s\n\n", note)
	}
	head := []string{"load", "proxy", "user µs", "system µs", "CPU µs per " + unit}
	head = append(head, s.ratioHeads("CPU")...)
	head = append(head, unit+"s/s", "p50", "p99", "errors")
	writeTableHead(w, head)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
}

// loadLines returns the rows of one load.
func (r report) loadLines(in section, l load) []string {
	source := ratioSource{}
	failed := map[string]string{}
	for _, s := range r.results.Loads {
		if s.Scenario == l.name {
			source.add(s.Peer, s.Round, s.totalMicros())
			failed[s.Peer] = cmp.Or(failed[s.Peer], s.FailureText)
		}
	}
	source.drop(failed)
	var lines []string
	for _, peer := range in.peers {
		if !slices.ContainsFunc(r.results.Loads, func(s loadSample) bool { return s.Scenario == l.name && s.Peer == peer }) {
			continue // a failure ended the run before
		}
		column := func(value func(loadSample) float64) float64 {
			var values []float64
			for _, s := range r.results.Loads {
				if s.Scenario == l.name && s.Peer == peer {
					values = append(values, value(s))
				}
			}
			return median(values)
		}
		cells := []string{
			l.label, lineName(peer, failed[peer]),
			fmt.Sprintf("%.1f", column(func(s loadSample) float64 { return s.UserMicros })),
			fmt.Sprintf("%.1f", column(func(s loadSample) float64 { return s.SystemMicros })),
			fmt.Sprintf("%.1f", column(loadSample.totalMicros)),
		}
		cells = append(cells, in.ratioCells(source, peer)...)
		cells = append(cells,
			thousands(column(func(s loadSample) float64 { return s.RequestsPerSecond })),
			latency(column(func(s loadSample) float64 { return s.P50Micros })),
			latency(column(func(s loadSample) float64 { return s.P99Micros })),
			cmp.Or(failed[peer], "0"))
		lines = append(lines, row(cells))
	}
	return lines
}

// writeIdle prints the memory of connections at rest.
func (r report) writeIdle(w io.Writer, in section) {
	first := slices.IndexFunc(r.results.Idle, func(s idleSample) bool { return slices.Contains(in.peers, s.Peer) })
	if first < 0 {
		return
	}
	source := ratioSource{}
	failed := map[string]string{}
	for _, s := range r.results.Idle {
		source.add(s.Peer, s.Round, s.rssPerConn())
		if s.Failures > 0 {
			failed[s.Peer] = fmt.Sprintf("%d: %s", s.Failures, s.FailureText)
		}
	}
	source.drop(failed)
	over := ""
	if in.suite == suiteTLS {
		over = " over TLS 1.3"
	}
	fmt.Fprintf(w, "\n### Memory of idle keep-alive connections%s, %s of them, after %v at rest\n\n",
		over, thousands(float64(r.results.Idle[first].Connections)), r.options.idleWait)
	head := append([]string{"proxy", "KiB per connection (RSS)"}, in.ratioHeads("RSS")...)
	writeTableHead(w, append(head, "KiB per connection (PSS)", "RSS before, MiB", "errors"))
	for _, peer := range in.peers {
		if !slices.ContainsFunc(r.results.Idle, func(s idleSample) bool { return s.Peer == peer }) {
			continue // a failure ended the run before
		}
		column := func(value func(idleSample) float64) float64 {
			var values []float64
			for _, s := range r.results.Idle {
				if s.Peer == peer {
					values = append(values, value(s))
				}
			}
			return median(values)
		}
		cells := []string{lineName(peer, failed[peer]), fmt.Sprintf("%.2f", column(idleSample.rssPerConn))}
		cells = append(cells, in.ratioCells(source, peer)...)
		cells = append(cells,
			fmt.Sprintf("%.2f", column(idleSample.pssPerConn)),
			fmt.Sprintf("%.1f", column(func(s idleSample) float64 { return float64(s.RSSBefore) / 1024 })),
			cmp.Or(failed[peer], "0"))
		fmt.Fprintln(w, row(cells))
	}
}

// add notes a value of a peer in a round.
func (s ratioSource) add(peer string, round int, value float64) {
	if s[peer] == nil {
		s[peer] = map[int]float64{}
	}
	s[peer][round] = value
}

// drop removes the peers that failed.
func (s ratioSource) drop(failed map[string]string) {
	for peer, failure := range failed {
		if failure != "" {
			delete(s, peer)
		}
	}
}

// invalid counts the samples with failures.
func (r results) invalid() int {
	return countFailed(r.Loads, func(s loadSample) int64 { return int64(s.Failures) }) +
		countFailed(r.Idle, func(s idleSample) int64 { return int64(s.Failures) }) +
		countFailed(r.Tails, func(s tailSample) int64 { return s.Failures }) +
		countFailed(r.Bursts, func(s burstSample) int64 { return s.Failures })
}

// countFailed counts the samples in which something failed.
func countFailed[T any](samples []T, failures func(T) int64) (count int) {
	for _, s := range samples {
		if failures(s) > 0 {
			count++
		}
	}
	return count
}

// lineName marks a line whose figures do not count.
func lineName(peer, failure string) string {
	if failure != "" {
		return "**invalid:** " + peer
	}
	return peer
}

// ratioHeads are the headings of the ratio columns.
func (s section) ratioHeads(of string) []string {
	if len(s.subjects) == 1 && s.subjects[0] == "ringway" {
		return []string{of + " ratio"}
	}
	var heads []string
	for _, subject := range s.subjects {
		heads = append(heads, of+" ratio, "+subject)
	}
	return heads
}

// ratioCells are the ratios of every subject to one peer.
func (s section) ratioCells(source ratioSource, peer string) []string {
	var cells []string
	for _, subject := range s.subjects {
		values := ratios(source[subject], source[peer])
		switch {
		case len(values) == 0:
			cells = append(cells, "–")
		case subject == peer:
			cells = append(cells, "1")
		default:
			cells = append(cells, ratioCell(spreadOf(values)))
		}
	}
	return cells
}

// ratioCell prints a ratio.
func ratioCell(s spread) string {
	return fmt.Sprintf("**%.2f** (%.2f–%.2f)", s.Median, s.Low, s.High)
}

// writeTableHead prints the headings and the rule below them: text to the
// left, figures to the right.
func writeTableHead(w io.Writer, head []string) {
	fmt.Fprintln(w, row(head))
	rule := make([]string, len(head))
	for i, name := range head {
		rule[i] = "---:"
		if name == "load" || name == "proxy" || name == "way" {
			rule[i] = "---"
		}
	}
	fmt.Fprintln(w, row(rule))
}

// row joins cells to a line of a Markdown table. A bar in a cell would end it.
func row(cells []string) string {
	escaped := make([]string, len(cells))
	for i, cell := range cells {
		escaped[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	return "| " + strings.Join(escaped, " | ") + " |"
}

// latency prints microseconds in the unit that reads best.
func latency(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 1e6:
		return fmt.Sprintf("%.2f ms", us/1e3)
	default:
		return fmt.Sprintf("%.2f s", us/1e6)
	}
}

// thousands prints a whole number with a comma between groups of three.
func thousands(value float64) string {
	digits := strconv.FormatFloat(value, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
