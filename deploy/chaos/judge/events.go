package judge

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"

	"github.com/google/uuid"

	"connect-provider/messages"
)

type byID map[uuid.UUID][]*Published

// checkEvents demands of each outcome one event, and of each event an outcome.
func (j *Judge) checkEvents(e *Evidence, rows []*Stored) {
	j.tally.Events += len(e.Events)
	originals, corrections := byID{}, byID{}
	for _, p := range e.Events {
		switch {
		case p.Unreadable != nil:
			j.say(Finding{Kind: Unfounded, Text: "event " + p.Subject + " can't be read: " + p.Unreadable.Error()})
		case p.Event.Corrects == nil:
			originals[p.Event.ID] = append(originals[p.Event.ID], p)
		case e.WentBack.IsZero():
			j.say(j.ofEvent(Mistold, p, "it is a correction, and the database never went back"))
		default:
			corrections[*p.Event.Corrects] = append(corrections[*p.Event.Corrects], p)
			j.tally.Corrections++
		}
	}
	j.checkEventOrder(e)
	for _, p := range e.Events {
		if problem := badHeader(p); problem != "" && p.Unreadable == nil {
			j.say(j.ofEvent(Mistold, p, "%s: %v", problem, p.Header))
		}
	}
	for _, p := range e.Early {
		j.say(j.ofEvent(Unfounded, p, "it was in the stream before its effect was in the database"))
	}
	for _, s := range rows {
		id := s.row.eventID()
		own, others := split(originals[id], s.Lane)
		delete(originals, id)
		j.checkOne(e, s, own, corrections)
		for i, other := range others {
			if e.WentBack.IsZero() || !j.crossed(s.Organization.Token, s.Command.ID) || i > 0 && !others[i-1].Gone {
				j.say(j.ofEvent(Doubled, other, "the outcome of lane %s has an event there too", s.Lane))
			}
			j.tally.Twins++
		}
	}
	for _, published := range originals {
		for _, p := range published {
			if e.WentBack.IsZero() || !j.crossed(p.Event.Organization.Token, p.Event.CommandID) {
				j.say(j.ofEvent(Unfounded, p, "no outcome of the inbox is told by it"))
			}
		}
	}
	for _, published := range corrections {
		for _, p := range published {
			if !j.crossed(p.Event.Organization.Token, p.Event.CommandID) {
				j.say(j.ofEvent(Unfounded, p, "it corrects an event that tells no outcome of the inbox"))
			}
		}
	}
}

// split tells the events of a lane from those of others. The lane of the other
// class has one where an id was sent to both, the database went back in time and
// has let the other one come first since: then each class tells its own outcome,
// under one id (README, "What is promised, and its limits").
func split(published []*Published, lane messages.Lane) (own, others []*Published) {
	for _, p := range published {
		if p.Event.Lane == lane {
			own = append(own, p)
		} else {
			others = append(others, p)
		}
	}
	return own, others
}

// checkOne holds the events of one outcome against it, and takes its corrections
// out of those that are left to explain.
func (j *Judge) checkOne(e *Evidence, s *Stored, own []*Published, corrections byID) {
	if len(own) == 0 {
		j.say(about(Untold, s, "its outcome (%s) is not in the events stream", verdictOf(&s.row.Outcome)))
		return
	}
	for i, p := range own[:len(own)-1] {
		if !p.Gone {
			j.say(about(Doubled, s, "its outcome is in the events stream at %d and again at %d", p.Sequence, own[i+1].Sequence))
		}
		j.tally.Copies++
	}
	newest := own[len(own)-1]
	for {
		next := corrections[newest.Event.ID]
		if len(next) == 0 {
			break
		}
		delete(corrections, newest.Event.ID)
		if len(next) > 1 && !next[0].Gone {
			j.say(about(Doubled, s, "its outcome was corrected at %d and again at %d", next[0].Sequence, next[1].Sequence))
		}
		correction := next[len(next)-1]
		if correction.Event.OutcomeDigest() == newest.Event.OutcomeDigest() {
			j.say(about(Mistold, s, "the correction at %d tells what it corrects", correction.Sequence))
		}
		if made := correction.Event.Correct(newest.Event); made.ID != correction.Event.ID {
			j.say(about(Mistold, s, "the correction at %d has the id %s, it must be %s", correction.Sequence, correction.Event.ID, made.ID))
		}
		newest = next[len(next)-1]
	}
	event := messages.NewEvent(s.Received, s.row.Generation, s.row.Outcome, s.row.Key, newest.Event.Time)
	if i := s.Intent; i != nil && !i.Malformed && (newest.Event.Data.BridgeSlug != i.Bridge || newest.Event.Data.PhoneNumber != i.Phone ||
		newest.Event.Data.ProviderConfigID == nil || *newest.Event.Data.ProviderConfigID != i.Configuration || !maps.Equal(newest.Event.Data.Metadata, i.Metadata)) {
		j.say(about(Mistold, s, "the event at %d echoes something else than was sent: %s", newest.Sequence, newest.Body))
	}
	switch {
	case event.OutcomeDigest() != newest.Event.OutcomeDigest():
		j.say(about(Mistold, s, "its outcome is %s, the event at %d tells another: %s", verdictOf(&s.row.Outcome), newest.Sequence, newest.Body))
	case newest.Event.Corrects == nil && e.WentBack.IsZero():
		// made once, so nothing of it can be otherwise, not even a time
		if body, err := event.Encode(); err != nil || !bytes.Equal(body, newest.Body) {
			j.say(about(Mistold, s, "the event at %d differs from what its outcome makes: %s instead of %s", newest.Sequence, newest.Body, body))
		}
	}
	if want := event.MessageSubject(); newest.Subject != want {
		j.say(about(Mistold, s, "the event at %d is on %s, it belongs on %s", newest.Sequence, newest.Subject, want))
	}
	if got := (messages.Position{Generation: newest.Event.Generation, Sequence: newest.Event.Sequence}); got != s.position() {
		j.say(about(Mistold, s, "the event at %d names the position %s, the command's is %s", newest.Sequence, got, s.position()))
	}
}

