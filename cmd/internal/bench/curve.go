package bench

import "time"

// Point is how fast outcomes came in an interval, which begins so many seconds
// after the start.
type Point struct {
	Seconds   float64
	PerSecond float64
}

// points is how many a curve has, or a few less.
const points = 60

// intervals are those that people can name.
var intervals = []time.Duration{
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// curve is how many outcomes came, interval by interval.
type curve struct {
	interval time.Duration
	points   []Point
}

// curveOf counts outcomes by when they came, from the start up to the end.
func curveOf(offsets []time.Duration, end time.Duration) curve {
	c := curve{interval: intervals[len(intervals)-1]}
	for _, interval := range intervals {
		if end <= points*interval {
			c.interval = interval
			break
		}
	}
	counts := make([]int, end/c.interval+1)
	for _, offset := range offsets {
		counts[min(int(offset/c.interval), len(counts)-1)]++
	}
	for i, count := range counts {
		from := time.Duration(i) * c.interval
		// the last interval ends with the measurement; a sliver tells nothing
		width := min(c.interval, end-from)
		if width < c.interval/2 && i > 0 {
			break
		}
		c.points = append(c.points, Point{Seconds: from.Seconds(), PerSecond: float64(count) / width.Seconds()})
	}
	return c
}
