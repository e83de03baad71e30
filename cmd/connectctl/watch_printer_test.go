package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"connect-provider/messages"
)

// hostile does what a terminal should not do for a stranger.
const hostile = "\x1b[2J\x1b]0;owned\a\u009b31m\u202e\r\n10:00:00.000 connected"

// shownEvents has an event of every kind, decided a second after another.
func shownEvents(t *testing.T) []watched {
	t.Helper()
	at := time.Date(2026, 11, 23, 10, 0, 0, 123_456_000, time.UTC)
	corrected := uuid.MustParse("02548ef8-27e4-5208-885d-83d853462ef9")
	acme, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		t.Fatal(err)
	}
	dotted, err := messages.OrganizationFromHandle("example.com")
	if err != nil {
		t.Fatal(err)
	}
	connected := func(o messages.Organization, id, bridge, number string) messages.Event {
		return messages.Event{
			Organization: o, Type: messages.EventConnected, CommandID: id,
			Data: messages.EventData{CommandID: id, BridgeSlug: bridge, Provider: "twilio", PhoneNumber: number, Changed: true},
		}
	}
	failed := func(e messages.Event, code messages.Code, message string) messages.Event {
		e.Type, e.Data.Error = messages.EventConnectFailed, &messages.Failure{Code: code, Message: message}
		return e
	}
	events := []watched{
		{event: connected(acme, "order-7731-line-4", "sales-bridge-001", "+1234567890")},
		{event: connected(dotted, "2f0f6a3e-4b52-4d0a-9d28-5f3a7a3c9b11", "front-desk", "+4915112345678")},
		{event: failed(connected(acme, "order-7731-line-5", "support-bridge-001", "+1234567890"), messages.PhoneNumberInUse,
			"the number is on another bridge of the organization; take it off there first")},
		{event: failed(connected(messages.Organization{Token: "%61cme"}, "", "", "0049 123"), messages.MalformedCommand, "unknown member")},
		{event: connected(acme, "again", "sales-bridge-001", "+1234567890")},
		{event: failed(connected(acme, "order-7731-line-4", "sales-bridge-001", "+1234567890"), messages.BridgeNotFound, "no such bridge")},
		{event: messages.Event{Organization: acme, Type: "provider-disconnected"}, problem: fmt.Errorf("%w", messages.ErrUnknownEventType)},
		{event: messages.Event{Organization: acme, Type: messages.EventConnected}, problem: fmt.Errorf("cannot read +1234567890")},
		{event: failed(connected(acme, "id "+hostile, "bridge "+hostile, "+"+hostile), "code"+hostile, "message "+hostile)},
		{event: messages.Event{Organization: acme, Type: "type " + hostile}, problem: fmt.Errorf("%w", messages.ErrUnknownEventType)},
		{event: connected(acme, strings.Repeat("long", 1000), "b", "+1234567890")},
	}
	events[4].event.Data.Changed = false
	events[5].event.Corrects = &corrected
	for i := range events {
		events[i].at.Sequence.Stream = uint64(i + 1)
		events[i].event.Time = at.Add(time.Duration(i) * time.Second)
		events[i].at.Timestamp = events[i].event.Time.Add(time.Millisecond)
	}
	return events
}

// watched is an event as it is printed.
type watched struct {
	event   messages.Event
	at      jetstream.MsgMetadata
	problem error
}

func TestWatchedEventsOnATerminal(t *testing.T) {
	t.Parallel()
	for file, p := range map[string]eventPrinter{
		"pipe":   {},
		"80":     {width: func() int { return 80 }},
		"120":    {width: func() int { return 120 }, dated: true},
		"colour": {width: func() int { return 80 }, colour: true},
		"reveal": {reveal: true},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			p.to, p.logger, p.zone = &out, zap.NewNop(), time.FixedZone("", 3600)
			if p.width == nil {
				p.width = func() int { return 0 }
			}
			events := shownEvents(t)
			for _, e := range events {
				if err := p.print(&e.event, nil, &e.at, e.problem); err != nil {
					t.Fatal(err)
				}
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if width := p.width(); width == 0 && len(lines) != len(events) {
				t.Errorf("%d events on %d lines", len(events), len(lines))
			} else if width > 0 {
				for _, line := range lines[:6] {
					if columns := utf8.RuneCountInString(colours.ReplaceAllString(line, "")); columns > width {
						t.Errorf("%d columns: %s", columns, line)
					}
				}
			}
			for _, forbidden := range []string{"\r", "\a", "\u009b", "\u202e", "\x1b]", "\x1b[2J"} {
				if strings.Contains(out.String(), forbidden) {
					t.Errorf("%q gets to the terminal", forbidden)
				}
			}
			for _, number := range []string{"34567890", "0049 123", "15112345"} {
				if !p.reveal && strings.Contains(out.String(), number) {
					t.Errorf("%s is not masked", number)
				}
			}
			golden(t, filepath.Join("watch", file+".golden"), out.String())
		})
	}
}
