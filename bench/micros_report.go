package main

import (
	"fmt"
	"io"
)

// writeMicros prints a table for each measurement that was made.
func (r report) writeMicros(w io.Writer) {
	for _, m := range allMicros() {
		var figures []figure
		for _, f := range r.results.Micro {
			if f.Scenario == m.name {
				figures = append(figures, f)
			}
		}
		if len(figures) > 0 {
			m.write(w, figures)
		}
	}
}

// write prints one measurement: a line for each way, with the medians of its
// columns, and the ratio of its first column to that of the reference.
func (m micro) write(w io.Writer, figures []figure) {
	ways := distinct(figures, func(f figure) string { return f.Way })
	columns := distinct(figures, func(f figure) string { return f.Column })
	cells := map[[2]string]map[int]float64{}
	for _, f := range figures {
		key := [2]string{f.Way, f.Column}
		if cells[key] == nil {
			cells[key] = map[int]float64{}
		}
		cells[key][f.Round] = f.Value
	}
	fmt.Fprintf(w, "\n### %s\n\n%s\n\n", m.title, m.note)
	head := append([]string{"way"}, columns...)
	if m.reference != "" {
		head = append(head, "ratio to "+m.reference)
	}
	writeTableHead(w, head)
	for _, way := range ways {
		line := []string{way}
		for _, column := range columns {
			line = append(line, figureCell(cells[[2]string{way, column}]))
		}
		if m.reference != "" {
			line = append(line, ratioOr(cells, way, m.reference, columns[0]))
		}
		fmt.Fprintln(w, row(line))
	}
}

// ratioOr is the ratio of a way to the reference, formed in each round, or a
// dash where there is none.
func ratioOr(cells map[[2]string]map[int]float64, way, reference, column string) string {
	if way == reference {
		return "1"
	}
	values := ratios(cells[[2]string{way, column}], cells[[2]string{reference, column}])
	if len(values) == 0 {
		return "–"
	}
	return ratioCell(spreadOf(values))
}

// figureCell prints the median of the rounds between its extremes.
func figureCell(rounds map[int]float64) string {
	if len(rounds) == 0 {
		return "–"
	}
	var values []float64
	for _, v := range rounds {
		values = append(values, v)
	}
	s := spreadOf(values)
	if s.Low == s.High {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Low), number(s.High))
}

// number prints three digits or more.
func number(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 100:
		return thousands(v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
