package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Report is what a benchmark has found. In JSON, times are in the unit that a
// member's name ends with.
type Report struct {
	Mode          Mode         `json:"mode"`
	Started       time.Time    `json:"started"`
	Version       string       `json:"version"`
	Machine       Machine      `json:"machine"` // on which the benchmark ran
	System        SystemReport `json:"system"`
	Durability    Durability   `json:"durability"`
	Class         string       `json:"class"`
	Organizations int          `json:"organizations"`
	Runs          []*Run       `json:"runs"`
	// Stays is what could not be removed from a system that others use, in words.
	Stays []string `json:"stays,omitempty"`
	// Comparable says that all was durable, as far as is known; where it is
	// false, no run tells commands a second.
	Comparable bool `json:"comparable"`
}

// Machine is a computer.
type Machine struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	CPUs         int    `json:"cpus"`
}

// SystemReport says what was measured.
type SystemReport struct {
	Embedded bool   `json:"embedded"`
	Workers  int    `json:"workers,omitempty"` // where they were started for it
	NATS     string `json:"nats"`
	Postgres string `json:"postgres"`
}

// Run is one measurement: a round of a throughput, or one rate of a latency.
type Run struct {
	Round    int     `json:"round,omitempty"`
	Rate     int     `json:"rate_per_second,omitempty"` // 0 of a latency: one command at a time
	Commands int     `json:"commands"`
	Failed   int     `json:"failed"` // of the commands, as they should
	Seconds  float64 `json:"seconds"`
	// CommandsPerSecond is 0, and not told, where something was not durable.
	CommandsPerSecond   float64 `json:"commands_per_second,omitempty"`
	PublishSeconds      float64 `json:"publish_seconds,omitempty"`
	FirstOutcomeSeconds float64 `json:"first_outcome_seconds,omitempty"`
	// Latency is, of a throughput, from when NATS accepted a command to when it
	// accepted the outcome; of a latency, from when a command was to be sent to
	// when a consumer had the outcome.
	Latency   *Percentiles `json:"latency"`
	Processes []Usage      `json:"processes"`
	// Batches and Stages are nil where the workers' metrics are not known.
	Batches *Batches `json:"batches"`
	Stages  []Stage  `json:"stages"`
	// WALPerCommand is nil where the database's user may not know it.
	WALPerCommand *float64 `json:"wal_bytes_per_command"`

	bars  []Bar
	curve curve
}

// Name is what tells a run from the others of its report.
func (r *Run) Name() string {
	switch {
	case r.Round > 0:
		return fmt.Sprintf("round %d", r.Round)
	case r.Rate > 0:
		return fmt.Sprintf("%d a second", r.Rate)
	}
	return "one at a time"
}

// judge decides whether the report can be compared with others, and keeps the
// headline back where it can't.
func (r *Report) judge() {
	r.Comparable = len(r.Durability.Off()) == 0
	for _, run := range r.Runs {
		if !r.Comparable {
			run.CommandsPerSecond = 0
		}
	}
}

// Median is the round whose throughput is in the middle, the slower one of two.
func (r *Report) Median() *Run {
	rounds := slices.Clone(r.Runs)
	slices.SortStableFunc(rounds, func(a, b *Run) int { return cmp.Compare(a.Seconds, b.Seconds) })
	return rounds[len(rounds)/2]
}
