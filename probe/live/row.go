package live

import (
	"slices"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/ringway/ringway/probe"
	"github.com/ringway/ringway/probe/report"
)

// Styles by the sixteen colours that every terminal has, so that a user's own scheme is kept.
var (
	headStyle = lipgloss.NewStyle().Bold(true)
	faint     = lipgloss.NewStyle().Faint(true)
	good      = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	warning   = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
	bad       = lipgloss.NewStyle().Foreground(lipgloss.Color("1"))
	sorted    = lipgloss.NewStyle().Bold(true).Underline(true)
)

// column is one of the table's. less orders two targets by it; a column without it cannot be sorted by.
type column struct {
	name  string
	width int
	text  func(t *probe.TargetStats) string
	less  func(a, b *probe.TargetStats) bool
}

// dispensable are the columns that a narrow terminal goes without, the first of them first.
var dispensable = []string{"p90", "jitter", "p50", "last", "max", "p99", "sent"}

// visible are the columns that fit into a width, with the sparkline beside them.
func visible(width int) []int {
	left := width - sparkLength
	for _, c := range columns {
		left -= c.width + 1
	}
	var hidden []string
	for _, name := range dispensable {
		if left >= 0 {
			break
		}
		at := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
		hidden, left = append(hidden, name), left+columns[at].width+1
	}
	var out []int
	for i, c := range columns {
		if !slices.Contains(hidden, c.name) {
			out = append(out, i)
		}
	}
	return out
}

// nameLength and sparkLength are the widths of the columns at both sides.
const (
	nameLength  = 28
	sparkLength = 24
)

var columns = []column{
	{"target", nameLength, func(t *probe.TargetStats) string { return t.Name }, nil},
	{"sent", 8, func(t *probe.TargetStats) string { return strconv.FormatUint(t.Sent, 10) },
		func(a, b *probe.TargetStats) bool { return a.Sent < b.Sent }},
	{"loss", 7, func(t *probe.TargetStats) string { return report.Percent(t.Loss()) },
		func(a, b *probe.TargetStats) bool { return a.Loss() < b.Loss() }},
	{"last", 7, func(t *probe.TargetStats) string { return report.Duration(t.Latency.Last) },
		func(a, b *probe.TargetStats) bool { return a.Latency.Last < b.Latency.Last }},
	{"avg", 7, func(t *probe.TargetStats) string { return report.Duration(t.Latency.Avg) },
		func(a, b *probe.TargetStats) bool { return a.Latency.Avg < b.Latency.Avg }},
	{"p50", 7, func(t *probe.TargetStats) string { return report.Duration(t.Latency.P50) },
		func(a, b *probe.TargetStats) bool { return a.Latency.P50 < b.Latency.P50 }},
	{"p90", 7, func(t *probe.TargetStats) string { return report.Duration(t.Latency.P90) },
		func(a, b *probe.TargetStats) bool { return a.Latency.P90 < b.Latency.P90 }},
	{"p99", 7, func(t *probe.TargetStats) string { return report.Duration(t.Latency.P99) },
		func(a, b *probe.TargetStats) bool { return a.Latency.P99 < b.Latency.P99 }},
	{"max", 7, func(t *probe.TargetStats) string { return report.Duration(t.Latency.Max) },
		func(a, b *probe.TargetStats) bool { return a.Latency.Max < b.Latency.Max }},
	{"jitter", 7, func(t *probe.TargetStats) string { return report.Duration(t.Latency.Jitter) },
		func(a, b *probe.TargetStats) bool { return a.Latency.Jitter < b.Latency.Jitter }},
}

// head is the line of the columns' names; the one that the table is sorted by stands out.
func head(sortedBy, width int) string {
	var b strings.Builder
	for _, i := range visible(width) {
		c := columns[i]
		style := headStyle
		if i == sortedBy {
			style = sorted
		}
		cell := c.name
		gap := strings.Repeat(" ", max(c.width-len(cell), 0))
		if i == 0 {
			b.WriteString(style.Render(cell) + gap)
		} else {
			b.WriteString(gap + style.Render(cell))
		}
		b.WriteByte(' ')
	}
	return b.String() + headStyle.Render("recent")
}

// row is the line of a target, width columns wide at most.
func row(t *probe.TargetStats, width int) string {
	name := cut(t.Name, nameLength)
	if t.Err != nil {
		return name + " " + bad.Render(cut(t.Err.Error(), max(width-nameLength-1, 0)))
	}
	var b strings.Builder
	b.WriteString(name)
	for _, i := range visible(width)[1:] {
		c := columns[i]
		text := c.text(t)
		if i >= 3 && t.Latency.Count == 0 { // no times yet
			text = "-"
		}
		b.WriteByte(' ')
		b.WriteString(strings.Repeat(" ", max(c.width-lipgloss.Width(text), 0)))
		if c.name == "loss" {
			text = lossStyle(t.Loss()).Render(text)
		}
		b.WriteString(text)
	}
	b.WriteByte(' ')
	for _, r := range sparkline(t.Recent, sparkLength) {
		if r == lost {
			b.WriteString(bad.Render(string(r)))
		} else {
			b.WriteString(good.Render(string(r)))
		}
	}
	return b.String()
}

// Shares of loss from which a target is shown as in trouble, and as bad.
const badLoss = 0.05

func lossStyle(share float64) lipgloss.Style {
	switch {
	case share == 0:
		return good
	case share < badLoss:
		return warning
	}
	return bad
}

// cut makes s exactly width columns wide.
func cut(s string, width int) string {
	if lipgloss.Width(s) <= width {
		return s + strings.Repeat(" ", width-lipgloss.Width(s))
	}
	for lipgloss.Width(s) >= width && s != "" {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	s += "…"
	return s + strings.Repeat(" ", max(width-lipgloss.Width(s), 0))
}
