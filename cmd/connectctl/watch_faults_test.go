package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

func TestWatchGoesOnWhenNATSIsBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		process bool
		args    []string
	}{
		"orderly": {false, nil},
		"killed":  {true, nil},
		"durable": {true, []string{"--consumer", "keeper"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := systemtest.NATS
			if test.process {
				server = systemtest.NATSProcess
			}
			b := bedOn(t, server(t))
			w := b.watch(append(test.args, "--log-format", "console")...)
			var ids []string
			for range 3 {
				ids = append(ids, b.publish(40)...)
				b.server.Kill()
				w.says("connection lost, will reconnect")
				b.server.Start()
				ids = append(ids, b.publish(40)...)
				w.shows(ids...)
			}
			w.says("reading events again")
			w.end(ids...)
		})
	}
}

// Nothing was read yet that would tell the place.
func TestWatchMissesNothingThatCameWhileNATSWasAway(t *testing.T) {
	t.Parallel()
	b := bedOn(t, systemtest.NATSProcess(t))
	b.publish(5)
	w := b.watch()
	line := systemtest.Proxy(t, b.server.URL())
	before := b.consumers()
	cut := b.startAt(line.URL())
	b.otherConsumer(before)
	before = b.consumers()
	line.Block()
	cut.says("connection lost, will reconnect")
	ids := b.publish(7)
	if err := line.Unblock(); err != nil {
		t.Fatal(err)
	}
	b.otherConsumer(before)
	cut.shows(ids...)
	w.shows(ids...)
	cut.end(ids...)
	w.end(ids...)
}

func TestWatchMakesADeletedConsumerAnew(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"ordered":      nil,
		"from start":   {"--since", "start"},
		"durable":      {"--consumer", "keeper"},
		"durable past": {"--consumer", "keeper", "--since", "start"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newWatchBed(t)
			past := b.publish(4)
			var ids []string
			if slices.Contains(args, "--since") {
				ids = past
			}
			w := b.watch(args...)
			for range 4 { // the first time before anything came
				before := b.consumers()
				for _, name := range before {
					if err := b.js.DeleteConsumer(t.Context(), messages.EventsStream, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
						t.Fatal(err)
					}
				}
				ids = append(ids, b.publish(30)...)
				w.shows(ids...)
			}
			w.end(ids...)
		})
	}
}

func TestWatchGoesOnInAStreamThatTookThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"ordered": nil, "durable": {"--consumer", "keeper"}} {
		for _, size := range []int{0, 5, 50} { // nothing, less and more than was read
			t.Run(fmt.Sprintf("%s %d", name, size), func(t *testing.T) {
				t.Parallel()
				b := newWatchBed(t)
				line := systemtest.Proxy(t, b.server.URL())
				w := b.startAt(line.URL(), args...)
				b.otherConsumer(nil)
				ids := b.publish(20)
				w.shows(ids...)
				line.Block() // so that it meets the new stream with what is in it
				if err := b.js.DeleteStream(t.Context(), messages.EventsStream); err != nil {
					t.Fatal(err)
				}
				b.createStream()
				ids = append(ids, b.publish(size)...)
				if err := line.Unblock(); err != nil {
					t.Fatal(err)
				}
				if size > 0 {
					w.shows(ids...)
				}
				if len(args) == 0 {
					w.says("it was replaced, cut back or purged; going on from its beginning")
				} else {
					w.says("the consumer was gone, perhaps with its stream, and was made anew")
				}
				ids = append(ids, b.publish(3)...)
				w.shows(ids...)
				w.end(ids...)
			})
		}
	}
}

// The stream is deleted under a watch that is connected, and comes later.
func TestWatchWaitsForTheStream(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	w := b.watch()
	ids := b.publish(10)
	w.shows(ids...)
	if err := b.js.DeleteStream(t.Context(), messages.EventsStream); err != nil {
		t.Fatal(err)
	}
	w.says("stream not found")
	b.createStream()
	ids = append(ids, b.publish(5)...)
	w.shows(ids...)
	w.says("reading events again")
	w.end(ids...)
}

// Events of the stream's past are gone with it, others stand in their places.
func TestWatchGoesOnInAStreamThatWasCutBack(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	ids := b.publish(10)
	w := b.start("--since", "start")
	w.shows(ids...)
	b.server.KeepStream(messages.EventsStream)
	ids = append(ids, b.publish(10)...)
	w.shows(ids...)
	b.server.RewindStream(messages.EventsStream)
	b.server.Start()
	ids = append(ids, b.publish(15)...) // numbered from 11 on by the stream
	w.shows(ids...)
	w.says("it was replaced, cut back or purged")
	w.end(ids...)
}

