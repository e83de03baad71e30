package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// report says what was done and what came of it.
func report(out io.Writer, o options, r *result) {
	tally := r.tally
	fmt.Fprintf(out, "seed %d: %d acts in %s\n", o.Seed, r.acts, r.took.Round(time.Second))
	fmt.Fprintf(out, "  attacks: %s\n", list(r.done))
	fmt.Fprintf(out, "  judged: %d messages (%d of them repeats, %d destroyed by attacks), %d outcomes, %d events, %d dead letters, %d acknowledgements, %d answers to questions, %d answers of gateways\n",
		tally.Messages, tally.Repeats, tally.Gone, tally.Outcomes, tally.Events, tally.DeadLetters, tally.Acknowledged, tally.Asked, tally.Answered)
	fmt.Fprintf(out, "  outcomes: %s\n", list(tally.Codes))
	fmt.Fprintf(out, "  allowed after a database went back or a stream was destroyed: %d corrections, %d late events, %d ids told by both classes, %d copies of destroyed events\n",
		tally.Corrections, tally.Late, tally.Twins, tally.Copies)
	fmt.Fprintf(out, "  slowest to settle after the last attack: %s\n", r.slowest.Round(10*time.Millisecond))
	if len(r.findings) == 0 {
		fmt.Fprintln(out, "  nothing lost, nothing doubled, nothing out of order, nothing untrue")
	}
}

func list(counts map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, counts[what]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// replay is the command line that draws the same acts again.
func (o *options) replay() string {
	return fmt.Sprintf("--seed %d --duration %s --acts %s --rounds %d --commands %d --kills %d --pauses %d --commits %d --commands-per-act %d --attacks %d --length %s --organizations %d --workers %d --gateways %d --lanes %d --lease %s",
		o.Seed, o.Duration, cmp.Or(o.Acts, "all"), o.Rounds, o.Commands, o.Kills, o.Pauses, o.Commits, o.CommandsPerAct, o.Attacks, o.Length, o.Organizations, o.Workers, o.Gateways, o.Lanes, o.Lease)
}
