package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// load is commands of several organizations, each with the outcome that a
// plain sequential model gives it. Organizations with an odd number use the
// bulk class, so that both classes are under way.
type load struct {
	s        *system
	random   *rand.Rand
	orgs     []*loadOrg
	expected map[string]string // outcome by organization and command id
	gone     int               // commands decided whose events are no longer in the stream
}

type loadOrg struct {
	handle, prefix string
	class          messages.Class
	made           int
	on             map[string]string // bridge by number: the model's whole state
	last           []byte
	all            [][]byte // without repeats
}

const (
	loadBridges = 5
	loadNumbers = 2000
)

// newLoad creates the organizations. The seed is part of the test's name for
// its commands, so a failure can be replayed.
func newLoad(s *system, orgs int, seed uint64) *load {
	s.t.Helper()
	l := &load{s: s, random: rand.New(rand.NewPCG(seed, 1)), expected: map[string]string{}}
	for i := range orgs {
		o := &loadOrg{handle: fmt.Sprintf("load-%d.example", i), prefix: fmt.Sprintf("+1%03d", 200+i), class: messages.Classes()[i%2], on: map[string]string{}}
		s.organization(o.handle, loadBridges, loadNumbers, o.prefix)
		l.orgs = append(l.orgs, o)
	}
	return l
}

// draw makes the next command of an organization. One in ten repeats the one
// before.
func (l *load) draw(o *loadOrg) []byte {
	if o.last != nil && l.random.IntN(10) == 0 {
		return o.last
	}
	id := fmt.Sprintf("c%d", o.made)
	o.made++
	phone, bridge, configuration := number(o.prefix, l.random.IntN(loadNumbers)), fmt.Sprintf("b%d", l.random.IntN(loadBridges)), int64(1)
	if l.random.IntN(4) == 0 && o.made > 1 {
		phone = number(o.prefix, l.random.IntN(o.made)%20) // some that are met often
	}
	code := "connected"
	switch l.random.IntN(20) {
	case 0:
		bridge, code = "nowhere", "bridge_not_found"
	case 1:
		configuration, code = 2, "phone_number_not_linked"
	default:
		switch at := o.on[phone]; at {
		case "":
			o.on[phone] = bridge
		case bridge:
			code = "unchanged"
		default:
			code = "phone_number_in_use"
		}
	}
	l.expected[o.handle+" "+id] = code
	o.last = connectCommand(id, bridge, configuration, phone)
	o.all = append(o.all, o.last)
	return o.last
}

// publish publishes commands of all organizations in turn, each again until
// the stream has accepted it, however long the server is away.
func (l *load) publish(commands int) {
	l.s.t.Helper()
	// an answer: a connection may not know yet that its server is gone
	systemtest.Eventually(l.s.t, "connection to NATS", func() error { return l.s.nc.FlushTimeout(time.Second) })
	acks := make([]jetstream.PubAckFuture, 0, commands)
	for i := range commands {
		o := l.orgs[i%len(l.orgs)]
		future, err := l.s.js.PublishAsync(l.subject(o), l.draw(o))
		if err != nil {
			l.s.t.Fatal(err)
		}
		acks = append(acks, future)
	}
	for _, future := range acks {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			l.s.t.Fatal(err)
		case <-time.After(time.Minute):
			l.s.t.Fatal("publishing did not end")
		}
	}
}

// publishThrough publishes one after another, and each again until the stream
// has accepted it: servers may come and go meanwhile. It runs beside the test
// and closes the channel at its end.
func (l *load) publishThrough(commands int) (done chan struct{}) {
	done = make(chan struct{})
	t := l.s.t
	nc := connectNATS(t, l.s.server.URL())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for i := range commands {
			o := l.orgs[i%len(l.orgs)]
			subject, payload := l.subject(o), l.draw(o)
			for ctx.Err() == nil {
				try, stop := context.WithTimeout(ctx, time.Second)
				_, err := js.Publish(try, subject, payload)
				stop()
				if err == nil {
					break
				}
				_ = sleep(ctx, 5*time.Millisecond) // the line is down: not a wait for anything the test asserts
			}
		}
	}()
	return done
}

// eventsGone says that the events so far are no longer in the stream.
func (l *load) eventsGone() {
	l.gone += len(l.expected)
	clear(l.expected)
}

func (l *load) subject(o *loadOrg) string {
	organization, err := messages.OrganizationFromHandle(o.handle)
	if err != nil {
		l.s.t.Fatal(err)
	}
	return messages.CommandSubject(o.class, organization, messages.VerbConnectProvider)
}

