package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }

// system is a database, a NATS server with the streams, and any number of
// workers, for one test.
type system struct {
	t           testing.TB
	databaseURL string
	pool        *pgxpool.Pool
	server      *systemtest.NATSServer
	nc          *nats.Conn
	js          jetstream.JetStream
}

const testLanes = 4

func newSystem(t testing.TB) *system {
	t.Helper()
	return newSystemOn(t, systemtest.MigratedDatabase(t), systemtest.NATS(t))
}

func newSystemOn(t testing.TB, databaseURL string, server *systemtest.NATSServer) *system {
	t.Helper()
	s := &system{t: t, databaseURL: databaseURL, server: server}
	s.pool = openPool(t, databaseURL)
	s.nc = connectNATS(t, server.URL())
	var err error
	if s.js, err = jetstream.New(s.nc); err != nil {
		t.Fatal(err)
	}
	s.createStreams()
	return s
}

func (s *system) createStreams() {
	s.t.Helper()
	_, findings, err := EnsureStreams(context.Background(), s.js, messages.StreamOptions{Lanes: testLanes}, false)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, finding := range findings {
		s.t.Errorf("streams as created: %s", finding)
	}
}

func openPool(t testing.TB, url string, configure ...func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	pool, err := NewPool(context.Background(), url, 2, configure...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func connectNATS(t testing.TB, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(10*time.Millisecond, 0),
		nats.RetryOnFailedConnect(true), nats.ReconnectBufSize(-1), nats.CustomInboxPrefix("_INBOX.test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	systemtest.Eventually(t, "connection to NATS", func() error {
		if !nc.IsConnected() {
			return errors.New(nc.Status().String())
		}
		return nil
	})
	return nc
}

// running is a worker at work.
type running struct {
	*Worker
	pool *pgxpool.Pool
	nc   *nats.Conn
	stop func() // orderly; waits
	kill func() // drops all lanes as a crash would, leaving leases and rows
}

// work starts a worker with connections of its own.
func (s *system) work(options ...func(*Config)) *running {
	s.t.Helper()
	return s.workWith(nil, options...)
}

func (s *system) workWith(change func(*Worker), options ...func(*Config)) *running {
	s.t.Helper()
	config := DefaultConfig()
	config.LeaseTTL = time.Second
	config.PublishTimeout = 2 * time.Second
	config.Name, config.Version = s.t.Name(), "test"
	config.Logger = systemtest.Logger(s.t)
	config.Registerer = prometheus.NewRegistry()
	for _, option := range options {
		option(&config)
	}
	r := &running{}
	if config.Database == nil {
		config.Database = openPool(s.t, s.databaseURL)
	}
	if config.NATS == nil {
		config.NATS = connectNATS(s.t, s.server.URL())
	}
	r.pool, r.nc = config.Database, config.NATS
	w, err := New(config)
	if err != nil {
		s.t.Fatal(err)
	}
	if change != nil {
		change(w)
	}
	r.Worker = w
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				s.t.Errorf("worker ended with: %v", err)
			}
		})
	}
	r.kill = func() {
		once.Do(func() {
			for _, run := range w.runs() {
				run.drop(errors.New("killed by the test"))
			}
			r.nc.Close()
			r.pool.Close()
			cancel()
			<-done
		})
	}
	s.t.Cleanup(func() { r.stop() })
	return r
}

