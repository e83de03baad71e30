package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

// The demo ends well only if nothing is wrong; here everything is.
func TestTheAuditFindsEveryBrokenPromise(t *testing.T) {
	t.Parallel()
	acme, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		t.Fatal(err)
	}
	kept := func() *ledger {
		l := newLedger()
		for sequence, outcome := range []string{outcomeConnected, outcomeConnected, outcomeRepeat, string(messages.BridgeNotFound)} {
			l.add(place{messages.Interactive, uint64(sequence + 1)}, entry{token: "acme", id: "id", outcome: outcome})
		}
		return l
	}
	connected := func(sequence uint64) messages.Event { return eventOf(acme, sequence, nil) }
	failed := eventOf(acme, 4, &messages.Failure{Code: messages.BridgeNotFound})
	stranger := connected(4)
	stranger.Data.CommandID = "another"
	for name, test := range map[string]struct {
		events []messages.Event
		want   string
	}{
		"all kept":       {[]messages.Event{connected(1), connected(2), failed}, ""},
		"missing":        {[]messages.Event{connected(1), failed}, "command 2 of TELEPHONY_COMMANDS has no outcome"},
		"twice":          {[]messages.Event{connected(1), connected(2), connected(2), failed}, "more than one outcome"},
		"out of order":   {[]messages.Event{connected(2), connected(1), failed}, "comes too late"},
		"repeat decided": {[]messages.Event{connected(1), connected(2), connected(3), failed}, "repeats a decided one"},
		"unknown":        {[]messages.Event{connected(1), connected(2), failed, connected(9)}, "nobody published"},
		"wrong outcome":  {[]messages.Event{connected(1), connected(2), connected(4)}, "should be bridge_not_found and is connected"},
		"wrong command":  {[]messages.Event{connected(1), connected(2), stranger}, "another organization or command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := kept().audit(t.Context(), storedEvents(t, test.events))
			if err != nil {
				t.Fatal(err)
			}
			switch problems := strings.Join(found.problems, "\n"); {
			case test.want == "" && found.verdict() != nil:
				t.Errorf("found %s", problems)
			case test.want != "":
				contains(t, problems, test.want)
				if found.verdict() == nil {
					t.Error("the verdict is good")
				}
			}
		})
	}
}

func eventOf(o messages.Organization, sequence uint64, failure *messages.Failure) messages.Event {
	e := messages.Event{
		ID: messages.EventID(o.Token, "id"), Lane: messages.Lane{Class: messages.Interactive}, Organization: o,
		Type: messages.EventConnected, Time: time.Now(), CommandID: "id", Sequence: sequence, Generation: 1,
		Data: messages.EventData{CommandID: "id", OrgHandle: o.Handle, Error: failure},
	}
	if failure != nil {
		e.Type = messages.EventConnectFailed
	}
	return e
}

// storedEvents puts events into a stream of their own.
func storedEvents(t *testing.T, events []messages.Event) jetstream.JetStream {
	t.Helper()
	js := withStreams(t, systemtest.NATS(t).URL(), devStreams)
	for _, event := range events {
		body, err := event.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), event.MessageSubject(), body); err != nil {
			t.Fatal(err)
		}
	}
	return js
}

func withStreams(t *testing.T, url string, options messages.StreamOptions) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := worker.EnsureStreams(context.WithoutCancel(t.Context()), js, options, false); err != nil {
		t.Fatal(err)
	}
	return js
}
