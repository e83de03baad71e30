package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

// eventPrinter prints events, each on a line of its own. On a terminal that is
// too narrow a line goes on, indented, in the next.
type eventPrinter struct {
	to     io.Writer
	logger *zap.Logger
	json   bool
	reveal bool
	dated  bool // lines have the day
	colour bool
	zone   *time.Location
	width  func() int // of the terminal, 0 if there is none
	// columns are as wide as their widest content so far, within limits.
	columns [4]int
}

// mostWidth limits how wide the columns get: organization, phone number, bridge,
// provider.
var mostWidth = [4]int{16, 17, 24, 12}

// longest is how much is shown of a text that others wrote.
const longest = 300

func newEventPrinter(p process, json, reveal, dated bool) *eventPrinter {
	width := func() int { return program.TerminalWidth(p.stdout) }
	return &eventPrinter{
		to: p.stdout, logger: p.logger, json: json, reveal: reveal, dated: dated, zone: time.Local, width: width,
		colour: width() > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
}

// print prints an event. If it was not understood, problem says why.
func (p *eventPrinter) print(e *messages.Event, body []byte, at *jetstream.MsgMetadata, problem error) error {
	if !p.json {
		_, err := fmt.Fprintln(p.to, p.line(e, at, problem))
		return err
	}
	document := plainJSON(body)
	if document == nil {
		p.logger.Warn("this event is no JSON document and is not printed", zap.Uint64("event", at.Sequence.Stream))
		return nil
	}
	_, err := fmt.Fprintf(p.to, "%s\n", document)
	return err
}

const (
	green  = "32"
	red    = "31"
	yellow = "33"
)

// line tells an event to people.
func (p *eventPrinter) line(e *messages.Event, at *jetstream.MsgMetadata, problem error) string {
	outcome, colour := "connected", green
	cells := [4]string{cmp.Or(e.Organization.Handle, e.Organization.Token)}
	when := e.Time
	var more []string
	switch {
	case problem == nil:
		cells[1], cells[2], cells[3] = p.number(e.Data.PhoneNumber), e.Data.BridgeSlug, e.Data.Provider
		more = remarks(e)
		if e.Data.Error != nil {
			outcome, colour = "failed", red
		}
	case errors.Is(problem, messages.ErrUnknownEventType):
		outcome, colour, when = string(e.Type), yellow, at.Timestamp
		more = []string{"of a type that this version does not know; --json shows it"}
	default:
		outcome, colour, when = "garbled", yellow, at.Timestamp
		more = []string{fmt.Sprintf("event %d of %s is not understood; --json shows it", at.Sequence.Stream, messages.EventsStream)}
	}
	layout := "15:04:05.000"
	if p.dated {
		layout = "01-02 " + layout
	}
	l := flow{width: p.width(), indent: len(layout) + 1}
	l.add(when.In(p.zone).Format(layout), len(layout))
	l.add(p.paint(shown(outcome), colour), len("connected"))
	for i, cell := range cells {
		cell = shown(cmp.Or(cell, "-"))
		p.columns[i] = max(p.columns[i], min(utf8.RuneCountInString(cell), mostWidth[i]))
		l.add(cell, p.columns[i])
	}
	for _, remark := range more {
		for word := range strings.FieldsSeq(shown(remark)) {
			l.add(word, 0)
		}
	}
	return l.String()
}

// remarks are what an event tells beside its columns: the command's id, the
// reason, and what is unusual.
func remarks(e *messages.Event) []string {
	remarks := []string{cmp.Or(e.CommandID, e.Data.CommandID, "-")}
	if e.Data.Error != nil {
		remarks = append(remarks, string(e.Data.Error.Code)+":", e.Data.Error.Message)
	} else if !e.Data.Changed {
		remarks = append(remarks, "(as it was already)")
	}
	if e.Corrects != nil {
		remarks = append(remarks, "(corrects event "+e.Corrects.String()+")")
	}
	return remarks
}

func (p *eventPrinter) number(given string) string {
	if p.reveal || given == "" {
		return given
	}
	return messages.MaskPhoneNumber(given)
}

func (p *eventPrinter) paint(text, colour string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// shown returns of a text that others wrote what may be shown.
func shown(text string) string {
	text = program.Plain(text)
	if utf8.RuneCountInString(text) > longest {
		text = string([]rune(text)[:longest-1]) + "…"
	}
	return text
}