// badHeader says what is wrong with an event's header. Whatever guards a lane
// stands in it, also where nothing has happened that it would guard against.
func badHeader(p *Published) string {
	inBatch := p.Header.Get("Nats-Batch-Sequence") != "" && p.Header.Get("Nats-Batch-Sequence") != "1"
	expected, filter := p.Header.Get("Nats-Expected-Last-Subject-Sequence"), p.Header.Get("Nats-Expected-Last-Subject-Sequence-Subject")
	switch {
	case p.Header.Get("Content-Type") != messages.ContentTypeCloudEvents:
		return "its header names no CloudEvent"
	case p.Header.Get("Nats-Msg-Id") != "":
		return "its header has an id for deduplication"
	case !inBatch && (expected == "" || filter != p.Event.Lane.EventFilter()):
		return "its header does not say which event of its lane it follows"
	}
	return ""
}

// checkEventOrder: along a lane the events' positions rise. What comes later
// than its place, a correction or an event that a database which went back had
// not sent, repeats the lane's position, so that it never goes down.
func (j *Judge) checkEventOrder(e *Evidence) {
	type log struct {
		lane   messages.Lane
		stream int
	}
	reached := map[log]messages.Position{}
	type own struct {
		log
		id uuid.UUID
	}
	seen := map[own]bool{}
	for _, p := range e.Events {
		if p.Unreadable != nil {
			continue
		}
		l := log{p.Event.Lane, p.Stream}
		at := messages.Position{Generation: p.Event.Generation, Sequence: p.Event.Sequence}
		header, err := messages.ParsePosition(p.Header.Get(messages.HeaderLanePosition))
		switch {
		case err != nil:
			j.say(j.ofEvent(Disorder, p, "its header tells no position of the lane: %v", err))
			continue
		case reached[l].Less(at):
			if header != at {
				j.say(j.ofEvent(Disorder, p, "its header says that the lane has come to %s, it is at %s", header, at))
			}
			reached[l] = at
		case p.Event.Corrects == nil && !(j.late(e, p) && !seen[own{l, p.Event.ID}]):
			j.say(j.ofEvent(Disorder, p, "the command at %s is told after the one at %s", at, reached[l]))
		case header != reached[l]:
			j.say(j.ofEvent(Disorder, p, "it comes late and its header says that the lane has come to %s, it is at %s", header, reached[l]))
		default:
			j.tally.Late++
		}
		seen[own{l, p.Event.ID}] = true
	}
}

// late tells whether an event may come after those that follow it.
func (j *Judge) late(e *Evidence, p *Published) bool {
	return !e.WentBack.IsZero() && p.Seen.After(e.WentBack) && j.crossed(p.Event.Organization.Token, p.Event.CommandID)
}

// ofEvent is a finding that concerns an event.
func (j *Judge) ofEvent(kind Kind, p *Published, format string, args ...any) Finding {
	f := concerns(kind, p.Event.Lane, p.Event.Organization.Token, cmp.Or(p.Event.CommandID, p.Event.Data.CommandID), p.Event.Sequence, format, args...)
	f.Text += fmt.Sprintf(" (event %d of the stream)", p.Sequence)
	return f
}
