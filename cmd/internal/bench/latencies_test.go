package bench

import (
	"math"
	"testing"
	"time"
)

func TestPercentilesAreThoseOfWhatWasRecorded(t *testing.T) {
	t.Parallel()
	l := newLatencies()
	for n := 1; n <= 1000; n++ {
		l.record(time.Duration(n) * time.Millisecond)
	}
	l.record(-time.Second) // between two clocks
	got := l.summary()
	if got.Count != 1001 {
		t.Errorf("%d were counted, want 1001", got.Count)
	}
	for what, pair := range map[string][2]float64{
		"p50": {got.P50, 500}, "p90": {got.P90, 900}, "p99": {got.P99, 990}, "p99.9": {got.P999, 999}, "max": {got.Max, 1000}, "mean": {got.Mean, 500},
	} {
		if math.Abs(pair[0]-pair[1]) > pair[1]*0.002 {
			t.Errorf("%s is %v ms, want %v", what, pair[0], pair[1])
		}
	}
	if newLatencies().summary() != nil {
		t.Error("nothing was recorded and there are percentiles")
	}
}

func TestBarsHoldEveryCommand(t *testing.T) {
	t.Parallel()
	l := newLatencies()
	for _, ms := range []float64{0.0005, 1, 1.1, 9, 300} {
		l.record(time.Duration(ms * float64(time.Millisecond)))
	}
	var count int64
	bars := l.bars()
	for i, bar := range bars {
		count += bar.Count
		if i > 0 && bar.From != bars[i-1].To {
			t.Errorf("a gap between %v and %v", bars[i-1], bar)
		}
		if bar.From < 9 && bar.To > 9 && bar.Count != 1 {
			t.Errorf("%d commands in %v, want the one of 9 ms", bar.Count, bar)
		}
	}
	if count != 5 || bars[len(bars)-1].From > 300 || bars[len(bars)-1].To < 300 {
		t.Errorf("%d commands, the last in %v", count, bars[len(bars)-1])
	}
}
