package main

import (
	"fmt"
	"strings"
	"time"

	"connect-provider/cmd/internal/status"
	"connect-provider/messages"
)

// commandText is the history of a command for people.
type commandText struct{ *status.Command }

func (c commandText) text() string {
	var b strings.Builder
	sayPlainly(&b, "%s of %s: %s\n", c.CommandID, c.Organization, c.verdict())
	awayLine(&b, "the database", c.Database)
	awayLine(&b, "NATS", c.NATS)
	if a := c.Accepted; a != nil {
		sayPlainly(&b, "accepted   %s as sequence %d of %s (lane %s)\n", statusInstantOrDash(a.Time), a.Sequence, a.Stream, a.Lane)
	}
	if c.Decided != nil {
		sayPlainly(&b, "decided    %s %s\n", statusInstantOrDash(c.Decided.Time), decisionText(c.Decided))
	}
	if c.State == status.Unpublished {
		fmt.Fprintln(&b, "outbox     the event stands there, to be published")
	}
	for _, e := range c.Events {
		sayPlainly(&b, "event      %s sequence %d of %s, id %s, %s%s\n", statusInstant(e.Time), e.Sequence, messages.EventsStream, e.ID, outcomeOfEvent(&e), correctsText(&e))
	}
	c.waiting(&b)
	for _, l := range c.DeadLetters {
		letterLines(&b, &l)
	}
	if c.NATS.Answers && !(c.EventsSearched && c.WaitingSearched) {
		fmt.Fprintln(&b, "note       time ran out before all messages were read; --timeout gives more")
	}
	return b.String()
}

func (c commandText) verdict() string {
	switch c.State {
	case status.Published:
		return outcomeText(c.Decided)
	case status.Unpublished:
		return outcomeText(c.Decided) + ", the event still in the outbox"
	case status.DecidedOnly:
		if !c.NATS.Answers {
			return outcomeText(c.Decided) + "; whether the event is published is not known"
		}
		return outcomeText(c.Decided) + "; the event is not in " + messages.EventsStream + " (any more)"
	case status.NotDecided:
		return "not decided yet"
	case status.Unknown:
		return "unknown: never accepted under this id, or longer ago than the inbox remembers (30 days unless set)"
	}
	return "not known"
}

func outcomeText(d *status.Decided) string {
	if d.Code != nil {
		return d.Outcome + " (" + *d.Code + ")"
	}
	return d.Outcome
}

// decisionText tells an outcome with what it is about.
func decisionText(d *status.Decided) string {
	number := orDash(d.PhoneNumber)
	if d.Code != nil {
		return fmt.Sprintf("%s: %s (number %s, bridge %s)", *d.Code, orDash(d.Message), number, orDash(d.BridgeSlug))
	}
	text := fmt.Sprintf("connected %s to bridge %s", number, orDash(d.BridgeSlug))
	if d.Provider != nil && d.ProviderConfigID != nil {
		text += fmt.Sprintf(" through %s (configuration %d)", *d.Provider, *d.ProviderConfigID)
	}
	if d.ConnectionVersion != nil {
		text += fmt.Sprintf(", version %d", *d.ConnectionVersion)
	}
	if !d.Changed {
		text += ", as it was already"
	}
	return text
}

func outcomeOfEvent(e *status.Event) string {
	if e.Code != nil {
		return *e.Code
	}
	return status.Connected
}

func correctsText(e *status.Event) string {
	if e.Corrects == nil {
		return ""
	}
	return ", a correction of " + *e.Corrects
}

// waiting tells what a command that is not decided waits for.
func (c commandText) waiting(b *strings.Builder) {
	w := c.Waiting
	switch {
	case w == nil:
		return
	case w.Lane == nil:
		fmt.Fprintln(b, "stands     in its stream; whether it is decided only the database knows")
		return
	}
	ahead := "some"
	if w.Ahead != nil {
		ahead = count(int(*w.Ahead))
	}
	sayPlainly(b, "waits      with %s ahead of it in lane %s (owner %s, cursor %d)\n", ahead, w.Lane.Lane, orDash(w.Lane.Owner), w.Lane.Cursor)
	if text := laneNotes(w.Lane); text != "" {
		sayPlainly(b, "the lane   %s\n", text)
	}
	if w.Lane.Lease != status.LeaseHeld {
		fmt.Fprintln(b, "the lane   nobody works it")
	}
}

