package judge

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"connect-provider/deploy/chaos/load"
	"connect-provider/messages"
)

// checkTables holds connections, dead letters and outbox against the outcomes.
func (j *Judge) checkTables(e *Evidence, rows []*Stored) {
	j.checkConnections(e)
	j.checkLetters(e, rows)
	if e.Outbox != 0 {
		j.say(Finding{Kind: Unsettled, Text: "the outbox still holds " + count(e.Outbox, "event")})
	}
}

// checkConnections: a number is where its outcomes say, under the version that
// counts its changes.
func (j *Judge) checkConnections(e *Evidence) {
	for _, phone := range slices.Sorted(maps.Keys(j.model.numbers)) {
		want := j.model.numbers[phone]
		have, ok := e.Connections[phone]
		if !ok {
			j.say(Finding{Kind: Effect, Text: fmt.Sprintf("number %s has no connection, it should be on bridge %s of %s", phone, want.bridge, want.handle)})
			continue
		}
		if (modelled{have.Handle, have.Bridge, have.Configuration, have.Provider, have.Version}) != *want || !have.ConnectedAt.Equal(j.since[phone]) {
			j.say(Finding{Kind: Effect, Text: fmt.Sprintf("number %s has the connection %+v, it should be %+v, since %s", phone, have, *want, j.since[phone])})
		}
	}
	for _, phone := range slices.Sorted(maps.Keys(e.Connections)) {
		if j.model.numbers[phone] == nil {
			j.say(Finding{Kind: Effect, Text: fmt.Sprintf("number %s is connected, and no outcome says so: %+v", phone, e.Connections[phone])})
		}
	}
}

// checkLetters: what could not be understood, or broke its batch, has left its
// bytes, and nothing else has.
func (j *Judge) checkLetters(e *Evidence, rows []*Stored) {
	letters := make(map[place]*Letter, len(e.Letters))
	for i := range e.Letters {
		l := &e.Letters[i]
		letters[place{l.Lane.Class, l.StreamCreated, l.Sequence, l.MessageTime}] = l
	}
	for _, s := range rows {
		code := messages.Code("")
		if s.row.Outcome.Failure != nil {
			code = s.row.Outcome.Failure.Code
		}
		letter := letters[s.place()]
		delete(letters, s.place())
		due := code == messages.MalformedCommand || code == messages.InternalError
		switch {
		case due && letter == nil:
			j.say(about(DeadLetter, s, "it failed with %s and left no dead letter", code))
		case !due && letter != nil:
			j.say(about(DeadLetter, s, "it left a dead letter, which %s does not", verdictOf(&s.row.Outcome)))
		case due && (letter.Code != string(code) || letter.Token != s.Organization.Token || letter.Subject != s.Subject || !bytes.Equal(letter.Body, s.Body)):
			j.say(about(DeadLetter, s, "its dead letter is not of it: code %s, organization %s, subject %s, %s", letter.Code, letter.Token, letter.Subject, count(len(letter.Body), "byte")))
		}
		if due && letter != nil {
			j.checkLetterHeaders(s, letter)
		}
		if due {
			j.tally.DeadLetters++
		}
	}
	if j.letters += len(e.Letters); j.letters != e.AllLetters {
		j.say(Finding{Kind: DeadLetter, Text: fmt.Sprintf("there should be %s, and there are %d", count(j.letters, "dead letter"), e.AllLetters)})
	}
	for _, l := range letters {
		j.say(concerns(DeadLetter, l.Lane, l.Token, "", l.Sequence, "a dead letter is of a message that was not decided"))
	}
}

// checkLetterHeaders: all headers are kept but those with credentials.
func (j *Judge) checkLetterHeaders(s *Stored, letter *Letter) {
	if bytes.Contains(letter.Headers, []byte(load.Credential)) {
		j.say(about(DeadLetter, s, "its dead letter has kept a credential: %s", letter.Headers))
	}
	for name, values := range s.Header {
		if line := name + ": " + values[0] + "\r\n"; name != "Authorization" && !bytes.Contains(letter.Headers, []byte(line)) {
			j.say(about(DeadLetter, s, "its dead letter lacks the header %q", line))
		}
	}
}

// checkLanes: a lane's row names the last message that it has passed, and the
// last event that it has told. A new generation begins only where the stream was
// destroyed, or the database has missed that it was.
func (j *Judge) checkLanes(e *Evidence) {
	last, told := map[messages.Lane]*Stored{}, map[messages.Lane]*Published{}
	for _, s := range e.Stored {
		if !s.Gone {
			last[s.Lane] = s
		}
	}
	for _, p := range e.Events {
		if p.Unreadable == nil && !p.Gone {
			told[p.Event.Lane] = p
		}
	}
	for _, row := range e.Lanes {
		say := func(kind Kind, format string, args ...any) {
			j.say(Finding{Kind: kind, Lane: row.Lane.String(), Text: "the row of lane " + row.Lane.String() + " " + fmt.Sprintf(format, args...)})
		}
		before, known := j.reached[row.Lane]
		if known && before > 0 && row.Generation != before && !e.Destroyed[row.Lane.Class.Stream()] {
			say(Restless, "has come from generation %d to %d, and nothing was done to its stream", before, row.Generation)
		}
		j.reached[row.Lane] = row.Generation
		if s := last[row.Lane]; s != nil && (row.Cursor != s.Sequence || row.CursorTime != s.Time.UnixNano() || row.StreamCreated != s.StreamCreated.UnixNano()) {
			say(Disorder, "stands at message %d of %d in the stream made at %d; the last one is message %d of %d in that made at %d",
				row.Cursor, row.CursorTime, row.StreamCreated, s.Sequence, s.Time.UnixNano(), s.StreamCreated.UnixNano())
		}
		if p := told[row.Lane]; p != nil && row.LastEvent != p.Sequence {
			say(Disorder, "knows of event %d as its last, which is %d", row.LastEvent, p.Sequence)
		}
	}
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
