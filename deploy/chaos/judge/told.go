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
// answered before the database went back may have become otherwise.
func (j *Judge) checkAnswer(e *Evidence, a Asked) {
	j.tally.Asked++
	if !e.WentBack.IsZero() {
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
	case a.Outcome != nil && (a.Outcome.Sequence != row.Sequence || a.Outcome.Lane != row.Lane || a.Outcome.Generation != row.Generation || codeOf(a.Outcome) != verdictOf(&row.Outcome)):
		misled("%s by message %d of lane %s, the truth is %s by message %d of lane %s", codeOf(a.Outcome), a.Outcome.Sequence, a.Outcome.Lane,
			verdictOf(&row.Outcome), row.Sequence, row.Lane)
	case a.Never && row != nil && row.Sequence == a.Sequence && row.Lane.Class == a.Class && row.Generation <= a.Generation:
		// a cursor of the generation before says nothing of the new one's messages
		misled("that nothing will come of it, and message %d, which the asker had sent, has the outcome %s", a.Sequence, verdictOf(&row.Outcome))
	}
}

func codeOf(d *messages.Decided) verdict {
	switch {
	case d.Data.Error != nil:
		return verdict{code: string(d.Data.Error.Code)}
	case d.Data.Changed:
		return verdict{"connected", d.Data.ConnectionVersion}
	}
	return verdict{"unchanged", d.Data.ConnectionVersion}
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
