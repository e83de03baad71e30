package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"connect-provider/messages"
	"connect-provider/worker"
)

// Problem is something that an operator should know of.
type Problem struct {
	Severity Severity `json:"severity"`
	// Code is stable and for programs.
	Code string `json:"code"`
	// Summary says in a few words what is wrong, Message in a sentence, Action
	// what to do about it.
	Summary string `json:"summary"`
	Message string `json:"message"`
	Action  string `json:"action"`
	// Lanes are those concerned, empty if it is not about lanes.
	Lanes []string `json:"lanes"`
}

// Severity tells how bad a problem is.
type Severity string

// An Error keeps commands from being decided or outcomes from being published,
// or could lose them; a Warning is worth a look.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning}, s) }

const (
	// unpublishedPatience is how long an outcome may be decided and not
	// published: in a healthy system it takes milliseconds.
	unpublishedPatience = 10 * time.Second
	// full is the part of a limit from which on a stream is as good as full.
	full = 0.98
)

// patience is how long a command of a class may wait for its decision. Someone
// waits for interactive ones; a file of a million rows takes its time.
var patience = map[messages.Class]time.Duration{messages.Interactive: 30 * time.Second, messages.Bulk: 15 * time.Minute}

// findProblems says what is wrong, the worst first: errors before warnings,
// and among them what hinders everything before what hinders one lane.
func (d *System) findProblems() []Problem {
	f := &findings{problems: []Problem{}}
	f.servers(d)
	f.streams(d)
	if d.Lanes != nil {
		f.cut(d)
		f.workers(d)
		f.held(d)
		f.unpublished(d)
		f.behind(d)
		f.otherLogs(d)
		f.replaying(d)
	}
	f.paused(d)
	f.deadLetters(d)
	slices.SortStableFunc(f.problems, func(a, b Problem) int { return cmp.Compare(a.Severity.rank(), b.Severity.rank()) })
	return f.problems
}

type findings struct{ problems []Problem }

// add notes a problem; the detail follows the summary in the message.
func (f *findings) add(severity Severity, code, summary, detail, action string, lanes ...string) {
	if lanes == nil {
		lanes = []string{}
	}
	f.problems = append(f.problems, Problem{Severity: severity, Code: code, Summary: summary, Message: summary + detail, Action: action, Lanes: lanes})
}

func (f *findings) servers(d *System) {
	if e := d.Database.Error; e != nil {
		f.add(Error, "database_away", "the database can't be asked", ": "+*e,
			"nothing is lost; bring it back, or see that connectctl's own address and rights (DATABASE_URL) are right")
	}
	if e := d.NATS.Error; e != nil {
		f.add(Error, "nats_away", "NATS can't be asked", ": "+*e,
			"nothing is lost; bring it back, or see that connectctl's own address and rights (NATS_URL) are right")
	}
}

func (f *findings) streams(d *System) {
	for i := range d.Streams {
		s := &d.Streams[i]
		if !s.Exists {
			f.add(Error, "stream_missing", "stream "+s.Name+" does not exist", "", "connect-provider streams")
			continue
		}
		for _, finding := range s.Findings {
			if !finding.Fatal {
				continue
			}
			action := "connect-provider streams --mend"
			if !finding.Updatable {
				action = "it can't be changed in place: drain the stream and make it anew (deploy/RUNBOOK.md, \"Another number of lanes\")"
			}
			f.add(Error, "stream_unsafe", "stream "+s.Name+" is not safe",
				fmt.Sprintf(": %s is %s, want %s: %s", finding.Setting, finding.Is, finding.Want, finding.Why), action)
		}
		f.fill(s)
	}
}

var sizeFlag = map[string]string{
	messages.Interactive.Stream(): "--interactive-max-bytes", messages.Bulk.Stream(): "--bulk-max-bytes", messages.EventsStream: "--events-max-bytes",
}

