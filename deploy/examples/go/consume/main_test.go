package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }

// Three outcomes, a stop, a fourth, and a correction of the first: each is told
// once, and the file knows what counts in the end.
func TestResumesAndTakesCorrections(t *testing.T) {
	t.Parallel()
	server := systemtest.NATS(t)
	js := eventsStream(t, server)
	path := filepath.Join(t.TempDir(), "outcomes.jsonl")
	first := publish(t, js, connected("a", 1))
	publish(t, js, failed("b", 2))
	publish(t, js, connected("c", 3))

	c := start(t, server, path)
	c.awaitLines("command=a", "command=b", "command=c")
	c.stop()
	publish(t, js, failed("d", 4))
	publish(t, js, failed("a", 1).Correct(first))

	c = start(t, server, path)
	c.awaitLines("command=d", "corrects an earlier outcome")
	c.stop()
	if lines := c.lines(); len(lines) != 3 || lines[2] != "4 outcomes: 1 connected, 3 failed" {
		t.Errorf("after the restart it told:\n%s", strings.Join(lines, "\n"))
	}
}

// A crash between handling and acknowledging has the event delivered again.
func TestPassesOverWhatWasHandled(t *testing.T) {
	t.Parallel()
	server := systemtest.NATS(t)
	js := eventsStream(t, server)
	path := filepath.Join(t.TempDir(), "outcomes.jsonl")
	handled := publish(t, js, connected("a", 1))
	publish(t, js, connected("b", 2))
	o, err := openOutcomes(path)
	if err != nil {
		t.Fatal(err)
	}
	if news, err := o.handle(handled); err != nil || !news {
		t.Fatalf("handle: %t, %v", news, err)
	}
	if _, err := o.file.WriteString(`{"event_id":"unfinis`); err != nil {
		t.Fatal(err)
	}
	o.close()

	c := start(t, server, path)
	c.awaitLines("command=b")
	c.stop()
	if lines := c.lines(); len(lines) != 2 || lines[1] != "2 outcomes: 2 connected, 0 failed" {
		t.Errorf("it told:\n%s", strings.Join(lines, "\n"))
	}
}

// An event of a verb to come is passed over; one that can't be read stops the
// program and stays unacknowledged.
func TestUnknownAndUnreadableEvents(t *testing.T) {
	t.Parallel()
	server := systemtest.NATS(t)
	js := eventsStream(t, server)
	for _, body := range []string{`{"specversion":"1.0","type":"telephony.provider.disconnected.v1"}`, `broken`} {
		if _, err := js.Publish(t.Context(), "telephony.events.c1.acme.provider-disconnected", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := run(ctx, arguments(server, filepath.Join(t.TempDir(), "outcomes.jsonl")), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "telephony.events.c1.acme.provider-disconnected") {
		t.Fatalf("run: %v, want the unreadable event's subject", err)
	}
	consumer, err := js.Consumer(t.Context(), messages.EventsStream, "outcomes-go")
	if err != nil {
		t.Fatal(err)
	}
	systemtest.Eventually(t, "the first event's acknowledgement", func() error {
		info, err := consumer.Info(t.Context())
		if err == nil && info.AckFloor.Stream != 1 {
			err = errors.New("not there")
		}
		return err
	})
}

// eventsStream creates the events stream. What workers publish is published by
// the tests here; the example knows nothing of workers.
func eventsStream(t *testing.T, server *systemtest.NATSServer) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), messages.EventsStreamConfig(messages.StreamOptions{})); err != nil {
		t.Fatal(err)
	}
	return js
}

func connected(id string, sequence uint64) messages.Event {
	organization, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		panic(err)
	}
	return messages.Event{
		ID: messages.EventID(organization.Token, id), Lane: messages.Lane{Class: messages.Interactive, Number: 15}, Organization: organization,
		Type: messages.EventConnected, Subject: "sales-bridge-001", Time: time.Now(), CommandID: id, Sequence: sequence, Generation: 1,
		Data: messages.EventData{CommandID: id, OrgHandle: "acme", BridgeSlug: "sales-bridge-001", ConnectedAt: time.Now()},
	}
}

func failed(id string, sequence uint64) messages.Event {
	event := connected(id, sequence)
	event.Type = messages.EventConnectFailed
	event.Data.Error = &messages.Failure{Code: messages.BridgeNotFound, Field: "bridge_slug", Message: "there is no such bridge"}
	return event
}

func publish(t *testing.T, js jetstream.JetStream, event messages.Event) messages.Event {
	t.Helper()
	body, err := event.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), event.MessageSubject(), body); err != nil {
		t.Fatal(err)
	}
	return event
}

// consumer is the example at work.
type consumer struct {
	t    *testing.T
	stop func()
	mu   sync.Mutex
	told bytes.Buffer
}

func arguments(server *systemtest.NATSServer, path string) []string {
	return []string{"--server", server.URL(), "--outcomes", path}
}

func start(t *testing.T, server *systemtest.NATSServer, path string) *consumer {
	t.Helper()
	c := &consumer{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, arguments(server, path), c) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(c.stop)
	return c
}

func (c *consumer) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told.Write(b)
}

func (c *consumer) lines() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Split(strings.TrimSpace(c.told.String()), "\n")
}

// awaitLines waits for lines that contain the texts, in this order, one each.
func (c *consumer) awaitLines(texts ...string) {
	c.t.Helper()
	systemtest.Eventually(c.t, "lines of the consumer", func() error {
		lines := c.lines()
		for i, text := range texts {
			if i >= len(lines) || !strings.Contains(lines[i], text) {
				return errors.New("so far:\n" + strings.Join(lines, "\n"))
			}
		}
		return nil
	})
}
