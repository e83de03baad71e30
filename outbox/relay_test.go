package outbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestFence: every ordinary publish and the first message of every batch
// carries the expectation, spelled exactly; nothing carries Nats-Msg-Id.
func TestFence(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	wiretap, err := b.nc.SubscribeSync("telephony.events.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	r := b.owner()
	for _, edge := range [][2]int{{1, 1}, {2, 6}, {7, 12}, {13, 2512}} {
		b.publish(r, rows(edge[0], edge[1]))
	}
	b.check(1, 2512)
	batches := map[string]int{}
	singles := 0
	for expected := uint64(0); expected < 2512; expected++ {
		message, err := wiretap.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if message.Header.Get(nats.MsgIdHdr) != "" {
			t.Fatal("an event carries Nats-Msg-Id")
		}
		if got := message.Header.Get("Content-Type"); got != "application/cloudevents+json" {
			t.Fatalf("Content-Type %q", got)
		}
		batch := message.Header.Get("Nats-Batch-Id")
		if batch == "" {
			singles++
		} else if batches[batch]++; batches[batch] > 1 {
			continue
		}
		if got := message.Header.Get("Nats-Expected-Last-Subject-Sequence"); got != strconv.FormatUint(expected, 10) {
			t.Errorf("event %d expects sequence %q", expected+1, got)
		}
		if got := message.Header.Get("Nats-Expected-Last-Subject-Sequence-Subject"); got != "telephony.events.c3.>" {
			t.Errorf("event %d expects it of %q", expected+1, got)
		}
	}
	sizes := map[int]int{}
	for _, size := range batches {
		sizes[size]++
	}
	if singles != 6 || len(batches) != 4 || sizes[6] != 1 || sizes[1000] != 2 || sizes[500] != 1 {
		t.Errorf("%d ordinary publishes and batches of %v", singles, sizes)
	}
}

// TestLateFormerOwner: a relay that no longer owns the lane can't publish,
// whether it notices by itself or not.
func TestLateFormerOwner(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			former := b.owner(func(c *RelayConfig) {
				c.Confirm = func(context.Context) error { return fmt.Errorf("confirm: %w", ErrLost) }
			})
			b.publish(former, rows(1, 10))
			heir := b.relay()
			b.takeOver(heir, rows(5, 12), nil)
			if err := former.Publish(context.Background(), rows(11, 10+n)); !errors.Is(err, ErrLost) {
				t.Fatalf("the former owner's publish: %v", err)
			}
			b.publish(heir, rows(13, 40))
			b.check(1, 40)
		})
	}
}

// TestOwnerIsRefused: the owner is refused because a former owner published
// the same rows first, some of them, or rows beyond (its database went back
// since): equal events are not sent again.
func TestOwnerIsRefused(t *testing.T) {
	t.Parallel()
	for _, rival := range []int{2, 4, 5, 9, 30} {
		for _, n := range []int{4, 20} {
			t.Run(fmt.Sprintf("%d/%d", rival, n), func(t *testing.T) {
				t.Parallel()
				b := newBed(t)
				former, owner := b.owner(), b.owner()
				b.publish(former, rows(1, rival))
				b.publish(owner, rows(1, n))
				b.publish(owner, rows(n+1, n+3))
				b.publish(owner, rows(n+4, 40))
				b.check(1, 40)
			})
		}
	}
}

// TestOwnerIsRefusedAndDecidedOtherwise: a former owner published an outcome
// that the owner's database no longer has. It must be corrected.
func TestOwnerIsRefusedAndDecidedOtherwise(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	former, owner := b.owner(), b.owner()
	b.publish(former, rows(1, 10))
	again := rows(1, 12)
	again[7] = row(8, messages.BridgeNotFound)
	b.publish(owner, again[:3])
	b.publish(owner, again[3:])
	events := b.stored()
	b.checkIDs(events)
	if len(events) != 13 || events[10].Sequence != 8 || events[10].Corrects == nil || *events[10].Corrects != events[7].ID {
		t.Fatalf("%d events, the one after the former owner's: %+v", len(events), events[10])
	}
}