func (f *findings) fill(s *Stream) {
	if s.Fill < worker.Crowded {
		return
	}
	severity, consequence := Warning, "applied commands are purged before the replay window has passed"
	switch events := s.Name == messages.EventsStream; {
	case s.Fill >= full && events:
		severity, consequence = Error, "workers can't publish outcomes and wait"
	case s.Fill >= full:
		severity, consequence = Error, "new commands are refused"
	case events:
		consequence = "when it is full, workers wait for events to age out"
	}
	f.add(severity, "stream_full", fmt.Sprintf("stream %s is %d%% full", s.Name, int(100*s.Fill)), ": "+consequence,
		fmt.Sprintf("connect-provider streams %s SIZE --mend", sizeFlag[s.Name]))
}

// cut compares the number of lanes that the database was set up for with the
// streams'.
func (f *findings) cut(d *System) {
	recorded := map[string]int{}
	for i := range d.Lanes {
		recorded[d.Lanes[i].lane.Class.Stream()]++
	}
	for i := range d.Streams {
		s := &d.Streams[i]
		if n := recorded[s.Name]; n > 0 && s.Lanes != nil && *s.Lanes != n {
			f.add(Error, "lanes_differ", fmt.Sprintf("stream %s is cut into %d lanes, the database was set up for %d", s.Name, *s.Lanes, n),
				": workers refuse to start",
				"deploy/RUNBOOK.md, \"Another number of lanes\"")
		}
	}
	if len(d.Lanes) == 0 {
		f.add(Error, "never_worked", "no worker has ever started on this database", "", "connect-provider worker")
	}
}

func (f *findings) workers(d *System) {
	if len(d.Lanes) == 0 {
		return
	}
	live := slices.ContainsFunc(d.Workers, func(w Worker) bool { return w.Live })
	if !live {
		last := ""
		if len(d.Workers) > 0 {
			seen := slices.MinFunc(d.Workers, func(a, b Worker) int { return cmp.Compare(a.SeenSeconds, b.SeenSeconds) })
			last = fmt.Sprintf(" (last seen: %s, %s ago)", seen.Name, Ago(seen.SeenSeconds))
		}
		f.add(Error, "no_worker", "no worker is alive", ", nothing is decided"+last,
			"start one (connect-provider worker), or see in the log and /readyz of those that run what keeps them from working")
		return
	}
	var free []string
	for i := range d.Lanes {
		if d.Lanes[i].Lease != LeaseHeld {
			free = append(free, d.Lanes[i].Lane)
		}
	}
	if len(free) > 0 {
		f.add(Warning, "lanes_free", "nobody works "+lanesText(free), "",
			"workers take free lanes over within seconds: look again; if it stays so, the workers' logs tell why", free...)
	}
}

func (f *findings) held(d *System) {
	for i := range d.Lanes {
		l := &d.Lanes[i]
		if l.Held == nil {
			continue
		}
		detail := fmt.Sprintf(" at sequence %d for %s: %s", l.Held.Sequence, Ago(l.Held.Seconds), l.Held.Error)
		action := fmt.Sprintf("mend the cause, and it goes on by itself; or give the command up: connectctl skip --lane %s --sequence %d --reason TEXT", l.Lane, l.Held.Sequence)
		if l.Skip != nil && l.Skip.Sequence == l.Held.Sequence {
			detail += fmt.Sprintf(" (to be skipped: %s)", l.Skip.Reason)
			action = "wait: the lane's worker skips it when it tries next, within seconds"
		}
		f.add(Error, "lane_held", "lane "+l.Lane+" is held", detail, action, l.Lane)
	}
}

