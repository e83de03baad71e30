package judge

import (
	"bytes"
	"fmt"

	"connect-provider/messages"
)

// checkTold: what was acknowledged is in the stream, and what was answered was
// true.
func (j *Judge) checkTold(e *Evidence) {
	type at struct {
		class    messages.Class
		sequence uint64
	}
	stored := make(map[at][]*Stored, len(e.Stored))
	for _, s := range e.Stored {
		key := at{s.Class, s.Sequence}
		stored[key] = append(stored[key], s)
	}
	for _, t := range e.Told {
		j.tally.Acknowledged++
		found := false
		for _, s := range stored[at{t.Class, t.Sequence}] {
			found = found || bytes.Equal(s.Body, t.Body)
		}
		if !found {
			j.say(Finding{Kind: Lost, Sequence: t.Sequence, Text: fmt.Sprintf("%s was acknowledged as message %d of %s at %s and is not there",
				t.Subject, t.Sequence, t.Class.Stream(), t.At.Format("15:04:05.000"))})
		}
	}
	for _, a := range e.Asked {
		j.checkAnswer(e, a)
	}
}

// checkAnswer holds an answer about a command against its outcome. What was
// asked before the database had gone back may have become otherwise.
func (j *Judge) checkAnswer(e *Evidence, a Asked) {
	j.tally.Asked++
	if !e.WentBack.IsZero() && a.At.Before(e.CameBack) {
		return
	}
	row := j.Row(a.Token, a.ID)
	misled := func(format string, args ...any) {
		lane := ""
		if row != nil {
			lane = row.Lane.String()
		}
		j.say(Finding{Kind: Misled, Lane: lane, Token: a.Token, ID: a.ID, Sequence: a.Sequence,
			Text: fmt.Sprintf("who asked at %s for command %s of %s was told ", a.At.Format("15:04:05.000"), a.ID, a.Token) + fmt.Sprintf(format, args...)})
	}
	switch {
	case a.Outcome != nil && row == nil:
		misled("an outcome that is not in the inbox")
	case a.Outcome != nil && (a.Outcome.Sequence != row.Sequence || a.Outcome.Lane != row.Lane || a.Outcome.Generation != row.Generation):
		misled("an outcome of message %d of lane %s, the truth is that of message %d of lane %s", a.Outcome.Sequence, a.Outcome.Lane, row.Sequence, row.Lane)
	case a.Outcome != nil && answerText(&a.Outcome.Data) != answerText(row.data()):
		misled("%s, the truth is %s", answerText(&a.Outcome.Data), answerText(row.data()))
	case a.Never && row != nil && row.Sequence == a.Sequence && row.Lane.Class == a.Class && row.Generation <= a.Generation:
		// a cursor of the generation before says nothing of the new one's messages
		misled("that nothing will come of it, and message %d, which the asker had sent, has the outcome %s", a.Sequence, verdictOf(&row.Outcome))
	}
}

// data is what a row tells who asks.
func (r *Row) data() *messages.EventData {
	d := &messages.EventData{BridgeSlug: r.Command.BridgeSlug, PhoneNumber: r.Command.PhoneNumber, Provider: r.Outcome.Provider, Changed: r.Outcome.Changed,
		ConnectionVersion: r.Outcome.ConnectionVersion, ConnectedAt: r.Outcome.ConnectedAt, Error: r.Outcome.Failure}
	if r.Command.ProviderConfigID != 0 {
		d.ProviderConfigID = &r.Command.ProviderConfigID
	}
	return d
}

// answerText is all that an answer says of an outcome.
func answerText(d *messages.EventData) string {
	configuration := int64(0)
	if d.ProviderConfigID != nil {
		configuration = *d.ProviderConfigID
	}
	o := messages.Outcome{Failure: d.Error, Provider: d.Provider, Changed: d.Changed, ConnectionVersion: d.ConnectionVersion, ConnectedAt: d.ConnectedAt}
	return fmt.Sprintf("%s on bridge %q through %d: %s", d.PhoneNumber, d.BridgeSlug, configuration, outcomeText(&o))
}

// checkPeace: a lane stays with an owner that lives and works.
func (j *Judge) checkPeace(e *Evidence) {
	if !e.Steady {
		return
	}
	for lane, rose := range e.EpochsRose {
		if rose != 0 {
			j.say(Finding{Kind: Restless, Lane: lane, Text: fmt.Sprintf("lane %s changed hands %d times, and nothing was done to the workers", lane, rose)})
		}
	}
}
