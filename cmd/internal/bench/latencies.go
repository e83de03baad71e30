package bench

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the longest time that is told apart; a longer one counts as it.
const longest = time.Hour

// latencies counts times, from a microsecond up, to three significant digits. It
// is for one goroutine at a time.
type latencies struct{ histogram *hdrhistogram.Histogram }

func newLatencies() latencies {
	return latencies{hdrhistogram.New(int64(time.Microsecond), int64(longest), 3)}
}

// record counts one time. One below zero, as between two clocks, counts as zero.
func (l latencies) record(took time.Duration) {
	// the only error is a value out of range
	_ = l.histogram.RecordValue(int64(min(max(took, 0), longest)))
}

// Percentiles are how long commands took, in milliseconds.
type Percentiles struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

func (l latencies) summary() *Percentiles {
	h := l.histogram
	if h.TotalCount() == 0 {
		return nil
	}
	at := h.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9})
	return &Percentiles{
		Count: h.TotalCount(), Mean: h.Mean() / 1e6,
		P50: milliseconds(at[0]), P90: milliseconds(at[1]), P99: milliseconds(at[2]), P999: milliseconds(at[3]),
		Max: milliseconds(h.Max()),
	}
}

func milliseconds(nanoseconds int64) float64 { return float64(nanoseconds) / 1e6 }

// Bar is how many commands took a time in a range, in milliseconds.
type Bar struct {
	From, To float64
	Count    int64
}

// barsPerDoubling is how fine the distribution is shown: a bar spans a factor of
// about 1.2, whether it stands at a millisecond or at a second.
const barsPerDoubling = 4

// bars returns the distribution, without gaps, from the shortest time to the
// longest.
func (l latencies) bars() []Bar {
	counts := map[int]int64{}
	first, last := math.MaxInt, math.MinInt
	for _, fine := range l.histogram.Distribution() {
		if fine.Count == 0 {
			continue
		}
		n := int(math.Floor(barsPerDoubling * math.Log2(max(milliseconds(fine.To), 1e-3))))
		counts[n] += fine.Count
		first, last = min(first, n), max(last, n)
	}
	var bars []Bar
	for n := first; n <= last; n++ {
		bars = append(bars, Bar{From: barEdge(n), To: barEdge(n + 1), Count: counts[n]})
	}
	return bars
}

func barEdge(n int) float64 { return math.Exp2(float64(n) / barsPerDoubling) }
