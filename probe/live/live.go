package live

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ringway/ringway/probe"
	"github.com/ringway/ringway/probe/report"
)

// refresh is how often the table is drawn anew.
const refresh = 500 * time.Millisecond

// Source gives the figures to show.
type Source func() *probe.Snapshot

// Run shows what source gives until ctx ends or the user leaves, by q or Ctrl-C: then left is true.
func Run(ctx context.Context, in io.Reader, out io.Writer, source Source) (left bool, err error) {
	p := tea.NewProgram(&model{source: source, sortBy: -1, descending: true}, tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	// Asked to quit it waits for who reads the keys, and draws a last time; by a context of its own it is killed, without either.
	defer context.AfterFunc(ctx, p.Quit)()
	_, err = p.Run()
	return ctx.Err() == nil, err
}

// model is the table's state.
type model struct {
	source        Source
	shown         *probe.Snapshot
	width, height int
	top           int // the first row that is shown
	sortBy        int // a column; -1 for the order of the command line
	descending    bool
	paused        bool
}

type tick time.Time

func next() tea.Cmd {
	return tea.Tick(refresh, func(t time.Time) tea.Msg { return tick(t) })
}

// Init draws the first table.
func (m *model) Init() tea.Cmd {
	m.shown = m.source()
	return next()
}

// Update takes keys, the terminal's size, and the passing of time.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tick:
		if !m.paused {
			m.shown = m.source()
		}
		return m, next()
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

// key does what a key stands for.
func (m *model) key(k string) tea.Cmd {
	page := max(m.rows(), 1)
	switch k {
	case "q", "ctrl+c", "esc":
		return tea.Quit
	case "s": // the next column that can be sorted by, then the order of the command line again
		m.sortBy++
		if m.sortBy <= 0 {
			m.sortBy = 1
		}
		if m.sortBy == len(columns) {
			m.sortBy = -1
		}
	case "r":
		m.descending = !m.descending
	case "p", "space":
		m.paused = !m.paused
	case "up", "k":
		m.top--
	case "down", "j":
		m.top++
	case "pgup":
		m.top -= page
	case "pgdown":
		m.top += page
	case "home", "g":
		m.top = 0
	case "end", "G":
		m.top = len(m.shown.Targets)
	}
	m.top = max(min(m.top, len(m.shown.Targets)-page), 0)
	return nil
}

// rows is how many targets fit below the lines at the top and above those at the foot.
func (m *model) rows() int { return m.height - 4 }

// View draws the table.
func (m *model) View() tea.View {
	v := tea.NewView(m.text())
	v.AltScreen = true
	v.WindowTitle = "ringway ping"
	return v
}

func (m *model) text() string {
	if m.shown == nil || m.height == 0 {
		return ""
	}
	s := m.shown
	lines := []string{m.title(), head(m.sortBy, m.width)}
	order := m.order()
	from := min(m.top, len(order))
	for _, i := range order[from:min(from+max(m.rows(), 1), len(order))] {
		lines = append(lines, row(&s.Targets[i], m.width))
	}
	if notes := report.Notes(s); len(notes) > 0 {
		lines = append(lines, warning.Render(cut("! "+strings.Join(notes, "; "), m.width)))
	} else {
		lines = append(lines, faint.Render(cut(report.Losses(&s.Total), m.width)))
	}
	lines = append(lines, faint.Render(cut("q leave  s sort  r reverse  p pause  ↑↓ scroll", m.width)))
	return strings.Join(lines, "\n")
}

// title says how it stands with all targets together.
func (m *model) title() string {
	s := m.shown
	state := ""
	if m.paused {
		state = ", paused"
	}
	answering := 0
	for i := range s.Targets {
		if s.Targets[i].Of(probe.Answered) > 0 {
			answering++
		}
	}
	kinds := ""
	for _, k := range s.Sockets {
		kinds += ", " + k.Family.String() + " " + k.Kind.String()
	}
	return fmt.Sprintf("%s  %d of %d answer, %s loss, p50 %s, p99 %s, clock %s, %s%s%s", headStyle.Render("ringway ping"), answering, len(s.Targets),
		lossStyle(s.Total.Loss()).Render(report.Percent(s.Total.Loss())), report.Duration(s.Latency.P50), report.Duration(s.Latency.P99),
		s.Latency.Domain, report.Duration(s.Elapsed), state, kinds)
}

// order is the targets' indexes as the table shows them.
func (m *model) order() []int {
	all := m.shown.Targets
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	if m.sortBy <= 0 {
		return order
	}
	less := columns[m.sortBy].less
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &all[i], &all[j]
		if m.descending {
			a, b = b, a
		}
		switch {
		case less(a, b):
			return -1
		case less(b, a):
			return 1
		}
		return 0
	})
	return order
}
