package main

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"connect-provider/cmd/internal/program"
	"connect-provider/cmd/internal/status"
)

// systemText is the state of a system for people. What must be done stands
// first.
type systemText struct{ *status.System }

func (s systemText) text() string {
	var b strings.Builder
	s.verdict(&b)
	if s.Lanes != nil {
		s.lanes(&b)
		s.workers(&b)
	}
	s.streams(&b)
	s.deadLetters(&b)
	return trimLines(b.String())
}

// trimLines takes away the blanks that tables leave behind empty cells.
func trimLines(text string) string { return blanks.ReplaceAllString(text, "\n") }

var blanks = regexp.MustCompile(` +\n`)

// verdict says in one line that all is well or what is not, and then what to do
// about each problem.
func (s systemText) verdict(b *strings.Builder) {
	if s.OK {
		sayPlainly(b, "OK: %s, %s, %s\n", manyOf(len(s.Lanes), "lane"), manyOf(s.liveWorkers(), "worker"), s.waiting())
		return
	}
	var summaries []string
	for _, p := range s.Problems {
		if n := len(summaries); n == 0 || summaries[n-1] != p.Summary {
			summaries = append(summaries, p.Summary)
		}
	}
	sayPlainly(b, "%s: %s\n\n", strings.ToUpper(string(s.Problems[0].Severity)), strings.Join(summaries, "; "))
	for _, p := range s.Problems {
		sayPlainly(b, "%-8s %s\n         do: %s\n", p.Severity, p.Message, p.Action)
	}
}

func (s systemText) liveWorkers() (live int) {
	for _, w := range s.Workers {
		if w.Live {
			live++
		}
	}
	return live
}

func (s systemText) waiting() string {
	var commands uint64
	for _, lane := range s.Lanes {
		if lane.LagMessages != nil {
			commands += *lane.LagMessages
		}
	}
	if commands == 0 && s.Outbox.Depth == 0 {
		return "nothing waits"
	}
	return fmt.Sprintf("%s to decide, %s in the outbox", manyOf(int(commands), "command"), manyOf(int(s.Outbox.Depth), "outcome"))
}

// manyOf writes a number of things: 1 lane, 12 lanes.
func manyOf(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return count(n) + " " + thing
}

func columns(to io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(to, 0, 0, 2, ' ', 0) }

func (s systemText) lanes(b *strings.Builder) {
	fmt.Fprintln(b)
	t := columns(b)
	fmt.Fprintln(t, "LANE\tOWNER\tLEASE\tCURSOR\tLAG\tOLDEST\tOUTBOX\t")
	for _, l := range s.Lanes {
		sayPlainly(t, "%s\t%s\t%s\t%d\t%s\t%s\t%d\t%s\n", l.Lane, orDash(l.Owner), leaseText(&l), l.Cursor,
			lagText(l.LagMessages), ageText(l.LagSeconds), l.Outbox.Depth, laneNotes(&l))
	}
	s.allLanes(t)
	_ = t.Flush() // into memory
}

// allLanes sums up the lanes.
func (s systemText) allLanes(t io.Writer) {
	lag, oldest := new(uint64), (*float64)(nil)
	for _, l := range s.Lanes {
		switch {
		case l.LagMessages == nil:
			lag = nil
		case lag != nil:
			*lag += *l.LagMessages
		}
		if l.LagSeconds != nil && (oldest == nil || *l.LagSeconds > *oldest) {
			oldest = l.LagSeconds
		}
	}
	sayPlainly(t, "all\t\t\t\t%s\t%s\t%d\t\n", lagText(lag), ageText(oldest), s.Outbox.Depth)
}

func leaseText(l *status.Lane) string {
	switch l.Lease {
	case status.LeaseHeld:
		return status.Ago(*l.LeaseSeconds)
	case status.LeaseExpired:
		return "over for " + status.Ago(-*l.LeaseSeconds)
	}
	return "nobody's"
}

func ageText(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return status.Ago(*seconds)
}

