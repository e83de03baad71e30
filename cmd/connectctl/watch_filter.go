package main

import (
	"slices"

	"connect-provider/messages"
)

// eventFilter says which events are asked for. What is empty filters nothing.
type eventFilter struct {
	organization string // its token
	failed       bool
	codes        []messages.Code
	number       string
	job          string // of the metadata
	class        messages.Class
	command      string
}

// bySubject reports whether the subject leaves any events out.
func (f eventFilter) bySubject() bool { return f.organization != "" || f.failed }

// subject is the filter as far as subjects can tell, for the server. They can't
// tell the class: a lane's letter is a part of a token.
func (f eventFilter) subject() string {
	organization, kind := "*", ">"
	if f.organization != "" {
		organization = f.organization
	}
	if f.failed {
		kind = string(messages.EventConnectFailed)
	}
	return "telephony.events.*." + organization + "." + kind
}

// takes reports whether an event is asked for. Of one that was not understood
// only what its subject says is known, so it is none of those for a certain
// command.
func (f eventFilter) takes(e *messages.Event, understood bool) bool {
	switch {
	case f.organization != "" && f.organization != e.Organization.Token,
		f.class != 0 && f.class != e.Lane.Class,
		f.failed && e.Type != messages.EventConnectFailed:
		return false
	case len(f.codes) == 0 && f.number == "" && f.job == "" && f.command == "":
		return true
	case !understood:
		return false
	}
	data := &e.Data
	return (len(f.codes) == 0 || data.Error != nil && slices.Contains(f.codes, data.Error.Code)) &&
		(f.number == "" || f.number == data.PhoneNumber) &&
		(f.job == "" || f.job == data.Metadata["job"]) &&
		(f.command == "" || f.command == e.CommandID || f.command == data.CommandID)
}
