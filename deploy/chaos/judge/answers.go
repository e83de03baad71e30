package judge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"connect-provider/messages"
)

// checkAnswers holds what gateways have answered against the truth:
//
//   - 200 is a connection as asked for, and a failure's code is the command's, or
//     says rightly that its id was used for something else;
//   - 202 with the code undecided has an outcome by now;
//   - of a command whose every request before was answered with 503 nothing is in
//     the stream;
//   - each request got an answer, unless its connection broke.
//
// After the database went back an outcome may have become otherwise, and what an
// attack destroyed may have none.
func (j *Judge) checkAnswers(e *Evidence) {
	type command struct{ token, body string }
	maybe := map[command]time.Time{} // since when it may have been accepted
	for _, a := range e.Answers {
		j.tally.Answered++
		key := command{a.Token, string(a.Body)}
		if since, ok := maybe[key]; a.Status != http.StatusServiceUnavailable && (!ok || a.Began.Before(since)) {
			maybe[key] = a.Began
		}
	}
	stored, gone := map[command][]*Stored{}, map[command]bool{}
	for _, s := range e.Stored {
		key := command{s.Organization.Token, string(s.Body)}
		stored[key] = append(stored[key], s)
		gone[key] = gone[key] || s.Gone
	}
	for _, a := range e.Answers {
		key := command{a.Token, string(a.Body)}
		since, ok := maybe[key]
		if a.Status == http.StatusServiceUnavailable {
			early := slices.IndexFunc(stored[key], func(s *Stored) bool { return !ok || s.Time.Before(since) })
			if early >= 0 {
				j.misled(a, stored[key][early], "that nothing was accepted, and message %d is in the stream", stored[key][early].Sequence)
			}
			continue
		}
		j.checkAnswered(e, a, gone[key])
	}
}

// checkAnswered holds one answer against the outcome.
func (j *Judge) checkAnswered(e *Evidence, a Answered, destroyed bool) {
	row := j.Row(a.Token, a.ID)
	switch {
	case a.Hung:
		j.say(Finding{Kind: Unsettled, Token: a.Token, ID: a.ID, Text: fmt.Sprintf("%s gave no answer to the request of %s for command %s of %s",
			a.Gateway, a.Began.Format("15:04:05.000"), a.ID, a.Token)})
	case a.Status == 0, !e.WentBack.IsZero():
	case a.Status == http.StatusAccepted && a.Code == "acceptance_unknown":
	case a.Status == http.StatusAccepted && a.Code == "undecided":
		if row == nil && !destroyed {
			j.misled(a, nil, "that it was accepted, and it has no outcome")
		}
	case row == nil:
		j.misled(a, nil, "%d %s, and it has no outcome", a.Status, a.Code)
	default:
		if status, code := told(row, a); a.Status != status || a.Code != code {
			j.misled(a, nil, "%d %s, the truth is %d %s", a.Status, a.Code, status, code)
		} else if want := connectedAnswer(a); status == http.StatusOK && string(a.Answer) != want {
			j.misled(a, nil, "%s, it should be %s", a.Answer, want)
		}
	}
}

// told is what a gateway has to answer where the command's id has a row.
func told(row *Row, a Answered) (status int, code string) {
	failure := row.Outcome.Failure
	if asked := a.received(); asked.Digest() != row.Digest {
		failure = &messages.Failure{Code: messages.CommandIDReused}
	}
	if failure == nil {
		return http.StatusOK, ""
	}
	return failure.Code.LegacyStatus(), string(failure.Code)
}

// received is the command that the request makes.
func (a *Answered) received() messages.Received {
	return messages.Decode(messages.Message{Subject: "telephony.commands.0." + a.Token + "." + messages.VerbConnectProvider, Body: a.Body})
}

// connectedAnswer is the platform's answer to a request that was connected.
func connectedAnswer(a Answered) string {
	asked := a.received()
	type data struct {
		Message     string `json:"message"`
		BridgeSlug  string `json:"bridge_slug"`
		PhoneNumber string `json:"phone_number"`
	}
	text, err := json.Marshal(struct {
		StatusCode int    `json:"status_code"`
		Message    string `json:"message"`
		Data       data   `json:"data"`
	}{http.StatusOK, "Provider connected to bridge successfully.", data{"Provider connected successfully", asked.Command.BridgeSlug, asked.Command.PhoneNumber}})
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(text)
}

func (j *Judge) misled(a Answered, s *Stored, format string, args ...any) {
	f := Finding{Kind: Misled, Token: a.Token, ID: a.ID,
		Text: fmt.Sprintf("who asked %s at %s to make command %s of %s was told at %s ", a.Gateway, a.Began.Format("15:04:05.000"), a.ID, a.Token, a.At.Format("15:04:05.000")) +
			fmt.Sprintf(format, args...)}
	if row := j.Row(a.Token, a.ID); row != nil {
		f.Lane, f.Sequence = row.Lane.String(), row.Sequence
	}
	if s != nil {
		f.Lane, f.Sequence = s.Lane.String(), s.Sequence
	}
	j.say(f)
}