// laneNotes say what is unusual about a lane.
func laneNotes(l *status.Lane) string {
	var notes []string
	if l.Held != nil {
		notes = append(notes, fmt.Sprintf("held at %d for %s: %s", l.Held.Sequence, status.Ago(l.Held.Seconds), l.Held.Error))
	}
	if l.Skip != nil {
		notes = append(notes, fmt.Sprintf("skip of %d requested: %s", l.Skip.Sequence, l.Skip.Reason))
	}
	for _, p := range l.Paused {
		whom := "paused"
		if p.Organization != nil {
			whom += " for " + *p.Organization
		}
		notes = append(notes, fmt.Sprintf("%s since %s: %s", whom, statusTime(p.Since), p.Reason))
	}
	if l.ReplayUntil != nil {
		notes = append(notes, fmt.Sprintf("deciding again up to %d (generation %d)", l.ReplayUntil.Sequence, l.ReplayUntil.Generation))
	}
	if l.Log != nil && (*l.Log == status.LogReplaced || *l.Log == status.LogCutBack) {
		notes = append(notes, "stream "+strings.ReplaceAll(string(*l.Log), "_", " "))
	}
	return strings.Join(notes, "; ")
}

func (s systemText) workers(b *strings.Builder) {
	fmt.Fprintln(b)
	if len(s.Workers) == 0 {
		fmt.Fprintln(b, "No workers.")
		return
	}
	t := columns(b)
	fmt.Fprintln(t, "WORKER\tVERSION\tSTARTED\tSEEN\tLANES")
	for _, w := range s.Workers {
		seen := status.Ago(w.SeenSeconds) + " ago"
		if !w.Live {
			seen += ", gone"
		}
		owned := "none"
		if len(w.Lanes) > 0 {
			owned = fmt.Sprintf("%d: %s", len(w.Lanes), status.LaneRanges(w.Lanes))
		}
		sayPlainly(t, "%s\t%s\t%s\t%s\t%s\n", w.Name, w.Version, statusTime(w.StartedAt), seen, owned)
	}
	_ = t.Flush() // into memory
}

func (s systemText) streams(b *strings.Builder) {
	if s.Streams == nil {
		return
	}
	fmt.Fprintln(b)
	t := columns(b)
	fmt.Fprintln(t, "STREAM\tMESSAGES\tSIZE\tLIMIT\tFULL\tFIRST\tLAST\tSETTINGS")
	for _, stream := range s.Streams {
		if !stream.Exists {
			sayPlainly(t, "%s\t-\t-\t-\t-\t-\t-\tdoes not exist\n", stream.Name)
			continue
		}
		limit := "none"
		if stream.MaxBytes != nil {
			limit = sizeText(uint64(*stream.MaxBytes))
		}
		sayPlainly(t, "%s\t%s\t%s\t%s\t%d%%\t%s\t%s\t%s\n", stream.Name, count(int(stream.Messages)), sizeText(stream.Bytes), limit,
			int(100*stream.Fill), statusTimeOrDash(stream.FirstTime), statusTimeOrDash(stream.LastTime), settingsText(&stream))
	}
	_ = t.Flush() // into memory
	for _, stream := range s.Streams {
		for _, f := range stream.Findings {
			if !f.Fatal { // those are problems
				sayPlainly(b, "notice: stream %s: %s is %s, want %s: %s\n", stream.Name, f.Setting, f.Is, f.Want, f.Why)
			}
		}
	}
}

func settingsText(s *status.Stream) string {
	fatal := 0
	for _, f := range s.Findings {
		if f.Fatal {
			fatal++
		}
	}
	switch {
	case fatal > 0:
		return fmt.Sprintf("%d unsafe", fatal)
	case len(s.Findings) > 0:
		return "usable"
	}
	return "as they should be"
}

func (s systemText) deadLetters(b *strings.Builder) {
	if s.DeadLetters == nil {
		return
	}
	fmt.Fprintln(b)
	if len(s.DeadLetters.Codes) == 0 {
		fmt.Fprintln(b, "No dead letters.")
		return
	}
	t := columns(b)
	fmt.Fprintln(t, "DEAD LETTERS\tOPEN\tREDRIVEN\tOLDEST OPEN")
	for _, c := range s.DeadLetters.Codes {
		sayPlainly(t, "%s\t%s\t%s\t%s\n", c.Code, count(int(c.Open)), count(int(c.Redriven)), statusTimeOrDash(c.OldestOpen))
	}
	_ = t.Flush() // into memory
}

// statusTime writes a time for people who compare it with others, in UTC as logs do.
func statusTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func statusTimeOrDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return statusTime(*t)
}

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

func lagText(n *uint64) string {
	if n == nil {
		return "?"
	}
	return strconv.FormatUint(*n, 10)
}

// sizeText writes a size with its largest unit: 17B, 3.4KiB, 256MiB.
func sizeText(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, unit := float64(n), 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 || size >= 100 || program.Size(n)%(1<<(10*unit)) == 0 {
		return fmt.Sprintf("%.0f%s", size, units[unit])
	}
	return fmt.Sprintf("%.1f%s", size, units[unit])
}
