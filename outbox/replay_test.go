package outbox

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// restored returns a relay of a lane whose database went back to a cursor,
// when it knew the event of that command to be published, and the span.
func (b *bed) restored(cursor int, options ...func(*RelayConfig)) (*Relay, *Span) {
	b.t.Helper()
	r := b.relay(options...)
	last, err := r.Inspect(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	span := SpanAfter(at(cursor), uint64(cursor), nil, last)
	if err := r.Resume(context.Background(), nil, span); err != nil {
		b.t.Fatal(err)
	}
	return r, span
}

func TestReplayOfEqualEvents(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 100} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.publish(b.owner(), rows(1, 100))
			metrics := NewMetrics(prometheus.NewRegistry())
			r, span := b.restored(40, func(c *RelayConfig) { c.Metrics = metrics })
			if span == nil || *span != (Span{From: 40, Until: at(100)}) {
				t.Fatalf("span %v", span)
			}
			for from := 41; from <= 130; from += size {
				b.publish(r, rows(from, min(from+size-1, 130)))
				if (r.replay != nil) != (min(from+size-1, 130) <= 100) {
					t.Fatalf("replaying is %v after %d", (r.replay != nil), from+size-1)
				}
			}
			b.check(1, 130)
			if n := testutil.ToFloat64(metrics.replays.WithLabelValues("equal")); n != 60 {
				t.Errorf("%v equal events counted, want 60", n)
			}
			b.awaitNoConsumers()
		})
	}
}

