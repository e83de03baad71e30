package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

// printer tells what became of a published command, to people or to programs.
type printer struct {
	to     io.Writer
	json   bool
	reveal bool
}

// published is the JSON document that publish prints.
type published struct {
	CommandID string `json:"command_id"`
	Stream    string `json:"stream"`
	Sequence  uint64 `json:"sequence"`
	// Outcome is "connected", "failed" or "undecided", absent without --wait.
	Outcome string `json:"outcome,omitempty"`
	// Repeat says that the id was decided before and nothing was done now.
	Repeat bool            `json:"repeat,omitempty"`
	Event  json.RawMessage `json:"event,omitempty"`
	// Code is the failure code, where it is known without an event.
	Code messages.Code `json:"code,omitempty"`
	// Decided is what the workers remember, where there is no event: of a
	// repeat, and of a reused id, the earlier outcome.
	Decided json.RawMessage `json:"decided,omitempty"`
	// Lane says how far the lane of an undecided command has come.
	Lane json.RawMessage `json:"lane,omitempty"`
}

// accepted tells the stream's acknowledgement. In JSON it is part of one
// document, which is printed when nothing more is to come.
func (p printer) accepted(q question, last bool) error {
	if !p.json {
		_, err := fmt.Fprintf(p.to, "accepted   command %s as sequence %d of %s\n", q.command.ID, q.sequence, q.class.Stream())
		return err
	}
	if !last {
		return nil
	}
	return p.document(q, published{})
}

// answer tells the outcome and returns the error that ends the process with its
// code.
func (p printer) answer(q question, a answer, wait time.Duration) error {
	outcome, code := "connected", program.ExitOK
	data := a.data()
	switch {
	case data == nil:
		outcome, code = "undecided", exitUndecided
	case a.reused, data.Error != nil:
		outcome, code = "failed", exitFailed
	}
	if p.json {
		document := published{Outcome: outcome, Repeat: a.repeat, Event: plainJSON(a.body)}
		var err error
		if a.reused {
			document.Code = messages.CommandIDReused
		}
		switch {
		case data == nil && a.lane != nil:
			document.Lane, err = json.Marshal(a.lane)
		case a.event == nil && data != nil:
			document.Decided, err = json.Marshal(a.decided)
		}
		if err := errors.Join(err, p.document(q, document)); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(p.to, "%-10s %s\n", outcome, program.Plain(p.sentence(q, a, wait))); err != nil {
		return err
	}
	if code != program.ExitOK {
		return program.Quiet(code)
	}
	return nil
}

func (p printer) sentence(q question, a answer, wait time.Duration) string {
	data := a.data()
	if data == nil {
		return fmt.Sprintf("no outcome within %s: %s", wait, undecided(q, a))
	}
	if a.reused {
		return fmt.Sprintf("%s: %s is the id of an earlier command with other content; send this one under an id of its own", messages.CommandIDReused, q.command.ID)
	}
	took := fmt.Sprintf(" (%s)", a.took.Round(100*time.Microsecond))
	switch {
	case a.repeat:
		took = " (decided before, nothing was done now)"
	case a.event == nil && !q.unread:
		took = " (decided; its event has not come yet)"
	}
	if data.Error != nil {
		return data.Error.Error() + took
	}
	number := data.PhoneNumber
	if !p.reveal {
		number = messages.MaskPhoneNumber(number)
	}
	unchanged := ""
	if !data.Changed {
		unchanged = ", as it was already"
	}
	return fmt.Sprintf("%s to bridge %s through %s (configuration %d)%s%s",
		number, data.BridgeSlug, data.Provider, q.command.ProviderConfigID, unchanged, took)
}

// undecided tells what is known of a command without an outcome, and what to do.
func undecided(q question, a answer) string {
	switch id := q.command.ID; {
	case a.lane == nil:
		return fmt.Sprintf("whether the id was decided before is not known, since no worker tells (%v); the command will be decided, ask again with --id %s", a.unasked, id)
	case a.passed:
		return fmt.Sprintf("lane %s stands at %d and has passed the command, %d; if its event does not come, the id was used before with other content or the stream has lost the command: ask again with --id %s",
			a.lane.Lane, a.lane.Cursor, q.sequence, id)
	default:
		return fmt.Sprintf("not decided yet (lane %s stands at %d, the command is %d); it will be, ask again with --id %s", a.lane.Lane, a.lane.Cursor, q.sequence, id)
	}
}

func (p printer) document(q question, d published) error {
	d.CommandID, d.Stream, d.Sequence = q.command.ID, q.class.Stream(), q.sequence
	document, err := json.MarshalIndent(d, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(p.to, "%s\n", document)
	}
	return err
}

// plainJSON returns an event's document on one line and without what a terminal
// would obey; it is the same document. What is no JSON document is nil.
func plainJSON(body []byte) []byte {
	var line bytes.Buffer
	if json.Compact(&line, body) != nil {
		return nil
	}
	return []byte(program.Plain(line.String()))
}