// verify waits until every command is decided and published, and compares
// with the model: one outcome each, in order, and the same connections.
func (l *load) verify() []storedEvent {
	t := l.s.t
	t.Helper()
	l.s.awaitCount("all decided", len(l.expected)+l.gone, `select count(*) from connect_provider.inbox`)
	l.s.awaitEventCount(len(l.expected))
	l.s.awaitCount("empty outbox", 0, `select count(*) from connect_provider.outbox`)
	events := l.s.awaitEvents(len(l.expected))
	checkOrder(t, events)
	checkPositions(t, events)
	met := map[string]bool{}
	for _, event := range events {
		key := event.Organization.Handle + " " + event.CommandID
		if want := l.expected[key]; codeOf(event.Event) != want {
			t.Errorf("%s: %s, want %s", key, codeOf(event.Event), want)
		}
		if met[key] {
			t.Errorf("%s: two events", key)
		}
		met[key] = true
	}
	l.verifyConnections()
	return events
}

func (l *load) verifyConnections() {
	t := l.s.t
	t.Helper()
	rows, err := l.s.pool.Query(context.Background(), `select domain_handle, phone_number, bridge_slug, connection_version from connect_provider.connections`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := 0
	for rows.Next() {
		var handle, phone, bridge string
		var version int
		if err := rows.Scan(&handle, &phone, &bridge, &version); err != nil {
			t.Fatal(err)
		}
		found++
		for _, o := range l.orgs {
			if o.handle == handle && o.on[phone] != bridge || version != 1 {
				t.Errorf("%s: %s is on %s (version %d), the model has %s", handle, phone, bridge, version, o.on[phone])
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, o := range l.orgs {
		want += len(o.on)
	}
	if found != want {
		t.Errorf("%d connections, the model has %d", found, want)
	}
}

// checkPositions demands that a lane's position never goes down.
func checkPositions(t testing.TB, events []storedEvent) {
	t.Helper()
	last := map[messages.Lane]messages.Position{}
	for _, event := range events {
		if event.Position.Less(last[event.Lane]) {
			t.Errorf("lane %s: position %s after %s", event.Lane, event.Position, last[event.Lane])
		}
		last[event.Lane] = event.Position
	}
}

// awaitEventCount waits until the events stream holds a number of events, as
// long as more keep coming.
func (s *system) awaitEventCount(want int) {
	s.t.Helper()
	for have, before := 0, -1; have < want && have != before; {
		before = have
		systemtest.Eventually(s.t, fmt.Sprintf("more than %d of %d events", have, want), func() error {
			stream, err := s.js.Stream(context.Background(), messages.EventsStream)
			if err != nil {
				return err
			}
			now := int(stream.CachedInfo().State.Msgs)
			if now <= before {
				return fmt.Errorf("still %d", now)
			}
			have = now
			return nil
		})
	}
}

// awaitEventsAtLeast waits until the load is under way.
func (s *system) awaitEventsAtLeast(want int) {
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
}

func (s *system) awaitReady(w *running) {
	s.t.Helper()
	systemtest.Eventually(s.t, "worker ready", w.Ready)
}

func (s *system) awaitUnready(w *running) error {
	s.t.Helper()
	var said error
	systemtest.Eventually(s.t, "worker to notice", func() error {
		if said = w.Ready(); said == nil {
			return fmt.Errorf("says that it is ready")
		}
		return nil
	})
	return said
}

// measured returns the sum of a worker's counters or gauges of a name whose
// labels have the given values.
func measured(t testing.TB, registry *prometheus.Registry, name string, values ...string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != "connect_provider_"+name {
			continue
		}
		for _, metric := range family.GetMetric() {
			matches := 0
			for _, value := range values {
				for _, label := range metric.GetLabel() {
					if label.GetValue() == value {
						matches++
					}
				}
			}
			if matches == len(values) {
				sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// watched gives a worker a registry that the test can read and a log that it
// can search.
func watched(t testing.TB) (option func(*Config), registry *prometheus.Registry, logs *observer.ObservedLogs) {
	registry = prometheus.NewRegistry()
	core, logs := observer.New(zap.InfoLevel)
	return func(c *Config) {
		c.Registerer = registry
		c.Logger = c.Logger.WithOptions(zap.WrapCore(func(other zapcore.Core) zapcore.Core { return zapcore.NewTee(other, core) }))
	}, registry, logs
}

// said counts log lines whose message has a part.
func said(logs *observer.ObservedLogs, part string) int {
	n := 0
	for _, line := range logs.All() {
		if strings.Contains(line.Message, part) {
			n++
		}
	}
	return n
}