// awaitNoConsumers waits until nothing of a replay is left on the server.
func (b *bed) awaitNoConsumers() {
	b.t.Helper()
	systemtest.Eventually(b.t, "the consumers of replays to end", func() error {
		stream, err := b.js.Stream(context.Background(), messages.EventsStream)
		if err != nil {
			return err
		}
		if n := stream.CachedInfo().State.Consumers; n != 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
}

// TestCorrections: an outcome that differs after a restore is corrected once,
// however often the database is restored, and again if it changes again.
func TestCorrections(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.publish(b.owner(), rows(1, 100))
	changed := func(code ...messages.Code) []Row {
		again := rows(41, 105)
		again[60-41], again[99-41] = row(60, code...), row(99, code...)
		return again
	}
	r, _ := b.restored(40)
	b.publish(r, changed(messages.BridgeNotFound))
	events := b.stored()
	b.checkIDs(events)
	if len(events) != 107 {
		t.Fatalf("%d events, want 100, two corrections and 5", len(events))
	}
	for i, n := range []int{60, 99} {
		correction, original := events[100+i], events[n-1]
		if correction.Sequence != uint64(n) || correction.Corrects == nil || *correction.Corrects != original.ID || correction.ID == original.ID {
			t.Errorf("correction of %d: %+v", n, correction.Event)
		}
		if correction.position != at(100) || correction.Data.Error == nil || correction.Data.Error.Code != messages.BridgeNotFound {
			t.Errorf("correction of %d at %s: %v", n, correction.position, correction.Data)
		}
	}
	// again restored: everything is there, the corrections too
	for range 2 {
		r, _ = b.restored(40)
		b.publish(r, changed(messages.BridgeNotFound)[:30])
		b.publish(r, changed(messages.BridgeNotFound)[30:])
		if again := b.stored(); len(again) != 107 {
			t.Fatalf("%d events after another restore, want the same 107", len(again))
		}
	}
	// decided as at first: the correction is corrected, not the original
	r, _ = b.restored(40)
	b.publish(r, changed())
	events = b.stored()
	b.checkIDs(events)
	if len(events) != 109 || events[107].Corrects == nil || *events[107].Corrects != events[100].ID || events[107].Data.Error != nil {
		t.Fatalf("%d events, the first new one: %+v", len(events), events[107])
	}
	r, _ = b.restored(40)
	b.publish(r, changed())
	if again := b.stored(); len(again) != 109 {
		t.Errorf("%d events after another restore, want the same 109", len(again))
	}
}

// TestLateEvents: an event that is not among those of its span is published
// late, once, and lowers no position.
func TestLateEvents(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	first := rows(1, 100)
	b.publish(b.owner(), append(append([]Row{}, first[:69]...), first[70:]...)) // 70 is missing
	metrics := NewMetrics(prometheus.NewRegistry())
	for range 3 {
		r, _ := b.restored(40, func(c *RelayConfig) { c.Metrics = metrics })
		b.publish(r, rows(41, 101))
	}
	events := b.stored()
	b.checkIDs(events)
	if len(events) != 101 || events[99].Sequence != 70 || events[99].position != at(100) || events[99].Corrects != nil {
		t.Fatalf("%d events, the late one: %+v", len(events), events[99])
	}
	if n := testutil.ToFloat64(metrics.replays.WithLabelValues("late")); n != 1 {
		t.Errorf("%v late events counted, want 1", n)
	}
}

// TestTakeOverOfAPublishInDoubt: the former owner had published rows, then others
// of which it did not know whether they were stored, and removed none of them.
func TestTakeOverOfAPublishInDoubt(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.publish(b.owner(), rows(1, 20))
	r := b.relay()
	last, err := r.Inspect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	span := SpanAfter(at(20), 0, &Span{From: 15, Until: at(20)}, last)
	if err := r.Resume(context.Background(), rows(1, 20), span); err != nil {
		t.Fatal(err)
	}
	b.publish(r, rows(21, 25))
	b.check(1, 25)
}

// TestTakeOverInTheMiddleOfAReplay: the new owner finds the span in the lane's
// row, and leftovers before and beyond its end.
func TestTakeOverInTheMiddleOfAReplay(t *testing.T) {
	t.Parallel()
	for _, reached := range []int{41, 60, 99, 100, 101, 107} {
		t.Run(fmt.Sprint(reached), func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.publish(b.owner(), rows(1, 100))
			again := rows(41, 130)
			again[55-41] = row(55, messages.BridgeNotFound)
			r, span := b.restored(40)
			b.publish(r, again[:reached-40])
			heir := b.relay()
			last, err := heir.Inspect(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			// its rows up to 110 were committed, those from 50 on not removed
			if err := heir.Resume(context.Background(), again[50-41:110-40], SpanAfter(at(110), 45, span, last)); err != nil {
				t.Fatal(err)
			}
			b.publish(heir, again[110-40:])
			events := b.stored()
			b.checkIDs(events)
			if len(events) != 131 {
				t.Errorf("%d events, want 130 and a correction", len(events))
			}
		})
	}
}

// TestAcknowledgementLostInAReplay: the batch that leads out of the span is
// stored, and its publisher does not hear so.
func TestAcknowledgementLostInAReplay(t *testing.T) {
	t.Parallel()
	for _, edge := range [][2]int{{41, 44}, {41, 70}, {98, 102}, {90, 110}, {101, 104}, {101, 120}} {
		t.Run(fmt.Sprint(edge), func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			first := rows(1, 100)
			b.publish(b.owner(), append(append([]Row{}, first[:41]...), first[43:]...)) // 42 and 43 are missing
			line := systemtest.Proxy(t, b.server.URL())
			r, _ := b.restored(40, func(c *RelayConfig) { c.NATS, c.Timeout = b.connect(line.URL()), 300*time.Millisecond })
			if edge[0] > 41 {
				b.publish(r, rows(41, edge[0]-1))
			}
			before := len(b.stored())
			stop := b.swallowAnswers(line, before)
			wait := b.publishBeside(r, rows(edge[0], edge[1]))
			stop()
			wait()
			b.publish(r, rows(edge[1]+1, 130))
			events := b.stored()
			b.checkIDs(events)
			if len(events) != 130 {
				t.Errorf("%d events, want 130", len(events))
			}
			b.awaitNoConsumers()
		})
	}
}

// swallowAnswers watches the lane's subjects and mutes the line as soon as an
// event is on its way. What it returns waits until one more event than before
// is stored, and mends the line.
func (b *bed) swallowAnswers(line *faults.Line, before int) (mend func()) {
	b.t.Helper()
	subscription, err := b.nc.SubscribeSync(testLane.EventFilter())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.nc.Flush(); err != nil { // what is published from here on is seen
		b.t.Fatal(err)
	}
	return func() {
		b.t.Helper()
		if _, err := subscription.NextMsg(20 * time.Second); err != nil {
			b.t.Fatal(err)
		}
		line.HoldReplies()
		_ = subscription.Unsubscribe()
		systemtest.Eventually(b.t, "the publish to be stored", func() error {
			if len(b.stored()) == before {
				return errors.New("not yet")
			}
			return nil
		})
		line.Release()
	}
}

// TestReplayOfAPurgedStream: what the replay would compare with is gone.
func TestReplayOfAPurgedStream(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.publish(b.owner(), rows(1, 100))
	r, _ := b.restored(40)
	b.publish(r, rows(41, 50))
	stream, err := b.js.Stream(context.Background(), messages.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(context.Background(), jetstream.WithPurgeSequence(81)); err != nil {
		t.Fatal(err)
	}
	b.publish(r, rows(51, 120))
	events := b.stored()
	b.checkIDs(events)
	last := 0
	for _, event := range events {
		if event.Sequence == 120 {
			last++
		}
	}
	if last != 1 || len(events) < 40 {
		t.Errorf("%d events, %d of the last command", len(events), last)
	}
}

func TestSpanAfter(t *testing.T) {
	t.Parallel()
	event := func(n int) LastEvent {
		return LastEvent{StreamCreated: 1, Sequence: uint64(n + 1000), Position: at(n)}
	}
	for name, c := range map[string]struct {
		cursor    int
		known     uint64
		persisted *Span
		last      LastEvent
		want      *Span
	}{
		"nothing there":           {cursor: 5, last: LastEvent{StreamCreated: 1}},
		"in step":                 {cursor: 5, known: 1005, last: event(5)},
		"outbox not published":    {cursor: 9, known: 1005, last: event(5)},
		"restored":                {cursor: 5, known: 1003, last: event(9), want: &Span{1003, at(9)}},
		"restored to the start":   {last: event(9), want: &Span{0, at(9)}},
		"in the middle":           {cursor: 7, known: 1009, persisted: &Span{1003, at(9)}, last: event(9), want: &Span{1003, at(9)}},
		"caught up, not forgot":   {cursor: 12, known: 1012, persisted: &Span{1003, at(9)}, last: event(12), want: &Span{1003, at(9)}},
		"restored in the middle":  {cursor: 7, known: 1010, persisted: &Span{1003, at(9)}, last: event(15), want: &Span{1003, at(15)}},
		"purged in the middle":    {cursor: 7, known: 1010, persisted: &Span{1003, at(9)}, last: LastEvent{StreamCreated: 1}, want: &Span{1003, at(9)}},
		"later event is the same": {cursor: 9, known: 1003, last: event(9)},
	} {
		got := SpanAfter(at(c.cursor), c.known, c.persisted, c.last)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
