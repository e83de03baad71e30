package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"connect-provider/cmd/internal/onboard"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

// progressInterval is how often progress is told where no terminal shows it.
const progressInterval = 10 * time.Second

// progressShown tells a run's progress until it is stopped.
type progressShown struct {
	end   chan struct{}
	ended chan struct{}
}

func (p *progressShown) stop() {
	close(p.end)
	<-p.ended
}

// startProgress shows progress on a terminal, or prints a line now and then.
func startProgress(to io.Writer, job string, progress func() onboard.Progress) *progressShown {
	shown := &progressShown{end: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(shown.ended)
		if program.TerminalWidth(to) > 0 {
			showBars(to, job, progress, shown.end)
		} else {
			printLines(to, job, progress, shown.end)
		}
	}()
	return shown
}

// printLines prints a line at intervals, and when what is waited for changes.
func printLines(to io.Writer, job string, progress func() onboard.Progress, end <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last, waiting, stopping := time.Now(), "", false
	begun := progress()
	fmt.Fprintln(to, program.Plain(firstLine(job, &begun)))
	for {
		select {
		case <-end:
			return
		case now := <-ticker.C:
			p := progress()
			if now.Sub(last) < progressInterval && p.Waiting == waiting && p.Stopping == stopping {
				continue
			}
			last, waiting, stopping = now, p.Waiting, p.Stopping
			fmt.Fprintln(to, program.Plain(progressLine(&p, now)))
		}
	}
}

func firstLine(job string, p *onboard.Progress) string {
	line := fmt.Sprintf("job %s: %s rows", job, count(int(p.Rows)))
	if p.Resumed > 0 {
		line += fmt.Sprintf(", of which %s have their outcome from an interrupted run", count(int(p.Resumed)))
	}
	return line
}

// progressLine tells progress on a line.
func progressLine(p *onboard.Progress, now time.Time) string {
	words := []string{
		fmt.Sprintf("read %s of %s", count(int(p.Read)), count(int(p.Rows))),
		"accepted " + count(int(p.Accepted)),
		outcomesLine(&p.Counts),
		fmt.Sprintf("%s/s", count(int(p.Rate(now)))),
	}
	if left := p.Left(now); left > 0 {
		words = append(words, left.Round(time.Second).String()+" left")
	}
	line := strings.Join(words, ", ")
	if p.Stopping {
		line += fmt.Sprintf("; interrupted, nothing more is published, %s rows are in flight; once more stops at once", count(p.InFlight))
	}
	if p.Waiting != "" {
		line += "; waiting: " + p.Waiting
	}
	return line
}

// outcomesLine tells how many rows came out how.
func outcomesLine(c *onboard.Counts) string {
	line := "connected " + count(int(c.Connected))
	if c.ConnectedEarlier > 0 {
		line += fmt.Sprintf(" (%s of them earlier)", count(int(c.ConnectedEarlier)))
	}
	line += ", failed " + count(int(c.Failed))
	if codes := codesLine(c.Codes); codes != "" {
		line += " (" + codes + ")"
	}
	return line
}

func codesLine(codes map[messages.Code]int64) string {
	var words []string
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		words = append(words, fmt.Sprintf("%s %s", code, count(int(codes[code]))))
	}
	return strings.Join(words, ", ")
}

// showBars shows a bar of the rows that have their outcome, and below it the
// rest.
func showBars(to io.Writer, job string, progress func() onboard.Progress, end <-chan struct{}) {
	first := progress()
	bars := mpb.New(mpb.WithOutput(to), mpb.WithRefreshRate(200*time.Millisecond), mpb.WithAutoRefresh())
	text := func(what func(p *onboard.Progress) string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string {
			p := progress()
			return program.Plain(what(&p))
		})
	}
	rows := bars.AddBar(first.Rows,
		mpb.PrependDecorators(decor.Name(program.Plain(job)+" "), text(func(p *onboard.Progress) string {
			return fmt.Sprintf("%s of %s ", count(int(p.Decided())), count(int(p.Rows)))
		})),
		mpb.AppendDecorators(decor.Percentage(), text(func(p *onboard.Progress) string {
			line := fmt.Sprintf(" %s/s", count(int(p.Rate(time.Now()))))
			if left := p.Left(time.Now()); left > 0 {
				line += fmt.Sprintf(" %s left", left.Round(time.Second))
			}
			return line
		})))
	line := func(what func(p *onboard.Progress) string) *mpb.Bar {
		return bars.New(0, mpb.NopStyle(), mpb.PrependDecorators(text(what)))
	}
	others := []*mpb.Bar{
		line(func(p *onboard.Progress) string {
			return fmt.Sprintf("read %s, accepted %s, in flight %s", count(int(p.Read)), count(int(p.Accepted)), count(p.InFlight))
		}),
		line(func(p *onboard.Progress) string { return outcomesLine(&p.Counts) }),
		line(func(p *onboard.Progress) string {
			switch {
			case p.Waiting != "":
				return "waiting: " + p.Waiting
			case p.Stopping:
				return "interrupted: waiting for what is in flight; once more stops at once"
			}
			return ""
		}),
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		p := progress()
		rows.SetCurrent(min(p.Decided(), first.Rows-1)) // a full bar would end itself
		select {
		case <-end:
			p := progress()
			rows.SetCurrent(p.Decided())
			for _, bar := range append(others, rows) {
				bar.Abort(false)
			}
			bars.Wait()
			return
		case <-ticker.C:
		}
	}
}

// lastLines tell what a run has come to.
func (o *onboarding) lastLines(counts *onboard.Counts, summary onboard.Summary) []string {
	verb := ""
	if summary.DryRun {
		verb = "dry run: "
	}
	lines := []string{fmt.Sprintf("%s%s of %s rows, %s (%s)", verb, outcomesLine(counts), count(int(counts.Rows)), orUndecided(counts), summarySpeed(summary))}
	if earlier := counts.ConnectedEarlier + counts.FailedEarlier; earlier > 0 {
		lines = append(lines, fmt.Sprintf("%s rows were decided by an earlier run, between %s and %s", count(int(earlier)),
			counts.EarlierFrom.UTC().Format(time.RFC3339), counts.EarlierUntil.UTC().Format(time.RFC3339)))
	}
	if summary.DryRun {
		return lines
	}
	if counts.Failed > 0 {
		lines = append(lines, fmt.Sprintf("failed rows: %s; corrected, it can be run like a file of its own", summary.Reports["failed"]))
	}
	if all := summary.Reports["all"]; all != "" {
		lines = append(lines, "all rows: "+all)
	}
	if counts.Undecided() > 0 {
		lines = append(lines, fmt.Sprintf("%s rows are undecided: run the same command line again, it goes on where it was", count(int(counts.Undecided()))))
	}
	return lines
}

func orUndecided(counts *onboard.Counts) string {
	return fmt.Sprintf("undecided %s", count(int(counts.Undecided())))
}

func summarySpeed(s onboard.Summary) string {
	return (time.Duration(s.Seconds * float64(time.Second))).Round(100 * time.Millisecond).String()
}

// told prints a dry run's progress at intervals.
type told struct {
	to   io.Writer
	last time.Time
}

func newTold(to io.Writer) *told { return &told{to: to, last: time.Now()} }

func (t *told) dryRun(c onboard.Counts) {
	if time.Since(t.last) < progressInterval {
		return
	}
	t.last = time.Now()
	fmt.Fprintf(t.to, "asked about %s of %s rows: %s\n", count(int(c.Decided())), count(int(c.Rows)), outcomesLine(&c))
}