func TestWatchPassesOverWhatWasPurged(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	other := watchedEvent("other", "other")
	b.put(other)
	w := b.watch("--org", "acme")
	ids := b.publish(10)
	w.shows(ids...)
	stream, err := b.js.Stream(t.Context(), messages.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject("telephony.events.*.acme.>")); err != nil {
		t.Fatal(err)
	}
	b.put(other)
	for _, name := range b.consumers() {
		if err := b.js.DeleteConsumer(t.Context(), messages.EventsStream, name); err != nil {
			t.Fatal(err)
		}
	}
	ids = append(ids, b.publish(10)...)
	w.shows(ids...)
	w.end(ids...)
}

func TestWatchThroughADurableConsumerGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	ids := b.publish(10)
	args := []string{"--consumer", "keeper", "--org", "acme"}
	w := b.start(append(args, "--since", "start", "--count", "4")...)
	w.exits(0)
	w.check(ids[:4])
	w = b.start(append(args, "--until-now")...)
	w.exits(0)
	w.check(ids[4:])
	more := b.publish(3)
	w = b.start(args...)
	w.shows(more...)
	w.end(more...)
	w = b.start(append(args, "--until-now")...)
	w.exits(0)
	w.check(nil)

	_, stderr := runs(t, 1, append([]string{"watch", "--server", b.server.URL(), "--since", "start", "--until-now"}, args...)...)
	contains(t, stderr, "consumer keeper exists", "leave out --since")
	_, stderr = runs(t, 1, "watch", "--server", b.server.URL(), "--consumer", "keeper", "--org", "globex", "--until-now")
	contains(t, stderr, "consumer keeper does not deliver telephony.events.*.globex.>")
	_, stderr = runs(t, 1, "watch", "--server", b.server.URL(), "--consumer", "keeper", "--until-now")
	contains(t, stderr, "does not deliver telephony.events.*.*.>", "--org")
}

// A reader that was killed has an event that it did not acknowledge, which the
// server delivers again after a while.
func TestADurableConsumerKeepsTheOrderBehindAReaderThatWasKilled(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			b := newWatchBed(t)
			ids := b.publish(size)
			keeper := &durableSource{name: "keeper", filter: eventFilter{}.subject()}
			killed := eventReader{js: b.js, logger: zap.NewNop(), source: keeper, from: start{policy: jetstream.DeliverAllPolicy}}
			err := killed.read(t.Context(), func(jetstream.Msg, *jetstream.MsgMetadata) (bool, error) { return false, errors.New("killed") })
			if err == nil || err.Error() != "killed" {
				t.Fatal(err)
			}
			if size > 1 {
				ids = append(ids, b.publish(1)...)
			}
			w := b.start("--consumer", "keeper", "--until-now")
			w.exits(0)
			w.check(ids)
		})
	}
}

// stumbling loses its first consumer before anything of it was read. What there
// is is older than the beginning of the reading by more than clocks differ.
type stumbling struct {
	eventSource
	stumbled bool
}

func (s *stumbling) isNew(event *jetstream.MsgMetadata, r *eventReader) (bool, error) {
	if !s.stumbled {
		s.stumbled, r.last.at = true, r.last.at.Add(time.Hour)
		return false, errors.New("stumbled")
	}
	return s.eventSource.isNew(event, r)
}

func TestThePastIsReadAgainWhereNothingOfItWasRead(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	ids := b.publish(3)
	for _, source := range []eventSource{&orderedSource{}, &durableSource{name: "keeper", filter: eventFilter{}.subject()}} {
		reader := eventReader{js: b.js, logger: zap.NewNop(), source: &stumbling{eventSource: source}, from: start{policy: jetstream.DeliverAllPolicy}}
		var got []string
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := reader.read(ctx, func(message jetstream.Msg, _ *jetstream.MsgMetadata) (bool, error) {
			event, err := decodeEvent(message)
			got = append(got, event.CommandID)
			return len(got) < len(ids), err
		})
		cancel()
		if err != nil || !slices.Equal(got, ids) {
			t.Errorf("%T: read %q, %v", source, got, err)
		}
	}
}

// acksLost is a durable consumer whose first acknowledgements get lost.
type acksLost struct {
	*durableSource
	lose int
}

