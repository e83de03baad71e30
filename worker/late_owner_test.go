package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/outbox"
)

// TestLateFormerOwnerThenAnother: events of a former owner, decided on a state
// that the database lost, land after the present owner looked at the stream.
// It begins to compare; before it has caught up, another takes the lane over,
// who has to go on comparing, from where the first had begun.
func TestLateFormerOwnerThenAnother(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	s.organization("acme", 1, 100, "+1555")
	d := newDriver(t, s)
	lane := messages.Lane{Class: messages.Interactive, Number: messages.Partition("acme", testLanes)}
	command := func(i int) []byte { return connectCommand(fmt.Sprintf("k%d", i), "b0", 1, number("+1555", i)) }
	for i := 1; i <= 40; i++ {
		s.publish(messages.Interactive, "acme", command(i))
	}
	l, err := d.acquire(lane)
	if err != nil {
		t.Fatal(err)
	}
	work := func(l *laneRun, n int) {
		t.Helper()
		batch, err := d.next(l, n)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := d.commitOnly(l, batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.publisher.relay.Publish(ctx, rows); err != nil {
			t.Fatal(err)
		}
		l.publisher.note(rows)
	}
	work(l, 10)

	// 11 to 30 as the former owner told them
	late, err := outbox.NewRelay(outbox.RelayConfig{
		NATS: s.nc, Lane: lane, Logger: systemtest.Logger(t), Metrics: outbox.NewMetrics(prometheus.NewRegistry()),
		Confirm:  func(context.Context) error { return nil },
		Remember: func(context.Context, outbox.Span) error { return nil }, Timeout: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := late.Inspect(ctx); err != nil {
		t.Fatal(err)
	}
	next, err := d.next(l, 20)
	if err != nil {
		t.Fatal(err)
	}
	var rows []outbox.Row
	for _, received := range next {
		event := messages.NewEvent(received, 1, messages.Outcome{Provider: "twilio", Changed: true, ConnectionVersion: 1, ConnectedAt: time.Now()}, received.Key(), time.Now())
		payload, err := event.Encode()
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, outbox.Row{Position: messages.Position{Generation: 1, Sequence: received.Sequence},
			Subject: messages.EventSubject(lane, received.Organization, event.Type), Payload: payload})
	}
	if err := late.Publish(ctx, rows); err != nil {
		t.Fatal(err)
	}

	work(l, 5) // refused, compares, finds 11 to 15 there
	work(l, 5)
	if err := l.tidy(ctx); err != nil {
		t.Fatal(err)
	}
	for range 3 { // others take over in the middle, and at the end
		if l, err = d.acquire(lane); err != nil {
			t.Fatal(err)
		}
		work(l, 8)
		if err := l.tidy(ctx); err != nil {
			t.Fatal(err)
		}
	}
	events := s.events()
	checkOrder(t, events)
	if len(events) != 40 {
		t.Errorf("%d events for 40 commands", len(events))
	}
	if n := s.count(`select count(*) from connect_provider.lanes where replay_from is not null`); n != 0 {
		t.Error("the lane's row still remembers the span, though the lane has caught up")
	}
}

// TestFailingLaneIsHandedBack: a lane whose batch can't be applied ends in
// order all the same, at once, and is free.
func TestFailingLaneIsHandedBack(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 2, 10, "+1555")
	s.refuse("bad", "XX000")
	w := s.work(func(c *Config) { c.DrainTimeout = time.Minute })
	s.publish(messages.Interactive, "acme", connectCommand("bad", "b0", 1, number("+1555", 1)))
	systemtest.Eventually(t, "a batch that fails", func() error {
		for _, run := range w.runs() {
			if run.applying.Load() > 0 {
				return nil
			}
		}
		return errors.New("none yet")
	})
	began := time.Now()
	w.stop()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("ending took %s: it waited for the lane that can't go on", took)
	}
	if n := s.count(`select count(*) from connect_provider.lanes where owner is not null`); n != 0 {
		t.Errorf("%d lanes are still owned", n)
	}
}

// TestNoMoreThanTheShareIsHandedBack: rounds that come while lanes are being
// finished ask no others.
func TestNoMoreThanTheShareIsHandedBack(t *testing.T) {
	t.Parallel()
	w := &Worker{lanes: map[*laneRun]struct{}{}, numbers: map[messages.Class]int{messages.Interactive: 16}}
	for i := range 16 {
		w.lanes[newLaneRun(context.Background(), w, laneRow{lane: messages.Lane{Class: messages.Interactive, Number: i}})] = struct{}{}
	}
	for range 3 {
		if err := w.balance(context.Background(), messages.Interactive, 2); err != nil {
			t.Fatal(err)
		}
	}
	for run := range w.lanes {
		handedBack := false
		select {
		case <-run.drain:
			handedBack = true
		default:
		}
		if want := run.lane.Number >= 8; handedBack != want {
			t.Errorf("lane %s handed back: %v, want %v", run.lane, handedBack, want)
		}
	}
}
