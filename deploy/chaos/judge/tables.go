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
		case due && (letter.Code != string(code) || letter.Token != s.Organization.Token || !bytes.Equal(letter.Body, s.Body)):
			j.say(about(DeadLetter, s, "its dead letter is not of it: code %s, organization %s, %s", letter.Code, letter.Token, count(len(letter.Body), "byte")))
		}
		if due && letter != nil && bytes.Contains(letter.Headers, []byte(load.Credential)) {
			j.say(about(DeadLetter, s, "its dead letter has kept a credential: %s", letter.Headers))
		}
		if due {
			j.tally.DeadLetters++
		}
	}
	for _, l := range letters {
		j.say(concerns(DeadLetter, l.Lane, l.Token, "", l.Sequence, "a dead letter is of a message that was not decided"))
	}
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