var letterRelations = map[status.Relation]string{
	status.Left:    "left by this command",
	status.Claimed: "of a message that claims this id",
	status.Origin:  "which this command repeats",
}

func letterLines(b *strings.Builder, l *status.DeadLetter) {
	sayPlainly(b, "dead letter %s, lane %s, sequence %d, died %s: %s: %s\n", letterRelations[l.Relation], l.Lane, l.Sequence, statusTime(l.DiedAt), l.Code, l.Error)
	if l.Redrives == 0 {
		return
	}
	as := "without an id"
	if l.RedrivenAs != nil && *l.RedrivenAs != "" {
		as = "as " + *l.RedrivenAs
	}
	outcome := "not decided"
	if l.RedrivenOutcome != nil {
		outcome = *l.RedrivenOutcome
	}
	sayPlainly(b, "  published again %s, the last time %s %s: %s\n", timesText(l.Redrives), statusTimeOrDash(l.RedrivenAt), as, outcome)
}

func timesText(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func awayLine(b *strings.Builder, name string, s status.Server) {
	if !s.Answers {
		sayPlainly(b, "away       %s can't be asked: %s\n", name, orDash(s.Error))
	}
}

// statusInstant writes a time in UTC, fine enough to tell what came first.
func statusInstant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func statusInstantOrDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return statusInstant(*t)
}

// phoneText is the history of a phone number for people.
type phoneText struct{ *status.Phone }

func (p phoneText) text() string {
	var b strings.Builder
	if !p.Database.Answers {
		sayPlainly(&b, "%s: not known\n", p.PhoneNumber)
		awayLine(&b, "the database", p.Database)
		return b.String()
	}
	sayPlainly(&b, "%s: %s\n", p.PhoneNumber, p.verdict())
	if c := p.Connection; c != nil {
		sayPlainly(&b, "connection  bridge %s of %s through %s (configuration %d), version %d since %s\n",
			c.BridgeSlug, c.Organization, c.Provider, c.ProviderConfigID, c.Version, statusTime(c.ConnectedAt))
	}
	p.platform(&b)
	whose := "of any organization"
	if p.Organization != nil {
		whose = "of " + *p.Organization
	}
	if len(p.Commands) == 0 {
		sayPlainly(&b, "commands    none %s that the inbox remembers\n", whose)
		return b.String()
	}
	sayPlainly(&b, "commands    %s %s, in order of decision:\n\n", count(len(p.Commands)), whose)
	if p.Cut {
		fmt.Fprintln(&b, "(there are older ones)")
	}
	t := columns(&b)
	fmt.Fprintln(t, "DECIDED\tORGANIZATION\tCOMMAND\tLANE\tSEQUENCE\tOUTCOME")
	for _, c := range p.Commands {
		id := "(no id of its own)"
		if c.CommandID != nil {
			id = *c.CommandID
		}
		sayPlainly(t, "%s\t%s\t%s\t%s\t%d\t%s\n", statusInstantOrDash(c.Decided.Time), c.Organization, id, c.Accepted.Lane, c.Accepted.Sequence, stepText(&c.Decided))
	}
	_ = t.Flush() // into memory
	return trimLines(b.String())
}

func (p phoneText) verdict() string {
	if p.Connection == nil {
		return "on no bridge"
	}
	return "on bridge " + p.Connection.BridgeSlug + " of " + p.Connection.Organization
}

func (p phoneText) platform(b *strings.Builder) {
	n := p.Platform
	if n == nil {
		fmt.Fprintln(b, "platform    knows no such number")
		return
	}
	provider := "a configuration that is gone"
	if n.Provider != nil && n.ConfigActive != nil {
		provider = *n.Provider + ", " + activeText(*n.ConfigActive)
	}
	sayPlainly(b, "platform    %s, linked to configuration %d (%s) of %s\n", activeText(n.Active), n.ProviderConfigID, provider, n.Organization)
}

func activeText(is bool) string {
	if is {
		return "active"
	}
	return "not active"
}

// stepText tells an outcome in a table's cell.
func stepText(d *status.Decided) string {
	if d.Code != nil {
		return *d.Code
	}
	text := "connected to " + orDash(d.BridgeSlug)
	if d.ProviderConfigID != nil {
		text += fmt.Sprintf(" through configuration %d", *d.ProviderConfigID)
	}
	if !d.Changed {
		text += ", as it was already"
	}
	return text
}
