package bench

import "time"

// answers are the outcomes that came: how long each command took, and when.
type answers struct {
	took latencies
	at   []time.Time
}

func newAnswers(n int) *answers { return &answers{took: newLatencies(), at: make([]time.Time, 0, n)} }

func (a *answers) came(sent, at time.Time) {
	a.took.record(at.Sub(sent))
	a.at = append(a.at, at)
}

// since returns when each came, counted from the start.
func (a *answers) since(start time.Time) []time.Duration {
	offsets := make([]time.Duration, len(a.at))
	for i, at := range a.at {
		offsets[i] = max(0, at.Sub(start))
	}
	return offsets
}