// TestAcknowledgementLost: the stream has the events, their publisher never
// heard so. Nothing is published twice, nothing is left out.
func TestAcknowledgementLost(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 4, 6, 300} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			line := systemtest.Proxy(t, b.server.URL())
			r := b.owner(func(c *RelayConfig) { c.NATS, c.Timeout = b.connect(line.URL()), 100*time.Millisecond })
			b.publish(r, rows(1, 10))
			for round := range 3 {
				from := 11 + round*n
				line.HoldReplies()
				wait := b.publishBeside(r, rows(from, from+n-1))
				if n <= maxSingles {
					b.awaitStored(from) // the first of them; the others wait for its answer
				} else {
					b.awaitStored(from + n - 1)
				}
				line.Release()
				wait()
			}
			b.publish(r, rows(11+3*n, 20+3*n))
			b.check(1, 20+3*n)
		})
	}
}

// TestLineLost: the line to the server is cut again and again in the middle of
// publishing.
func TestLineLost(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	line := systemtest.Proxy(t, b.server.URL())
	r := b.owner(func(c *RelayConfig) { c.NATS, c.Timeout = b.connect(line.URL()), 500*time.Millisecond })
	next := 1
	for round := range 20 {
		n := []int{3, 700}[round%2]
		wait := b.publishBeside(r, rows(next, next+n-1))
		line.Cut()
		wait()
		next += n
	}
	b.check(1, next-1)
}

// abandon opens atomic batches in the lane and never commits them.
func (b *bed) abandon(batches int) {
	b.t.Helper()
	for range batches {
		id := nuid.Next()
		for i := range 2 {
			row := row(9_000_000 + i)
			message := &nats.Msg{Subject: row.Subject, Data: row.Payload, Header: nats.Header{}}
			message.Header.Set(headerBatchID, id)
			message.Header.Set(headerBatchSequence, strconv.Itoa(i+1))
			if err := b.nc.PublishMsg(message); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	if err := b.nc.Flush(); err != nil {
		b.t.Fatal(err)
	}
}

// TestAbandonedBatches: a batch that a dead worker left half way is in nobody's
// way; as many as the server allows at once are until they time out.
func TestAbandonedBatches(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	// in memory, since opening a batch of a stream on disk creates files, and
	// the first would time out before the last is open
	if err := b.js.DeleteStream(context.Background(), messages.EventsStream); err != nil {
		t.Fatal(err)
	}
	b.createStream(func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage })
	metrics := NewMetrics(prometheus.NewRegistry())
	r := b.owner(func(c *RelayConfig) { c.Metrics = metrics })
	b.abandon(1)
	b.publish(r, rows(1, 20))
	b.publish(r, rows(21, 23))
	if n := testutil.CollectAndCount(metrics.refusals); n != 0 {
		t.Errorf("one abandoned batch made publishes fail for %d reasons", n)
	}
	b.abandon(1000)
	b.publish(r, rows(24, 26)) // ordinary publishes pass
	b.publish(r, rows(27, 60)) // a batch waits, 5 s by the server's configuration
	b.check(1, 60)
	// its beginning is refused with 10210, which nobody hears, so its end with 10176
	if n := testutil.ToFloat64(metrics.refusals.WithLabelValues("10176")); n == 0 {
		t.Error("no batch was refused: the test tests nothing")
	}
}

// TestTakeOver: the rows that a former owner left are in the stream all, none,
// or up to one of them.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, there := range []int{0, 1, 17, 49, 50} {
		for _, from := range []int{1, 15} {
			t.Run(fmt.Sprintf("%d there, left from %d", there, from), func(t *testing.T) {
				t.Parallel()
				b := newBed(t)
				if there < from-1 {
					there = from - 1
				}
				former := b.owner()
				b.publish(former, rows(1, there))
				heir := b.relay()
				b.takeOver(heir, rows(from, 50), nil)
				b.publish(heir, rows(51, 53))
				b.publish(heir, rows(54, 90))
				b.check(1, 90)
				if heir.LastEvent().Sequence != 90 || heir.LastEvent().Position != at(90) {
					t.Errorf("last event %+v", heir.LastEvent())
				}
			})
		}
	}
}

