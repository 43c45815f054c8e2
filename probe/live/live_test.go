package live

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ringway/ringway/probe"
)

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		recent []time.Duration
		want   string
	}{
		{nil, "        "},
		{[]time.Duration{5, 5}, "      ▁▁"},
		{[]time.Duration{1, 8, probe.RecentLost, 4}, "    ▁█×▄"},
		{[]time.Duration{9, 9, 1, 2, 3, 4, 5, 6, 7, 8}, "▁▂▃▄▅▆▇█"},
		{[]time.Duration{probe.RecentLost}, "       ×"},
	} {
		if got := sparkline(c.recent, 8); got != c.want {
			t.Errorf("%v: %q, want %q", c.recent, got, c.want)
		}
	}
}

// snapshot has n targets; the i-th loses i per cent and takes n-i milliseconds.
func snapshot(n int) *probe.Snapshot {
	s := &probe.Snapshot{Elapsed: time.Minute}
	for i := range n {
		t := probe.TargetStats{Target: probe.Target{Name: fmt.Sprintf("10.0.0.%d", i), Addr: netip.MustParseAddr("10.0.0.1")}, Recent: []time.Duration{1, 2, probe.RecentLost}}
		t.Sent = 100
		t.ByOutcome[probe.Timeout], t.ByOutcome[probe.Answered] = uint64(i), uint64(100-i)
		t.Latency = probe.Latency{Count: uint64(100 - i), Avg: time.Duration(n-i) * time.Millisecond, Domain: probe.Software}
		s.Targets = append(s.Targets, t)
		s.Total.Add(&t.Counters)
	}
	return s
}

func newModel(s *probe.Snapshot, width, height int) *model {
	m := &model{source: func() *probe.Snapshot { return s }, sortBy: -1, descending: true}
	m.Init()
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	return m
}

// names are the targets of the rows shown, by their last number.
func names(m *model) string {
	var out []string
	lines := strings.Split(ansi.Strip(m.text()), "\n")
	for _, l := range lines[2 : len(lines)-2] {
		out = append(out, strings.TrimPrefix(strings.Fields(l)[0], "10.0.0."))
	}
	return strings.Join(out, " ")
}

func press(m *model, keys ...string) {
	for _, k := range keys {
		m.key(k)
	}
}

func TestTable(t *testing.T) {
	m := newModel(snapshot(20), 140, 9)
	text := m.text()
	lines := strings.Split(text, "\n")
	if len(lines) != 9 || !strings.Contains(ansi.Strip(lines[0]), "20 of 20 answer, 9.50% loss") || !strings.Contains(ansi.Strip(lines[2]), "▁█×") {
		t.Errorf("%d lines:\n%s", len(lines), ansi.Strip(text))
	}
	for i, l := range lines {
		if w := lipgloss.Width(l); w > 140 {
			t.Errorf("line %d is %d wide", i, w)
		}
	}
	if !strings.Contains(lines[3], "\x1b[") {
		t.Error("no colour")
	}
	for _, c := range []struct{ keys, want string }{
		{"", "0 1 2 3 4"},
		{"down down", "2 3 4 5 6"},
		{"pgdown", "7 8 9 10 11"},
		{"end", "15 16 17 18 19"},
		{"down", "15 16 17 18 19"},
		{"home up", "0 1 2 3 4"},
		{"s s", "19 18 17 16 15"}, // by loss
		{"r", "0 1 2 3 4"},
		{"s s", "19 18 17 16 15"}, // by the mean, the least first
		{"s s s s s s", "0 1 2 3 4"},
	} {
		press(m, strings.Fields(c.keys)...)
		if got := names(m); got != c.want {
			t.Errorf("after %q: %s, want %s; sorted by %d", c.keys, got, c.want, m.sortBy)
		}
	}
	if cmd := m.key("q"); cmd == nil {
		t.Error("q does not leave")
	}
}

// A narrow terminal goes without some columns, never without the loss or the bars.
func TestNarrowTerminals(t *testing.T) {
	for width, want := range map[int]string{
		140: "target sent loss last avg p50 p90 p99 max jitter recent",
		125: "target sent loss last avg p50 p99 max jitter recent",
		100: "target sent loss avg p99 max recent",
		80:  "target sent loss avg recent",
		62:  "target loss avg recent",
	} {
		m := newModel(snapshot(3), width, 9)
		lines := strings.Split(m.text(), "\n")
		if got := strings.Join(strings.Fields(ansi.Strip(lines[1])), " "); got != want {
			t.Errorf("at %d: %s", width, got)
		}
		if w := lipgloss.Width(lines[2]); w > max(width, 69) || !strings.Contains(lines[2], "×") {
			t.Errorf("at %d a row is %d wide", width, w)
		}
	}
}

func TestPauseAndTroubles(t *testing.T) {
	s := snapshot(1)
	m := newModel(s, 100, 24)
	s2 := snapshot(2)
	s2.Targets[1].Err = errors.New("cannot resolve " + strings.Repeat("x", 200))
	s2.Session.QueueOverflow = 3
	m.source = func() *probe.Snapshot { return s2 }
	press(m, "p")
	m.Update(tick{})
	if len(m.shown.Targets) != 1 || !strings.Contains(m.text(), "paused") {
		t.Error("it goes on while paused")
	}
	press(m, "p")
	m.Update(tick{})
	text := ansi.Strip(m.text())
	if !strings.Contains(text, "cannot resolve xxx") || !strings.Contains(text, "! this host's receive queue dropped 3") {
		t.Error(text)
	}
	for i, l := range strings.Split(m.text(), "\n")[3:] {
		if w := lipgloss.Width(l); w > 100 {
			t.Errorf("line %d is %d wide", i+3, w)
		}
	}
	if v := m.View(); !v.AltScreen {
		t.Error("the user's screen is written over")
	}
	if text := (&model{}).text(); text != "" {
		t.Error("something to show before there is anything")
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{{"abc", 5, "abc  "}, {"abcdef", 5, "abcd…"}, {"äöüäöü", 4, "äöü…"}, {"日本語", 4, "日… "}, {"x", 0, "…"}} {
		if got := cut(c.s, c.n); got != c.want && c.n > 0 {
			t.Errorf("%q to %d: %q, want %q", c.s, c.n, got, c.want)
		}
	}
}
