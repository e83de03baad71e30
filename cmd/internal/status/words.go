package status

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Ago writes seconds for people, with as many digits as say something: 4.2s,
// 3m12s, 2h5m, 3d4h.
func Ago(seconds float64) string {
	d := time.Duration(max(0, seconds) * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// lanesText names lanes in a sentence: "lane c3", "lanes c0 to c15, b2".
func lanesText(lanes []string) string {
	if len(lanes) == 1 {
		return "lane " + lanes[0]
	}
	return "lanes " + LaneRanges(lanes)
}

// LaneRanges names lanes, which are in order, runs of neighbours by their ends:
// "c0 to c15, b2".
func LaneRanges(lanes []string) string {
	var runs []string
	for i := 0; i < len(lanes); {
		end := i
		for end+1 < len(lanes) && follows(lanes[end], lanes[end+1]) {
			end++
		}
		switch end - i {
		case 0:
			runs = append(runs, lanes[i])
		case 1:
			runs = append(runs, lanes[i], lanes[end])
		default:
			runs = append(runs, lanes[i]+" to "+lanes[end])
		}
		i = end + 1
	}
	return strings.Join(runs, ", ")
}

func follows(lane, next string) bool {
	a, errA := strconv.Atoi(lane[1:])
	b, errB := strconv.Atoi(next[1:])
	return errA == nil && errB == nil && lane[0] == next[0] && b == a+1
}
