package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

var testLane = messages.Lane{Class: messages.Interactive, Number: 3}

// bed is a NATS server with the events stream, for one test.
type bed struct {
	t      *testing.T
	server *systemtest.NATSServer
	nc     *nats.Conn
	js     jetstream.JetStream
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, server: systemtest.NATS(t)}
	b.nc = b.connect(b.server.URL())
	var err error
	if b.js, err = jetstream.New(b.nc); err != nil {
		t.Fatal(err)
	}
	b.createStream(nil)
	return b
}

func (b *bed) connect(url string) *nats.Conn {
	b.t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	return nc
}

// createStream creates the events stream, or changes the one that exists.
func (b *bed) createStream(change func(*jetstream.StreamConfig)) {
	b.t.Helper()
	config := messages.EventsStreamConfig(messages.StreamOptions{})
	if change != nil {
		change(&config)
	}
	if _, err := b.js.CreateOrUpdateStream(context.Background(), config); err != nil {
		b.t.Fatal(err)
	}
}

// relay returns one that knows nothing of its lane yet.
func (b *bed) relay(options ...func(*RelayConfig)) *Relay {
	b.t.Helper()
	config := RelayConfig{
		Remember: func(context.Context, Span) error { return nil },
		NATS:     b.nc, Lane: testLane, Logger: systemtest.Logger(b.t), Metrics: NewMetrics(prometheus.NewRegistry()),
		Confirm: func(context.Context) error { return nil }, Timeout: 2 * time.Second,
	}
	for _, option := range options {
		option(&config)
	}
	r, err := NewRelay(config)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// owner returns a relay that has taken the lane over with nothing left to do.
func (b *bed) owner(options ...func(*RelayConfig)) *Relay {
	b.t.Helper()
	r := b.relay(options...)
	b.takeOver(r, nil, nil)
	return r
}

func (b *bed) takeOver(r *Relay, leftovers []Row, span *Span) {
	b.t.Helper()
	if _, err := r.Inspect(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	if err := r.Resume(context.Background(), leftovers, span); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) publish(r *Relay, rows []Row) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Publish(ctx, rows); err != nil {
		b.t.Fatal(err)
	}
}

// publishBeside publishes while the test goes on; what it returns waits for
// the end.
func (b *bed) publishBeside(r *Relay, rows []Row) (wait func()) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	done := make(chan error, 1)
	go func() { done <- r.Publish(ctx, rows) }()
	wait = sync.OnceFunc(func() {
		b.t.Helper()
		defer cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(wait)
	return wait
}

// row is the event of command n of generation 1: connected, or failed with the
// given code.
func row(n int, code ...messages.Code) Row {
	outcome := messages.Outcome{Provider: "twilio", Changed: true, ConnectionVersion: 1, ConnectedAt: time.Unix(int64(n), 0)}
	if len(code) > 0 {
		outcome = messages.Outcome{Failure: &messages.Failure{Code: code[0], Message: "test"}}
	}
	organization, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		panic(err)
	}
	received := messages.Received{
		Message: messages.Message{Sequence: uint64(n)}, Lane: testLane, Organization: organization,
		Command: messages.Command{ID: fmt.Sprintf("c%d", n), BridgeSlug: "b0", ProviderConfigID: 1, PhoneNumber: fmt.Sprintf("+1555%06d", n)},
	}
	event := messages.NewEvent(&received, 1, outcome, received.Command.ID, time.Now())
	payload, err := event.Encode()
	if err != nil {
		panic(err)
	}
	return Row{Position: at(n), Subject: event.MessageSubject(), Payload: payload}
}

func rows(from, to int) []Row {
	var made []Row
	for n := from; n <= to; n++ {
		made = append(made, row(n))
	}
	return made
}

func at(n int) messages.Position { return messages.Position{Generation: 1, Sequence: uint64(n)} }

// stored is an event as it stands in the stream.
type stored struct {
	messages.Event
	streamSequence uint64
	position       messages.Position
	header         nats.Header
}

func (b *bed) stored() []stored {
	b.t.Helper()
	ctx := context.Background()
	stream, err := b.js.Stream(ctx, messages.EventsStream)
	if err != nil {
		b.t.Fatal(err)
	}
	var found []stored
	for next := uint64(1); ; {
		message, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(testLane.EventFilter()))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return found
		}
		if err != nil {
			b.t.Fatal(err)
		}
		event, err := messages.DecodeEvent(message.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		position, err := messages.ParsePosition(message.Header.Get(messages.HeaderLanePosition))
		if err != nil {
			b.t.Fatal(err)
		}
		found = append(found, stored{event, message.Sequence, position, message.Header})
		next = message.Sequence + 1
	}
}

// check demands that the stream holds the events of the commands from..to, each
// once and in order, with positions that never go down, and nothing else.
func (b *bed) check(from, to int) {
	b.t.Helper()
	events := b.stored()
	if len(events) != to-from+1 {
		b.t.Errorf("%d events, want %d", len(events), to-from+1)
	}
	for i, event := range events {
		if event.Sequence != uint64(from+i) || event.position != at(from+i) {
			b.t.Fatalf("event %d is of command %d at %s, want %d", i, event.Sequence, event.position, from+i)
		}
	}
	b.checkIDs(events)
}

func (b *bed) checkIDs(events []stored) {
	b.t.Helper()
	met := map[string]bool{}
	var last messages.Position
	for _, event := range events {
		if met[event.ID.String()] {
			b.t.Errorf("event %s of command %d stands there twice", event.ID, event.Sequence)
		}
		met[event.ID.String()] = true
		if event.position.Less(last) {
			b.t.Errorf("position %s after %s", event.position, last)
		}
		last = event.position
	}
}

// awaitStored waits until the stream holds a number of messages.
func (b *bed) awaitStored(want int) {
	b.t.Helper()
	systemtest.Eventually(b.t, fmt.Sprintf("%d events", want), func() error {
		stream, err := b.js.Stream(context.Background(), messages.EventsStream)
		if err != nil {
			return err
		}
		if have := int(stream.CachedInfo().State.Msgs); have != want {
			return fmt.Errorf("%d", have)
		}
		return nil
	})
}
