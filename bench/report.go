package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// report prints the results as Markdown.
type report struct {
	host    host
	options options
	peers   []string
	// subjects are the peers the others are compared with.
	subjects []string
	loads    []load
	results  results
}

// ratioSource is one peer's value per round; a peer with failures has none,
// because a proxy that fails requests does less work for them.
type ratioSource map[string]map[int]float64

// write prints the head and one table per group.
func (r report) write(w io.Writer) {
	r.writeHead(w)
	for _, group := range []string{groupSmall, groupLarge, groupFresh} {
		r.writeGroup(w, group)
	}
	r.writeIdle(w)
}

// writeHead says what was measured on what.
func (r report) writeHead(w io.Writer) {
	h := r.host
	fmt.Fprintf(w, "Linux %s, %s, %d cores, Go %s. Origin: %s, load: %s.\n",
		h.Kernel, h.CPU, h.Cores, strings.TrimPrefix(h.Go, "go"), h.Origin, h.Wrk)
	fmt.Fprintf(w, "One worker each; medians of %d interleaved rounds of %v. CPU time is that of all processes of the proxy.\n",
		r.options.rounds, r.options.duration)
	if h.Pinned != "" {
		fmt.Fprintf(w, "Pinned: %s.\n", h.Pinned)
	}
	fmt.Fprintf(w, "A ratio is %s ÷ that line's proxy, formed in each round: median (lowest–highest).\n\n",
		strings.Join(r.subjects, " or "))
	for _, v := range h.Peers {
		fmt.Fprintf(w, "- %s: %s\n", v.Peer, v.Version)
	}
}

// writeGroup prints the table of one group of loads, if any of it was run.
func (r report) writeGroup(w io.Writer, group string) {
	var lines []string
	for _, l := range r.loads {
		if l.group == group {
			lines = append(lines, r.loadLines(l)...)
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s\n\n", group)
	head := []string{"load", "proxy", "user µs", "system µs", "CPU µs per request"}
	head = append(head, r.ratioHeads("CPU")...)
	head = append(head, "requests/s", "p50", "p99", "errors")
	writeTableHead(w, head)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
}

// loadLines returns the rows of one load.
func (r report) loadLines(l load) []string {
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
	for _, peer := range r.peers {
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
		cells = append(cells, r.ratioCells(source, peer)...)
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
func (r report) writeIdle(w io.Writer) {
	if len(r.results.Idle) == 0 {
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
	fmt.Fprintf(w, "\n### Memory of idle keep-alive connections, %s of them\n\n",
		thousands(float64(r.results.Idle[0].Connections)))
	head := append([]string{"proxy", "KiB per connection (RSS)"}, r.ratioHeads("RSS")...)
	writeTableHead(w, append(head, "KiB per connection (PSS)", "RSS before, MiB", "errors"))
	for _, peer := range r.peers {
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
		cells = append(cells, r.ratioCells(source, peer)...)
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
	count := 0
	for _, s := range r.Loads {
		if s.Failures > 0 {
			count++
		}
	}
	for _, s := range r.Idle {
		if s.Failures > 0 {
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
func (r report) ratioHeads(of string) []string {
	if len(r.subjects) == 1 {
		return []string{of + " ratio"}
	}
	var heads []string
	for _, subject := range r.subjects {
		heads = append(heads, of+" ratio, "+subject)
	}
	return heads
}

// ratioCells are the ratios of every subject to one peer.
func (r report) ratioCells(source ratioSource, peer string) []string {
	var cells []string
	for _, subject := range r.subjects {
		values := ratios(source[subject], source[peer])
		switch {
		case len(values) == 0:
			cells = append(cells, "–")
		case subject == peer:
			cells = append(cells, "1")
		default:
			s := spreadOf(values)
			cells = append(cells, fmt.Sprintf("**%.2f** (%.2f–%.2f)", s.Median, s.Low, s.High))
		}
	}
	return cells
}

// writeTableHead prints the headings and the rule below them: text to the
// left, figures to the right.
func writeTableHead(w io.Writer, head []string) {
	fmt.Fprintln(w, row(head))
	rule := make([]string, len(head))
	for i, name := range head {
		rule[i] = "---:"
		if name == "load" || name == "proxy" {
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
