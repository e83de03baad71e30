package judge

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"connect-provider/deploy/chaos/load"
	"connect-provider/messages"
	"connect-provider/worker"
)

// Judge holds the acts of one run, one after another, against the rules.
type Judge struct {
	platform *load.Platform
	ledger   *worker.Ledger
	model    *model
	decided  map[string]*Row // by token and inbox key
	classes  map[string]classes
	since    map[string]time.Time    // of connections, by number
	lanes    int                     // of each class
	reached  map[messages.Lane]int64 // generations
	letters  int
	inbox    int // rows
	tally    Tally
	found    []Finding
}

// Tally counts what was judged.
type Tally struct {
	Messages, Repeats, Gone, Outcomes, Events, Corrections, Copies, Late, DeadLetters, Acknowledged, Asked, Answered int
	// Twins are events that stand beside another of their id, in the other class.
	Twins int
	Codes map[string]int
}

// classes are those in which an id was used.
type classes struct{ interactive, bulk bool }

// New returns a judge of a run on a platform, with a number of lanes in each
// class. Platform is read while judging: tell what changed before the commands
// that met it are judged.
func New(platform *load.Platform, lanes int) *Judge {
	j := &Judge{
		lanes: lanes, reached: map[messages.Lane]int64{},
		platform: platform, ledger: worker.NewLedger(), model: newModel(platform),
		decided: map[string]*Row{}, classes: map[string]classes{}, since: map[string]time.Time{}, tally: Tally{Codes: map[string]int{}},
	}
	for handle, o := range platform.Organizations {
		j.ledger.Organization(handle, o.OneProviderPerBridge)
		for slug := range o.Bridges {
			j.ledger.Bridge(handle, slug)
		}
		for id, c := range o.Configurations {
			j.ledger.Configuration(handle, id, c.Provider, c.Active)
		}
	}
	return j
}

// Changed tells the judge how the platform's numbers have changed.
func (j *Judge) Changed(changes []load.Change) {
	for _, c := range changes {
		j.ledger.Number(c.Phone, c.Handle, c.Configuration, c.Active)
		if c.Broken {
			j.ledger.Broken(c.Phone)
		}
	}
}

// Tally returns what was judged so far.
func (j *Judge) Tally() Tally { return j.tally }

// Act judges one act and returns what is wrong, in the order in which it was
// decided, as far as that is known. After an act with findings a judge's memory
// is of no use.
func (j *Judge) Act(e *Evidence) []Finding {
	j.found = nil
	rows := j.findRows(e)
	j.order(rows)
	j.decideAgain(rows)
	j.checkRepeats(e)
	j.checkTables(e, rows)
	j.checkLanes(e)
	j.checkEvents(e, rows)
	j.checkTold(e)
	j.checkAnswers(e)
	j.checkPeace(e)
	j.tally.Messages += len(e.Stored)
	return j.found
}

func (j *Judge) say(f Finding) { j.found = append(j.found, f) }

// Row returns the row of a command id of an organization, nil if there is none.
func (j *Judge) Row(token, id string) *Row { return j.decided[token+" "+id] }

// findRows gives each message its row. Rows without a message were invented.
func (j *Judge) findRows(e *Evidence) []*Stored {
	at := make(map[place]*Stored, len(e.Stored))
	for _, s := range e.Stored {
		at[s.place()] = s
		if s.Malformed == nil {
			key := s.Organization.Token + " " + s.Command.ID
			c := j.classes[key]
			c.interactive, c.bulk = c.interactive || s.Class == messages.Interactive, c.bulk || s.Class == messages.Bulk
			j.classes[key] = c
		}
		if s.Gone {
			j.tally.Gone++
		}
		if token := strings.Split(s.Subject, "."); len(token) < 4 || messages.Partition(token[3], j.lanes) != s.Lane.Number {
			j.say(about(Disorder, s, "it does not stand in its organization's lane"))
		}
		if s.Intent == nil {
			j.say(about(Invented, s, "nobody has published it: %.200s", s.Body))
		}
	}
	rows := make([]*Stored, 0, len(e.Rows))
	for _, row := range e.Rows {
		s := at[row.place()]
		switch {
		case s == nil:
			j.say(concerns(Invented, row.Lane, row.Token, row.Key, row.Sequence, "the inbox tells an outcome of a message that was never in the stream"))
		case s.row != nil:
			j.say(about(Doubled, s, "it has two rows in the inbox, under the keys %s and %s", s.row.Key, row.Key))
		case s.Lane != row.Lane || s.Organization.Token != row.Token:
			j.say(about(Wrong, s, "its row in the inbox is of lane %s and organization %s", row.Lane, row.Token))
		default:
			s.row = row
			rows = append(rows, s)
		}
	}
	j.inbox += len(e.Rows)
	if e.Inbox != j.inbox {
		j.say(Finding{Kind: Lost, Text: "the inbox has lost rows of earlier acts, or got some: it should have " +
			count(j.inbox, "row") + " and has " + count(e.Inbox, "row")})
	}
	j.tally.Outcomes += len(rows)
	return rows
}

// order sorts what was decided as the database serialized it. Within a lane that
// must be the stream's order.
func (j *Judge) order(rows []*Stored) {
	slices.SortFunc(rows, func(a, b *Stored) int {
		return cmp.Or(cmp.Compare(a.row.Transaction, b.row.Transaction), cmp.Compare(a.Lane.String(), b.Lane.String()),
			cmp.Compare(a.row.Generation, b.row.Generation), cmp.Compare(a.Sequence, b.Sequence))
	})
	last := map[messages.Lane]*Stored{}
	for _, s := range rows {
		if before := last[s.Lane]; before != nil && !before.position().Less(s.position()) {
			j.say(about(Disorder, s, "it was decided after message %d of generation %d (its own is %d)", before.Sequence, before.row.Generation, s.row.Generation))
		}
		last[s.Lane] = s
	}
}

// position is where a decided message stands in its lane.
func (s *Stored) position() messages.Position {
	return messages.Position{Generation: s.row.Generation, Sequence: s.Sequence}
}

// crossed tells whether an id was used in both classes: then a database that
// went back in time may let the other one come first.
func (j *Judge) crossed(token, id string) bool {
	c := j.classes[token+" "+id]
	return c.interactive && c.bulk
}