func (a *acksLost) done(ctx context.Context, message jetstream.Msg, event *jetstream.MsgMetadata) error {
	if a.lose--; a.lose >= 0 {
		message = unheard{message}
	}
	return a.durableSource.done(ctx, message, event)
}

type unheard struct{ jetstream.Msg }

func (unheard) DoubleAck(context.Context) error { return errors.New("lost") }

func TestAnEventWhoseAcknowledgementGotLostIsNotReadTwice(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	ids := b.publish(6)
	source := &acksLost{&durableSource{name: "keeper", filter: eventFilter{}.subject()}, 2}
	reader := eventReader{js: b.js, logger: zap.NewNop(), source: source, from: start{policy: jetstream.DeliverAllPolicy}, far: untilNow}
	var got []string
	err := reader.read(t.Context(), func(message jetstream.Msg, _ *jetstream.MsgMetadata) (bool, error) {
		event, err := decodeEvent(message)
		got = append(got, event.CommandID)
		return true, err
	})
	if err != nil || !slices.Equal(got, ids) {
		t.Errorf("read %q, %v", got, err)
	}
	consumer, err := b.js.Consumer(t.Context(), messages.EventsStream, "keeper")
	if err != nil {
		t.Fatal(err)
	}
	if left := consumer.CachedInfo().NumAckPending; left != 0 {
		t.Errorf("%d events are not acknowledged", left)
	}
}

func TestWatchThroughConsumersThatOthersMade(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	b.put(watchedEvent("globex", "theirs"))
	ids := b.publish(5)
	for name, config := range map[string]jetstream.ConsumerConfig{
		"all-acks": {AckPolicy: jetstream.AckAllPolicy},
		"no-acks":  {AckPolicy: jetstream.AckNonePolicy},
		"filtered": {AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "telephony.events.>"},
		"several":  {AckPolicy: jetstream.AckExplicitPolicy, FilterSubjects: []string{"telephony.events.*.globex.>", "telephony.events.*.acme.*"}},
	} {
		config.Durable = name
		if _, err := b.js.CreateConsumer(t.Context(), messages.EventsStream, config); err != nil {
			t.Fatal(err)
		}
		if name == "several" {
			// of what an organization may get in future it has nothing
			_, stderr := runs(t, 1, "watch", "--server", b.server.URL(), "--consumer", name, "--org", "acme")
			contains(t, stderr, "does not deliver")
			continue
		}
		for _, want := range [][]string{ids, nil} {
			w := b.start("--consumer", name, "--org", "acme", "--until-now")
			w.exits(0)
			w.check(want)
		}
	}
	_, err := b.js.CreatePushConsumer(t.Context(), messages.EventsStream, jetstream.ConsumerConfig{Durable: "push", DeliverSubject: "somewhere"})
	if err != nil {
		t.Fatal(err)
	}
	_, stderr := runs(t, 1, "watch", "--server", b.server.URL(), "--consumer", "push")
	contains(t, stderr, "push is a push consumer")
}

func TestFiltersCover(t *testing.T) {
	t.Parallel()
	for pair, want := range map[string]bool{
		"a.>|a.b.>": true, "a.>|a.>": true, "a.*.>|a.b.>": true, "a.*|a.b": true, "a.b|a.b": true, ">|a.*": true,
		"a.b.>|a.>": false, "a.b|a.*": false, "a.*|a.>": false, "a.b|a.b.c": false, "a.b.c|a.b": false, "a.b.>|a.b": false, "a.b|a.c": false,
	} {
		wider, narrower, _ := strings.Cut(pair, "|")
		if covers(wider, narrower) != want {
			t.Errorf("%s: not %v", pair, want)
		}
	}
}

func TestWatchSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	server := systemtest.NATS(t)
	_, stderr := runs(t, 1, "watch", "--server", server.URL())
	contains(t, stderr, "there is no stream TELEPHONY_EVENTS", "connect-provider streams")
}

// A message that the client library takes for a notice of the server leaves a
// gap each time it is read.
func TestWatchGoesOnBehindAMessageThatIsKeptBack(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	ids := b.publish(2)
	notice := nats.NewMsg("telephony.events.c0.acme.provider-connected")
	notice.Header.Set("Status", "100")
	if _, err := b.js.PublishMsg(t.Context(), notice); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, b.publish(2)...)
	w := b.start("--since", "start")
	w.shows(ids...)
	w.says("an event was lost on its way")
	w.says("the client library keeps back a message")
	w.end(ids...)
}
