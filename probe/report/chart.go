package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

// Sizes of a chart in units of its own, and the room for what is written beside it.
const (
	chartWidth  = 860
	chartHeight = 220
	marginLeft  = 64
	marginRight = 12
	marginTop   = 12
	marginFoot  = 26
	lossHeight  = 18 // the strip at the bottom that shows losses
)

// chart draws a series as SVG: the span from the least to the largest time of each period, a line through the means, and below
// red bars as high as the share that was lost. The scale of times is logarithmic, since a network's are.
func chart(points []Point) template.HTML {
	c := newCanvas(points)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="round-trip times over the run">`, chartWidth, chartHeight)
	c.grid(&b)
	c.band(&b, points)
	c.mean(&b, points)
	c.losses(&b, points)
	b.WriteString("</svg>")
	return template.HTML(b.String()) // only numbers of ours are in it
}

// canvas maps times to places.
type canvas struct {
	from, to  float64 // logarithms of the times at the bottom and the top
	end       time.Duration
	low, high time.Duration
	step      float64 // width of a period
}

func newCanvas(points []Point) *canvas {
	c := &canvas{}
	for _, p := range points {
		c.end = max(c.end, p.At)
		if p.Answered == 0 {
			continue
		}
		if c.low == 0 || p.Min < c.low {
			c.low = p.Min
		}
		c.high = max(c.high, p.Max)
	}
	if c.low <= 0 {
		c.low = time.Microsecond
	}
	c.high = max(c.high, c.low*2)
	c.from, c.to = math.Log10(float64(c.low)/1.1), math.Log10(float64(c.high)*1.1)
	if c.end <= 0 {
		c.end = time.Second
	}
	c.step = float64(chartWidth-marginLeft-marginRight) / float64(max(len(points), 1))
	return c
}

func (c *canvas) x(at time.Duration) float64 {
	return marginLeft + float64(at)/float64(c.end)*float64(chartWidth-marginLeft-marginRight)
}

func (c *canvas) y(d time.Duration) float64 {
	bottom := float64(chartHeight - marginFoot - lossHeight)
	share := (math.Log10(math.Max(float64(d), 1)) - c.from) / (c.to - c.from)
	return bottom - share*(bottom-marginTop)
}

// grid draws lines at 1, 2 and 5 of each power of ten that fall into the scale, and the times along the foot.
func (c *canvas) grid(b *strings.Builder) {
	for power := math.Floor(c.from); power <= c.to; power++ {
		for _, m := range []float64{1, 2, 5} {
			d := time.Duration(m * math.Pow(10, power))
			if math.Log10(float64(d)) < c.from || math.Log10(float64(d)) > c.to {
				continue
			}
			y := c.y(d)
			fmt.Fprintf(b, `<line class="g" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`,
				marginLeft, y, chartWidth-marginRight, y, marginLeft-6, y+4, Duration(d))
		}
	}
	for i := range 5 {
		at := c.end * time.Duration(i) / 4
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, c.x(at), chartHeight-6, Duration(at))
	}
}

// runs splits points where nothing was answered, since a line across a gap would be a claim.
func runs(points []Point) (out [][]Point) {
	var run []Point
	for _, p := range points {
		if p.Answered > 0 {
			run = append(run, p)
		} else if run != nil {
			out, run = append(out, run), nil
		}
	}
	if run != nil {
		out = append(out, run)
	}
	return out
}

func (c *canvas) band(b *strings.Builder, points []Point) {
	for _, run := range runs(points) {
		b.WriteString(`<path class="b" d="M`)
		for _, p := range run {
			fmt.Fprintf(b, "%.1f %.1f ", c.x(p.At), c.y(p.Max))
		}
		for i := len(run) - 1; i >= 0; i-- {
			fmt.Fprintf(b, "%.1f %.1f ", c.x(run[i].At), c.y(run[i].Min))
		}
		b.WriteString(`Z"/>`)
	}
}

func (c *canvas) mean(b *strings.Builder, points []Point) {
	for _, run := range runs(points) {
		if len(run) == 1 {
			fmt.Fprintf(b, `<circle class="m" cx="%.1f" cy="%.1f" r="2"/>`, c.x(run[0].At), c.y(run[0].Avg))
			continue
		}
		b.WriteString(`<polyline class="m" points="`)
		for _, p := range run {
			fmt.Fprintf(b, "%.1f,%.1f ", c.x(p.At), c.y(p.Avg))
		}
		b.WriteString(`"/>`)
	}
}

func (c *canvas) losses(b *strings.Builder, points []Point) {
	bottom := float64(chartHeight - marginFoot)
	for _, p := range points {
		if p.Lost == 0 || p.Finished == 0 {
			continue
		}
		// A loss is always to be seen, however small its share.
		h := math.Max(float64(lossHeight)*float64(p.Lost)/float64(p.Finished), 2)
		w := math.Max(c.step, 1.5)
		fmt.Fprintf(b, `<rect class="l" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, math.Max(c.x(p.At)-w, marginLeft), bottom-h, w, h)
	}
}
