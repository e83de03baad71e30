package bench

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strings"
)

//go:embed plot.html
var plotHTML string

var plotPage = template.Must(template.New("plot").Funcs(template.FuncMap{
	"ms":        func(value float64) string { return fmt.Sprintf("%.4g", value) },
	"estimate":  estimated,
	"seconds":   func(seconds *float64) string { return fmt.Sprintf("%.2f", *seconds) },
	"megabytes": func(bytes *int64) int64 { return *bytes >> 20 },
}).Parse(plotHTML))

// estimated writes a quantile of a stage.
func estimated(ms float64) string {
	if ms <= LeastStage {
		return fmt.Sprintf("< %g", LeastStage)
	}
	return fmt.Sprintf("%.4g", ms)
}

// Plot returns a report as one HTML page that needs nothing else: for each run,
// of several rounds for the one in the middle, the throughput over time and the
// distribution of latencies.
func Plot(r *Report) ([]byte, error) {
	runs := r.Runs
	if r.Mode != Latency && len(runs) > 0 {
		runs = []*Run{r.Median()}
	}
	type section struct {
		*Run
		Charts []chart
	}
	page := struct {
		*Report
		Off      []string
		Sections []section
	}{Report: r, Off: r.Durability.Off()}
	for _, run := range runs {
		page.Sections = append(page.Sections, section{run, []chart{run.throughputChart(), run.latencyChart()}})
	}
	var html bytes.Buffer
	if err := plotPage.Execute(&html, page); err != nil {
		return nil, err
	}
	return html.Bytes(), nil
}

// The charts' size, and the frame in it that values are drawn in.
const (
	chartWidth, chartHeight = 720.0, 280.0
	frameLeft, frameRight   = 72.0, 704.0
	frameTop, frameBottom   = 34.0, 228.0
)

// chart is a drawing, all of it in its own units.
type chart struct {
	Title, Horizontal, Vertical string
	Width, Height               float64
	Left, Right, Top, Bottom    float64
	X, Y                        []mark // of the axes
	Line                        string // the points of a line
	Area                        string // the points of what is below it
	Bars                        []box
	Lines                       []mark // across the frame, upright
}

// mark is a place on an axis, with what stands there.
type mark struct {
	At   float64
	Text string
}

// box is a bar, and what is told of it.
type box struct {
	X, Y, Width, Height float64
	Text                string
}

func newChart(title, horizontal, vertical string, top float64) chart {
	c := chart{
		Title: title, Horizontal: horizontal, Vertical: vertical, Width: chartWidth, Height: chartHeight,
		Left: frameLeft, Right: frameRight, Top: frameTop, Bottom: frameBottom,
	}
	step := niceStep(top / 5)
	for value := 0.0; value <= top*1.0001; value += step {
		c.Y = append(c.Y, mark{c.up(value, top), short(value)})
	}
	return c
}

// up is where a value stands whose axis ends at top.
func (c chart) up(value, top float64) float64 { return tenths(c.Bottom - (c.Bottom-c.Top)*value/top) }

// along is where a share, from 0 to 1, of the horizontal axis ends.
func (c chart) along(share float64) float64 { return tenths(c.Left + (c.Right-c.Left)*share) }

// throughputChart shows how many outcomes came, over time.
func (r *Run) throughputChart() chart {
	top := 0.0
	for _, p := range r.curve.points {
		top = max(top, p.PerSecond)
	}
	top = max(top*1.05, 1)
	c := newChart("Throughput over time", "seconds since the start", fmt.Sprintf("outcomes per second, in intervals of %s", r.curve.interval), top)
	end := max(r.Seconds, 1e-3)
	var line []string
	for i, p := range r.curve.points {
		until := end
		if i+1 < len(r.curve.points) {
			until = r.curve.points[i+1].Seconds
		}
		y := c.up(p.PerSecond, top)
		line = append(line, point(c.along(p.Seconds/end), y), point(c.along(until/end), y))
	}
	c.Line = strings.Join(line, " ")
	c.Area = strings.Join(append([]string{point(c.Left, c.Bottom)}, append(line, point(c.Right, c.Bottom))...), " ")
	step := niceStep(end / 8)
	for value := 0.0; value <= end; value += step {
		c.X = append(c.X, mark{c.along(value / end), short(value)})
	}
	return c
}

// latencyChart shows how many commands took how long.
func (r *Run) latencyChart() chart {
	var most int64
	for _, bar := range r.bars {
		most = max(most, bar.Count)
	}
	top := max(float64(most)*1.05, 1)
	c := newChart("Latency", "milliseconds, logarithmic", "commands", top)
	if len(r.bars) == 0 {
		return c
	}
	first, last := math.Log10(r.bars[0].From), math.Log10(r.bars[len(r.bars)-1].To)
	at := func(ms float64) float64 { return c.along((math.Log10(ms) - first) / (last - first)) }
	for _, bar := range r.bars {
		x, y := at(bar.From), c.up(float64(bar.Count), top)
		c.Bars = append(c.Bars, box{X: x, Y: y, Width: tenths(max(at(bar.To)-x-1, 0.5)), Height: tenths(c.Bottom - y),
			Text: fmt.Sprintf("%.3g to %.3g ms: %d", bar.From, bar.To, bar.Count)})
	}
	for _, ms := range logMarks(first, last) {
		c.X = append(c.X, mark{at(ms), short(ms)})
	}
	for _, q := range []mark{{r.Latency.P50, "p50"}, {r.Latency.P99, "p99"}} {
		c.Lines = append(c.Lines, mark{at(min(max(q.At, r.bars[0].From), r.bars[len(r.bars)-1].To)), q.Text})
	}
	return c
}

// logMarks returns 1, 2 and 5 times each power of ten between two powers.
func logMarks(first, last float64) []float64 {
	var marks []float64
	for exponent := math.Floor(first); exponent <= last; exponent++ {
		for _, factor := range []float64{1, 2, 5} {
			if value := factor * math.Pow(10, exponent); math.Log10(value) >= first && math.Log10(value) <= last {
				marks = append(marks, value)
			}
		}
	}
	return marks
}

// niceStep is the least of 1, 2 and 5 times a power of ten that is no smaller.
func niceStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= least*0.9999 {
			return factor * power
		}
	}
	return 10 * power
}

func point(x, y float64) string { return fmt.Sprintf("%g,%g", x, y) }

func tenths(value float64) float64 { return math.Round(value*10) / 10 }

// short writes a number for an axis: 25k.
func short(value float64) string {
	switch {
	case value >= 1e6:
		return fmt.Sprintf("%.4gM", value/1e6)
	case value >= 1e4:
		return fmt.Sprintf("%.4gk", value/1e3)
	}
	return fmt.Sprintf("%.4g", value)
}
