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

var interactiveStream = messages.Interactive.Stream()

// TestCommandStreamRecreated: the stream of interactive commands is replaced by
// an empty one of the same name, under a running worker or while none runs.
// The new one's commands are decided, those that repeat are recognized.
func TestCommandStreamRecreated(t *testing.T) {
	t.Parallel()
	for _, live := range []bool{true, false} {
		t.Run(fmt.Sprintf("live %v", live), func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			l := newLoad(s, 4, 9)
			w := s.work()
			l.publish(200)
			l.verify()
			old := append([][]byte{}, l.orgs[0].all...)
			if !live {
				w.stop()
			}
			if err := s.js.DeleteStream(context.Background(), interactiveStream); err != nil {
				t.Fatal(err)
			}
			s.createStreams()
			option, registry, logs := watched(t)
			if live {
				option, registry, logs = nil, nil, nil
			}
			s.publishAll(messages.Interactive, l.orgs[0].handle, old[:len(old)-1]) // the last one may be repeated by the load itself
			l.publish(200)
			if !live {
				s.work(option)
			}
			events := l.verify()
			generations := map[messages.Class]map[int64]int{messages.Interactive: {}, messages.Bulk: {}}
			for _, event := range events {
				generations[event.Lane.Class][event.Generation]++
			}
			if g := generations[messages.Interactive]; g[1] == 0 || g[2] == 0 || len(g) != 2 {
				t.Errorf("generations of interactive events: %v, want 1 and 2", g)
			}
			if g := generations[messages.Bulk]; len(g) != 1 || g[1] == 0 {
				t.Errorf("generations of bulk events: %v, want 1", g)
			}
			if live {
				return
			}
			if n := measured(t, registry, "ranges_lost_total", "interactive", "replaced"); n != testLanes {
				t.Errorf("%v lanes say that their stream was replaced, want %d", n, testLanes)
			}
			if n := said(logs, "command stream was replaced"); n != testLanes {
				t.Errorf("%d lines say that the stream was replaced, want %d", n, testLanes)
			}
			if n := measured(t, registry, "repeats_total", "interactive"); int(n) < len(old)-1 {
				t.Errorf("%v repeats recognized, want at least %d", n, len(old)-1)
			}
		})
	}
}

// TestCommandStreamCutBack: the stream loses its latest messages and grows
// again under the same creation time and the same sequences.
func TestCommandStreamCutBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ live, grown bool }{
		"under a running worker, shorter":   {true, false},
		"while none runs, shorter":          {false, false},
		"while none runs, longer than ever": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			l := newLoad(s, 4, 10)
			option, registry, logs := watched(t)
			w := s.work(option)
			l.publish(200)
			l.verify()
			s.server.KeepStream(interactiveStream)
			for generation := range int64(3) {
				if generation > 0 { // cut back again, to before the last cut
					s.server.RewindStream(interactiveStream)
					s.server.Start()
					if !c.live {
						option, registry, logs = watched(t)
					}
					if c.grown {
						l.publish(240)
					} else {
						l.publish(60)
					}
					if !c.live {
						w = s.work(option)
					}
				} else {
					l.publish(80)
				}
				events := l.verify()
				last := map[messages.Lane]int64{}
				for _, event := range events {
					last[event.Lane] = event.Generation
				}
				for lane, got := range last {
					if want := generation + 1; lane.Class == messages.Interactive && got != want || lane.Class == messages.Bulk && got != 1 {
						t.Errorf("lane %s is in generation %d after %d cuts", lane, got, generation)
					}
				}
				lanes := len(s.lanesWithEvents(events, messages.Interactive))
				want := 0
				if generation > 0 {
					want = lanes
				}
				if c.live {
					want = lanes * int(generation)
				}
				if n := measured(t, registry, "ranges_lost_total", "interactive", "cut_back"); int(n) != want {
					t.Errorf("%v lanes say that their stream was cut back, want %d", n, want)
				}
				if n := said(logs, "command stream was cut back"); n != want {
					t.Errorf("%d lines say that the stream was cut back, want %d", n, want)
				}
				if !c.live {
					w.stop()
				}
			}
		})
	}
}

func (s *system) lanesWithEvents(events []storedEvent, class messages.Class) map[messages.Lane]bool {
	lanes := map[messages.Lane]bool{}
	for _, event := range events {
		if event.Lane.Class == class {
			lanes[event.Lane] = true
		}
	}
	return lanes
}

