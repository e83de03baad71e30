package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// audit is what the events stream says about the commands in the ledger.
type audit struct {
	commands  int // accepted
	events    int
	repeats   int
	outcomes  map[string]int
	unchanged int
	samples   []sample
	problems  []string // the first few
	wrong     int      // how many there are
}

// sample is an event to show.
type sample struct {
	title string
	body  []byte
}

// lineage is within what order is promised.
type lineage struct {
	class messages.Class
	token string
}

// audit reads the events stream from its beginning and checks that each command
// has exactly one outcome, a repeat none, and that each organization's outcomes
// of a class stand in the order of its commands. No worker may be at work.
func (l *ledger) audit(ctx context.Context, js jetstream.JetStream) (*audit, error) {
	a := &audit{commands: len(l.entries), repeats: l.repeats, outcomes: map[string]int{}}
	seen := make(map[place]bool, len(l.entries))
	last := map[lineage]messages.Position{}
	err := readEvents(ctx, js, untilNow, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}, func(e *messages.Event, body []byte) bool {
		a.events++
		at := place{e.Lane.Class, e.Sequence}
		expected, known := l.entries[at]
		outcome := outcomeOf(e)
		a.outcomes[outcome]++
		if outcome == outcomeConnected && !e.Data.Changed {
			a.unchanged++
		}
		position := messages.Position{Generation: e.Generation, Sequence: e.Sequence}
		line := lineage{e.Lane.Class, e.Organization.Token}
		switch {
		case !known:
			a.problem("event %s is about a command that nobody published (sequence %d of %s)", e.ID, e.Sequence, e.Lane.Class.Stream())
		case seen[at]:
			a.problem("command %d of %s has more than one outcome", e.Sequence, e.Lane.Class.Stream())
		case expected.outcome == outcomeRepeat:
			a.problem("command %d of %s repeats a decided one and has an outcome of its own", e.Sequence, e.Lane.Class.Stream())
		case expected.token != e.Organization.Token || expected.id != "" && expected.id != e.Data.CommandID:
			a.problem("command %d of %s: the event names another organization or command", e.Sequence, e.Lane.Class.Stream())
		case expected.outcome != outcome:
			a.problem("command %d of %s should be %s and is %s", e.Sequence, e.Lane.Class.Stream(), expected.outcome, outcome)
		case !last[line].Less(position):
			a.problem("organization %s: the outcome of command %d of %s comes too late", e.Organization.Token, e.Sequence, e.Lane.Class.Stream())
		}
		seen[at], last[line] = true, position
		a.sample(e, body)
		return true
	})
	for at, expected := range l.entries {
		if !seen[at] && expected.outcome != outcomeRepeat {
			a.problem("command %d of %s has no outcome", at.sequence, at.class.Stream())
		}
	}
	return a, err
}

func outcomeOf(e *messages.Event) string {
	if e.Data.Error != nil {
		return string(e.Data.Error.Code)
	}
	return outcomeConnected
}

func (a *audit) problem(format string, args ...any) {
	if a.wrong++; a.wrong <= 10 {
		a.problems = append(a.problems, fmt.Sprintf(format, args...))
	}
}

// sample keeps the documentation's example and a failure that tells details.
func (a *audit) sample(e *messages.Event, body []byte) {
	title := ""
	switch outcome := outcomeOf(e); {
	case e.Data.CommandID == exampleCommand.ID && outcome == outcomeConnected:
		title = "The documentation's example, as its outcome stands on "
	case e.Data.CommandID == idNumberInUse:
		title = "A failure, on "
	default:
		return
	}
	a.samples = append(a.samples, sample{title + e.MessageSubject(), body})
}

// verdict is nil if every promise was kept.
func (a *audit) verdict() error {
	if a.wrong == 0 {
		return nil
	}
	return fmt.Errorf("%d promises were broken; the lines above that begin with BROKEN tell the first of them", a.wrong)
}