// TestStreamPurged: the lane's last event is not what it was, though nobody
// else has published.
func TestStreamPurged(t *testing.T) {
	t.Parallel()
	for name, purge := range map[string]func(b *bed, stream jetstream.Stream) (left int, err error){
		"all": func(_ *bed, s jetstream.Stream) (int, error) { return 0, s.Purge(context.Background()) },
		"beginning": func(_ *bed, s jetstream.Stream) (int, error) {
			return 5, s.Purge(context.Background(), jetstream.WithPurgeSequence(6))
		},
		"one organization": func(b *bed, s jetstream.Stream) (int, error) {
			return 0, s.Purge(context.Background(), jetstream.WithPurgeSubject("telephony.events.*.acme.>"))
		},
		"aged out": func(b *bed, _ jetstream.Stream) (int, error) {
			b.createStream(func(c *jetstream.StreamConfig) { c.MaxAge = time.Second })
			b.awaitStored(0)
			b.createStream(nil)
			return 0, nil
		},
		"deleted and recreated": func(b *bed, _ jetstream.Stream) (int, error) {
			err := b.js.DeleteStream(context.Background(), messages.EventsStream)
			b.createStream(nil)
			return 0, err
		},
	} {
		for _, n := range []int{2, 12} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				t.Parallel()
				b := newBed(t)
				r := b.owner()
				b.publish(r, rows(1, 10))
				stream, err := b.js.Stream(context.Background(), messages.EventsStream)
				if err != nil {
					t.Fatal(err)
				}
				left, err := purge(b, stream)
				if err != nil {
					t.Fatal(err)
				}
				b.publish(r, rows(11, 10+n))
				b.publish(r, rows(11+n, 40))
				b.check(11-left, 40)
				heir := b.relay()
				b.takeOver(heir, rows(30, 45), nil)
				b.check(11-left, 45)
			})
		}
	}
}

// TestStreamAway: the stream is deleted, publishes wait, and go on when it is
// there again.
func TestStreamAway(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	metrics := NewMetrics(prometheus.NewRegistry())
	r := b.owner(func(c *RelayConfig) { c.Metrics = metrics })
	b.publish(r, rows(1, 10))
	if err := b.js.DeleteStream(context.Background(), messages.EventsStream); err != nil {
		t.Fatal(err)
	}
	wait := b.publishBeside(r, rows(11, 40))
	systemtest.Eventually(t, "a publish to fail", func() error {
		if testutil.CollectAndCount(metrics.refusals) == 0 {
			return errors.New("none has")
		}
		return nil
	})
	b.createStream(nil)
	wait()
	b.check(11, 40)
}

// TestStreamFull: the lane waits, half a batch is never stored, and it goes on
// when there is room.
func TestStreamFull(t *testing.T) {
	t.Parallel()
	for _, n := range []int{4, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.createStream(func(c *jetstream.StreamConfig) { c.MaxMsgs = 12 })
			metrics := NewMetrics(prometheus.NewRegistry())
			r := b.owner(func(c *RelayConfig) { c.Metrics = metrics })
			b.publish(r, rows(1, 10))
			wait := b.publishBeside(r, rows(11, 10+n))
			systemtest.Eventually(t, "a publish to be refused", func() error {
				if testutil.CollectAndCount(metrics.refusals) == 0 {
					return errors.New("none has been")
				}
				return nil
			})
			if there := len(b.stored()); n > maxSingles && there != 10 {
				t.Errorf("%d events are stored, want the 10 that there was room for", there)
			}
			b.createStream(nil)
			wait()
			b.check(1, 10+n)
		})
	}
}

// TestDirectReadsAreRefused: a last event that a follower may answer can't be
// trusted.
func TestDirectReadsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.createStream(func(c *jetstream.StreamConfig) { c.AllowDirect = true })
	if _, err := b.relay().Inspect(context.Background()); err == nil {
		t.Error("a stream with direct reads is accepted")
	}
}
