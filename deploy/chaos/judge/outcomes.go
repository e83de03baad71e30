package judge

import (
	"fmt"
	"maps"
	"time"

	"connect-provider/messages"
)

// decideAgain decides everything once more, in the database's order, by the
// deciding function and by the plain model.
func (j *Judge) decideAgain(rows []*Stored) {
	for _, s := range rows {
		row := s.row
		told := &row.Outcome
		short := verdictOf(told)
		j.tally.Codes[short.code]++
		decided := j.ledger.Decide(s.Received, told.ConnectedAt)
		switch {
		case decided.Repeat:
			j.say(about(Doubled, s, "it repeats what was decided before, and has an outcome of its own: %s", short))
			continue
		case decided.Key != row.Key:
			j.say(about(Wrong, s, "the inbox has it under %q, it belongs under %q", row.Key, decided.Key))
		case row.Digest != s.Digest():
			j.say(about(Wrong, s, "the inbox has the digest of another content"))
		case row.Command.BridgeSlug != kept(s).BridgeSlug || row.Command.ProviderConfigID != kept(s).ProviderConfigID || row.Command.PhoneNumber != kept(s).PhoneNumber:
			j.say(about(Wrong, s, "the inbox has it as %+v", row.Command))
		}
		if told.Changed {
			j.since[s.Command.PhoneNumber] = told.ConnectedAt
			if told.ConnectedAt.Before(s.Time.Truncate(time.Microsecond)) || told.ConnectedAt.After(row.Committed) {
				j.say(about(Wrong, s, "it is connected since %s, but was stored at %s and committed at %s", told.ConnectedAt, s.Time, row.Committed))
			}
		}
		if want := outcomeText(&decided.Outcome); want != outcomeText(told) {
			j.say(about(Wrong, s, "its outcome is %s; decided again, in the database's order, it is %s", outcomeText(told), want))
		}
		if s.Intent != nil {
			if want := j.model.decide(*s.Intent); want != short {
				j.say(about(Wrong, s, "its outcome is %s, the model's is %s", short, want))
			}
		}
		j.decided[row.Token+" "+row.Key] = row
	}
}

// kept is what the inbox has of a message's content: nothing of one that could
// not be understood.
func kept(s *Stored) messages.Command {
	if s.Malformed != nil {
		return messages.Command{}
	}
	return s.Command
}

// checkRepeats: a message without a row repeats one that was decided by then,
// or was destroyed before it was its turn, and then with all that stood behind
// it in its lane.
func (j *Judge) checkRepeats(e *Evidence) {
	type log struct {
		lane    messages.Lane
		created int64
	}
	next := map[messages.Lane]*Row{} // the lane's next decision, seen from behind
	for i := len(e.Stored) - 1; i >= 0; i-- {
		s := e.Stored[i]
		if s.row != nil {
			next[s.Lane] = s.row
			continue
		}
		before := j.decided[s.Organization.Token+" "+s.Key()]
		switch {
		case s.Malformed != nil || before == nil || before.Digest != s.Digest() || !j.model.repeats(s.Intent):
			if !s.Gone {
				j.say(about(Lost, s, "it has no outcome"))
			}
			continue
		case before.Lane == s.Lane && before.StreamCreated == s.StreamCreated.UnixNano() && before.MessageTime > s.Time.UnixNano() && !s.Gone:
			j.say(about(Disorder, s, "it has no outcome, while message %d, which repeats it, has one", before.Sequence))
			continue
		case s.Gone:
			// it may as well have been destroyed before its turn
		case next[s.Lane] != nil && next[s.Lane].Transaction < before.Transaction && before.Lane != s.Lane && e.WentBack.IsZero():
			j.say(about(Disorder, s, "it was passed over before the message that it repeats, %d of lane %s, was decided", before.Sequence, before.Lane))
			continue
		}
		s.repeat = true
		j.tally.Repeats++
	}
	lost := map[log]*Stored{}
	for _, s := range e.Stored {
		l := log{s.Lane, s.StreamCreated.UnixNano()}
		switch {
		case !s.Gone:
		case s.row == nil && !s.repeat && lost[l] == nil:
			lost[l] = s
		case s.row != nil && lost[l] != nil && lost[l].Sequence < s.Sequence && !lost[l].Time.After(s.Time):
			j.say(about(Disorder, s, "it was decided, while message %d, which stood before it, was not when the stream was destroyed", lost[l].Sequence))
		}
	}
}

func verdictOf(o *messages.Outcome) verdict {
	switch {
	case o.Failure != nil:
		return verdict{code: string(o.Failure.Code)}
	case o.Changed:
		return verdict{"connected", o.ConnectionVersion}
	}
	return verdict{"unchanged", o.ConnectionVersion}
}

func (v verdict) String() string {
	if v.version == 0 {
		return v.code
	}
	return fmt.Sprintf("%s, version %d", v.code, v.version)
}

// outcomeText is an outcome with all that belongs to it.
func outcomeText(o *messages.Outcome) string {
	text := fmt.Sprintf("%s, provider %q", verdictOf(o), o.Provider)
	if o.Failure == nil {
		return fmt.Sprintf("%s, since %d", text, o.ConnectedAt.UnixMicro())
	}
	details := o.Failure.Details
	if details == nil {
		details = map[string]string{}
	}
	return fmt.Sprintf("%s, field %q, details %v (%s)", text, o.Failure.Field, maps.Clone(details), o.Failure.Message)
}
