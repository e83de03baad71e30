package main

import (
	"bytes"
	"encoding/json"
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
	switch {
	case a.event == nil:
		outcome, code = "undecided", exitUndecided
	case a.event.Data.Error != nil:
		outcome, code = "failed", exitFailed
	}
	if p.json {
		if err := p.document(q, published{Outcome: outcome, Repeat: a.repeat, Event: plainJSON(a.body)}); err != nil {
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
	if a.event == nil {
		return fmt.Sprintf("no outcome within %s; the command will be decided, ask again with --id %s", wait, q.command.ID)
	}
	data := &a.event.Data
	took := fmt.Sprintf(" (%s)", a.took.Round(100*time.Microsecond))
	if a.repeat {
		took = " (decided before, nothing was done now)"
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