func (f *findings) unpublished(d *System) {
	var lanes []string
	var sum Outbox
	for i := range d.Lanes {
		l := &d.Lanes[i]
		if l.Outbox.OldestSeconds != nil && *l.Outbox.OldestSeconds > unpublishedPatience.Seconds() {
			lanes = append(lanes, l.Lane)
			sum.add(l.Outbox)
		}
	}
	if len(lanes) > 0 {
		f.add(Error, "unpublished", counted(sum.Depth, "outcome is", "outcomes are")+" decided and not published",
			fmt.Sprintf(", the oldest for %s (%s)", Ago(*sum.OldestSeconds), lanesText(lanes)),
			"without a worker, or with a full events stream, mend that first; else the workers' logs and connect_provider_publish_refusals_total tell why", lanes...)
	}
}

// behind names lanes that are worked and not done in time. Those that stand
// still for a reason that is told elsewhere are left out.
func (f *findings) behind(d *System) {
	for _, class := range messages.Classes() {
		var lanes []string
		var waiting uint64
		oldest := 0.0
		for i := range d.Lanes {
			l := &d.Lanes[i]
			if l.lane.Class != class || l.Lease != LeaseHeld || l.Held != nil || len(l.Paused) > 0 || l.LagSeconds == nil || *l.LagSeconds < patience[class].Seconds() {
				continue
			}
			lanes, oldest = append(lanes, l.Lane), max(oldest, *l.LagSeconds)
			if l.LagMessages != nil {
				waiting += *l.LagMessages
			}
		}
		if len(lanes) > 0 {
			f.add(Warning, "behind", class.String()+" commands are behind",
				fmt.Sprintf(": %d wait, the oldest for %s (%s)", waiting, Ago(oldest), lanesText(lanes)),
				"if the workers' logs show retries, mend their cause; else add workers, up to one for each lane", lanes...)
		}
	}
}

// otherLogs names lanes whose cursor does not count in the stream there is.
func (f *findings) otherLogs(d *System) {
	say := func(log Log, code, what, detail string) {
		var lanes []string
		for i := range d.Lanes {
			if l := &d.Lanes[i]; l.Log != nil && *l.Log == log {
				lanes = append(lanes, l.Lane)
			}
		}
		if len(lanes) > 0 {
			f.add(Warning, code, what, detail+" ("+lanesText(lanes)+")",
				"the worker that opens a lane settles it and logs which range is lost; publish again what that held", lanes...)
		}
	}
	say(LogReplaced, "stream_replaced", "a command stream was replaced", ", and no worker has read the new one")
	say(LogCutBack, "stream_cut_back", "a command stream was cut back", ": it ends before what was decided of it")
}

func (f *findings) replaying(d *System) {
	var lanes []string
	for i := range d.Lanes {
		if d.Lanes[i].ReplayUntil != nil {
			lanes = append(lanes, d.Lanes[i].Lane)
		}
	}
	if len(lanes) > 0 {
		f.add(Warning, "replaying", "a restored database is catching up", ": what it lacked is decided again ("+lanesText(lanes)+")",
			"wait; outcomes that differ are published as corrections, see connect_provider_replayed_events_total", lanes...)
	}
}

func (f *findings) paused(d *System) {
	for _, p := range d.Pauses {
		whose, flags := p.Class+" commands", "--class "+p.Class
		if p.Organization != nil {
			whose, flags = whose+" of "+*p.Organization, flags+" --org "+*p.Organization
		}
		f.add(Warning, "paused", whose+" are paused", fmt.Sprintf(" for %s: %s", Ago(p.Seconds), p.Reason), "when the reason is gone: connectctl resume "+flags)
	}
}

// deadLetters tells of commands that failed for no fault of their own. What
// was malformed is its publisher's to mend, and told to it by the outcome.
func (f *findings) deadLetters(d *System) {
	if d.DeadLetters == nil {
		return
	}
	for _, c := range d.DeadLetters.Codes {
		if c.Code == string(messages.InternalError) && c.Open > 0 {
			f.add(Warning, "internal_errors", counted(c.Open, "command", "commands")+" failed with internal_error", "; the dead letters are open",
				"see connectctl dead-letters list --code internal_error; when the cause is mended, redrive them")
		}
	}
}