// TestRestoredAcrossGenerations: the database is restored to a copy from before
// the stream was cut back twice. The lanes catch up with their events, and
// their positions rise again.
func TestRestoredAcrossGenerations(t *testing.T) {
	t.Parallel()
	s, postgres := newPrivateSystem(t)
	l := newLoad(s, 4, 11)
	s.awaitReady(s.work())
	l.publish(100)
	l.verify()
	s.server.KeepStream(interactiveStream)
	backup := postgres.BaseBackup(t)
	for range 2 {
		l.publish(20)
		l.verify()
		s.server.RewindStream(interactiveStream)
		s.server.Start()
	}
	l.publish(40)
	events := l.verify()
	// what the rewound stream no longer has can't be decided again
	postgres.Restore(t, backup)
	s.publish(messages.Interactive, l.orgs[0].handle, connectCommand("after", "nowhere", 1, number("+1555", 1)))
	s.awaitCount("the last command", 1, `select count(*) from connect_provider.inbox where key = 'after'`)
	s.awaitEventsAtLeast(len(events) + 1)
	s.awaitCount("empty outbox", 0, `select count(*) from connect_provider.outbox`)
	after := s.events()
	checkPositions(t, after)
	originals, ids := 0, map[string]bool{}
	for _, event := range after {
		if event.Corrects == nil { // what was cut off may have been what an outcome rested on
			originals++
		}
		if ids[event.ID.String()] {
			t.Errorf("event %s of %s appears twice", event.ID, event.CommandID)
		}
		ids[event.ID.String()] = true
	}
	if originals != len(events)+1 {
		t.Errorf("%d events that are no corrections, want %d", originals, len(events)+1)
	}
	last := after[len(after)-1]
	if last.CommandID != "after" || last.Generation != 3 || last.Position != (messages.Position{Generation: 3, Sequence: last.Sequence}) {
		t.Errorf("the last event is of %s, generation %d, at %s", last.CommandID, last.Generation, last.Position)
	}
}

// TestEventsStreamLosesEvents under a running worker: by a purge, by age.
func TestEventsStreamLosesEvents(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(s *system, stream jetstream.Stream) error{
		"purged": func(_ *system, stream jetstream.Stream) error { return stream.Purge(context.Background()) },
		"aged out": func(s *system, stream jetstream.Stream) error {
			config := stream.CachedInfo().Config
			config.MaxAge = time.Second
			if _, err := s.js.UpdateStream(context.Background(), config); err != nil {
				return err
			}
			systemtest.Eventually(s.t, "events to age out", func() error {
				info, err := stream.Info(context.Background())
				if err == nil && info.State.Msgs > 0 {
					err = fmt.Errorf("%d left", info.State.Msgs)
				}
				return err
			})
			config.MaxAge = stream.CachedInfo().Config.MaxAge * 1000
			_, err := s.js.UpdateStream(context.Background(), config)
			return err
		},
		"recreated": func(s *system, _ jetstream.Stream) error {
			err := s.js.DeleteStream(context.Background(), messages.EventsStream)
			s.createStreams()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			l := newLoad(s, 4, 12)
			w := s.work()
			for range 2 {
				l.publish(200)
				l.verify()
				stream, err := s.js.Stream(context.Background(), messages.EventsStream)
				if err != nil {
					t.Fatal(err)
				}
				if err := lose(s, stream); err != nil {
					t.Fatal(err)
				}
				l.eventsGone()
			}
			l.publish(100)
			l.verify()
			w.stop()
			s.work()
			l.publish(100)
			l.verify()
		})
	}
}

// TestConsumersTakenAway: somebody deletes the lanes' consumers, and the
// connection breaks. The lanes read on from their cursors.
func TestConsumersTakenAway(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	l := newLoad(s, 4, 13)
	option, registry, _ := watched(t)
	w := s.work(option)
	l.publish(100)
	l.verify()
	for _, class := range messages.Classes() {
		stream, err := s.js.Stream(context.Background(), class.Stream())
		if err != nil {
			t.Fatal(err)
		}
		deleted := 0
		for name := range stream.ConsumerNames(context.Background()).Name() {
			if !strings.HasPrefix(name, "lane-"+class.Letter()) {
				t.Errorf("a consumer's name is %s", name)
			}
			if err := stream.DeleteConsumer(context.Background(), name); err != nil {
				t.Fatal(err)
			}
			deleted++
		}
		if deleted != testLanes {
			t.Errorf("%d consumers of %s, want %d", deleted, class.Stream(), testLanes)
		}
	}
	l.publish(100)
	l.verify()
	restarts := measured(t, registry, "reader_restarts_total")
	if restarts < 2*testLanes {
		t.Errorf("%v readers were restarted, want %d", restarts, 2*testLanes)
	}
	if err := w.nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	systemtest.Eventually(t, "all readers to check their log after the reconnect", func() error {
		if measured(t, registry, "reader_restarts_total") < restarts+2*testLanes {
			return errors.New("not all have")
		}
		return nil
	})
	l.publish(100)
	l.verify()
}
