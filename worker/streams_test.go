package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestWorkerRefusesUnfitStreams changes one setting at a time and demands that
// a worker does not start, says which setting it is and how to mend it, and
// that mending does so where a server allows it.
func TestWorkerRefusesUnfitStreams(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	cases := []struct {
		setting, stream string
		change          func(*jetstream.StreamConfig)
		anew            bool // can't be changed later: made with it, not mendable
	}{
		{setting: "discard", stream: "TELEPHONY_COMMANDS", change: func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }},
		{setting: "max_age", stream: "TELEPHONY_BULK", change: func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{setting: "duplicate_window", stream: "TELEPHONY_COMMANDS", change: func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute }},
		{setting: "allow_direct", stream: "TELEPHONY_EVENTS", change: func(c *jetstream.StreamConfig) { c.AllowDirect = true }},
		{setting: "allow_atomic", stream: "TELEPHONY_EVENTS", change: func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }},
		{setting: "max_msgs_per_subject", stream: "TELEPHONY_COMMANDS", change: func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 10 }},
		{setting: "persist_mode", stream: "TELEPHONY_COMMANDS", change: func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, anew: true},
		{setting: "storage", stream: "TELEPHONY_EVENTS", change: func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, anew: true},
	}
	s := newSystem(t)
	for _, c := range cases {
		t.Run(c.setting, func(t *testing.T) {
			stream, err := s.js.Stream(ctx, c.stream)
			if err != nil {
				t.Fatal(err)
			}
			config := stream.CachedInfo().Config
			if c.anew {
				if err := s.js.DeleteStream(ctx, c.stream); err != nil {
					t.Fatal(err)
				}
			}
			c.change(&config)
			if _, err := s.js.CreateOrUpdateStream(ctx, config); err != nil {
				t.Fatal(err)
			}
			_, err = checkStreams(ctx, s.js)
			if !errors.Is(err, ErrStreams) {
				t.Fatalf("got %v, want ErrStreams", err)
			}
			for _, part := range []string{c.stream, c.setting, "connect-provider streams"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
			if c.anew {
				if err := s.js.DeleteStream(ctx, c.stream); err != nil {
					t.Fatal(err)
				}
			}
			if _, findings, err := EnsureStreams(ctx, s.js, messages.StreamOptions{Lanes: testLanes}, true); err != nil || len(findings) > 0 {
				t.Fatalf("mending left %v, %v", findings, err)
			}
			if _, err := checkStreams(ctx, s.js); err != nil {
				t.Errorf("after mending: %v", err)
			}
		})
	}
}

// TestNumberOfLanesIsRecorded: neither a worker nor the mending recuts a stream.
func TestNumberOfLanesIsRecorded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	first := s.work()
	s.awaitCount("recorded lanes", 2*testLanes, `select count(*) from connect_provider.lanes where owner is not null`)
	first.stop()
	if _, findings, err := EnsureStreams(ctx, s.js, messages.StreamOptions{Lanes: testLanes * 2}, true); err != nil || len(findings) == 0 {
		t.Fatalf("other lanes were taken for fit: %v, %v", findings, err)
	}
	lanes, err := checkStreams(ctx, s.js)
	if err != nil || lanes[messages.Interactive] != testLanes || lanes[messages.Bulk] != testLanes {
		t.Fatalf("streams now have lanes %v, %v", lanes, err)
	}
	if err := s.js.DeleteStream(ctx, messages.Bulk.Stream()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.js.CreateStream(ctx, messages.CommandsStreamConfig(messages.Bulk, messages.StreamOptions{Lanes: testLanes * 2})); err != nil {
		t.Fatal(err)
	}
	if _, err := checkStreams(ctx, s.js); !errors.Is(err, ErrStreams) || !strings.Contains(err.Error(), "same number") {
		t.Errorf("classes with different numbers of lanes: got %v, want a refusal", err)
	}
	for _, class := range messages.Classes() {
		if err := s.js.DeleteStream(ctx, class.Stream()); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := EnsureStreams(ctx, s.js, messages.StreamOptions{Lanes: testLanes * 2}, false); err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Database, config.NATS, config.Logger = s.pool, s.nc, systemtest.Logger(t)
	w := newDriverWorker(t, config)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := w.Run(ctx); !errors.Is(err, ErrStreams) || !strings.Contains(err.Error(), "8 lanes") {
		t.Errorf("worker ended with %v, want a refusal that names the lanes", err)
	}
}

// TestNumberOfLanesIsChanged goes the README's way to another number of lanes.
func TestNumberOfLanesIsChanged(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	handle := organizationIn(0, "acme") // in lane 0 before and after
	s.organization(handle, 10, 20, "+1555")
	w := s.work()
	for i := range 10 {
		s.publish(messages.Interactive, handle, connectCommand(fmt.Sprintf("c%d", i), fmt.Sprintf("b%d", i), 1, number("+1555", i)))
	}
	s.awaitEvents(10)
	w.stop()
	for _, class := range messages.Classes() {
		if err := s.js.DeleteStream(ctx, class.Stream()); err != nil {
			t.Fatal(err)
		}
	}
	s.platform(`delete from connect_provider.lanes`)
	if _, _, err := EnsureStreams(ctx, s.js, messages.StreamOptions{Lanes: 1}, false); err != nil {
		t.Fatal(err)
	}
	s.work()
	for i := 19; i >= 0; i-- { // ten new ones, then the first ten again: those are decided already
		s.publish(messages.Interactive, handle, connectCommand(fmt.Sprintf("c%d", i), fmt.Sprintf("b%d", i%10), 1, number("+1555", i)))
	}
	events := s.awaitEvents(20)
	checkOrder(t, events)
	if n := codes(events)["connected"]; n != 20 {
		t.Errorf("outcomes %v", codes(events))
	}
}