// platform writes rows of the platform's side.
func (s *system) platform(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(context.Background(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// organization creates an organization with bridges b0…, two active
// configurations per provider (1, 2: twilio; 3, 4: plivo), an inactive one (5),
// and numbers linked to configuration 1, from the given prefix on.
func (s *system) organization(handle string, bridges, numbers int, prefix string) {
	s.t.Helper()
	s.platform(`insert into telephony.organizations values ($1)`, handle)
	s.platform(`insert into telephony.bridges select $1, 'b' || n from generate_series(0, $2 - 1) n`, handle, bridges)
	s.platform(`insert into telephony.provider_configurations values ($1, 1, 'twilio', true), ($1, 2, 'twilio', true),
		($1, 3, 'plivo', true), ($1, 4, 'plivo', true), ($1, 5, 'telnyx', false)`, handle)
	s.platform(`insert into telephony.phone_numbers select $2 || lpad(n::text, 6, '0'), $1, 1, true from generate_series(0, $3 - 1) n`, handle, prefix, numbers)
}

// number is the nth number of a prefix.
func number(prefix string, n int) string { return fmt.Sprintf("%s%06d", prefix, n) }

// body is a command's JSON; a nil value leaves a member out.
func body(members map[string]any) []byte {
	b, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return b
}

func connectCommand(id, bridge string, configuration int64, phone string) []byte {
	return body(map[string]any{"command_id": id, "bridge_slug": bridge, "provider_config_id": configuration, "phone_number": phone})
}

// publish publishes a command and returns its sequence.
func (s *system) publish(class messages.Class, handle string, payload []byte) uint64 {
	s.t.Helper()
	organization, err := messages.OrganizationFromHandle(handle)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.publishTo(messages.CommandSubject(class, organization, messages.VerbConnectProvider), payload, nil)
}

func (s *system) publishTo(subject string, payload []byte, header nats.Header) uint64 {
	s.t.Helper()
	ack, err := s.js.PublishMsg(context.Background(), &nats.Msg{Subject: subject, Data: payload, Header: header})
	if err != nil {
		s.t.Fatalf("publish to %s: %v", subject, err)
	}
	return ack.Sequence
}

// publishAll publishes many commands at once and waits for their acknowledgements.
func (s *system) publishAll(class messages.Class, handle string, payloads [][]byte) {
	s.t.Helper()
	organization, err := messages.OrganizationFromHandle(handle)
	if err != nil {
		s.t.Fatal(err)
	}
	subject := messages.CommandSubject(class, organization, messages.VerbConnectProvider)
	for _, payload := range payloads {
		if _, err := s.js.PublishAsync(subject, payload); err != nil {
			s.t.Fatal(err)
		}
	}
	select {
	case <-s.js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		s.t.Fatal("publishing did not end")
	}
}

// storedEvent is an event with its place in the events stream.
type storedEvent struct {
	messages.Event
	StreamSequence uint64
	Position       messages.Position
}

// events reads all events that are in the stream.
func (s *system) events() []storedEvent {
	s.t.Helper()
	events, err := readEvents(s.js)
	if err != nil {
		s.t.Fatal(err)
	}
	return events
}

func readEvents(js jetstream.JetStream) ([]storedEvent, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, messages.EventsStream)
	if err != nil {
		return nil, err
	}
	if stream.CachedInfo().State.Msgs == 0 {
		return nil, nil
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	iterator, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer iterator.Stop()
	var events []storedEvent
	for {
		message, err := iterator.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		event, err := messages.DecodeEvent(message.Data())
		if err != nil {
			return nil, err
		}
		metadata, err := message.Metadata()
		if err != nil {
			return nil, err
		}
		position, err := messages.ParsePosition(message.Headers().Get(messages.HeaderLanePosition))
		if err != nil {
			return nil, err
		}
		lane, _, _, err := messages.ParseEventSubject(message.Subject())
		if err != nil {
			return nil, err
		}
		event.Lane = lane
		events = append(events, storedEvent{event, metadata.Sequence.Stream, position})
		// not by the number pending: that has been seen to be 0 too early
		if metadata.Sequence.Stream >= stream.CachedInfo().State.LastSeq {
			return events, nil
		}
	}
}

// awaitEvents waits until the stream has a number of events and all lanes have
// applied all their commands.
func (s *system) awaitEvents(want int) []storedEvent {
	s.t.Helper()
	systemtest.Eventually(s.t, fmt.Sprintf("%d events", want), func() error {
		stream, err := s.js.Stream(context.Background(), messages.EventsStream)
		if err != nil {
			return err
		}
		if have := int(stream.CachedInfo().State.Msgs); have < want {
			return fmt.Errorf("%d of %d", have, want)
		}
		return nil
	})
	events := s.events()
	if len(events) != want {
		s.t.Fatalf("%d events, want %d", len(events), want)
	}
	return events
}

// count runs a query that returns one number.
func (s *system) count(sql string, args ...any) int {
	s.t.Helper()
	var n int
	if err := s.pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// awaitCount waits until a query returns a number.
func (s *system) awaitCount(what string, want int, sql string, args ...any) {
	s.t.Helper()
	systemtest.Eventually(s.t, what, func() error {
		var n int
		if err := s.pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
			return err
		}
		if n != want {
			return fmt.Errorf("%d, want %d", n, want)
		}
		return nil
	})
}

// codes counts events by outcome.
func codes(events []storedEvent) map[string]int {
	counts := map[string]int{}
	for _, event := range events {
		counts[codeOf(event.Event)]++
	}
	return counts
}

func codeOf(event messages.Event) string {
	if event.Type == messages.EventConnected {
		if event.Data.Changed {
			return "connected"
		}
		return "unchanged"
	}
	return string(event.Data.Error.Code)
}

// checkOrder demands that each lane's events appear in the order of its
// commands, each command's once, and that no id appears twice.
func checkOrder(t testing.TB, events []storedEvent) {
	t.Helper()
	last := map[messages.Lane]messages.Position{}
	ids := map[string]bool{}
	for _, event := range events {
		own := messages.Position{Generation: event.Generation, Sequence: event.Sequence}
		if own.Compare(last[event.Lane]) <= 0 {
			t.Errorf("lane %s: command %s after %s", event.Lane, own, last[event.Lane])
		}
		last[event.Lane] = own
		if ids[event.ID.String()] {
			t.Errorf("event %s appears twice", event.ID)
		}
		ids[event.ID.String()] = true
	}
}
