package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// watchBed is a server with an events stream, as workers would fill it.
type watchBed struct {
	t      *testing.T
	server *systemtest.NATSServer
	js     jetstream.JetStream
	next   int
}

func newWatchBed(t *testing.T) *watchBed { return bedOn(t, systemtest.NATS(t)) }

func bedOn(t *testing.T, server *systemtest.NATSServer) *watchBed {
	t.Helper()
	nc, err := nats.Connect(server.URL(), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	b := &watchBed{t: t, server: server, js: js}
	b.createStream()
	return b
}

func (b *watchBed) createStream() {
	b.t.Helper()
	if _, err := b.js.CreateStream(b.t.Context(), messages.EventsStreamConfig(messages.StreamOptions{EventsMaxBytes: 64 << 20})); err != nil {
		b.t.Fatal(err)
	}
}

// publish publishes as many events of acme, numbered on, and returns their
// command ids.
func (b *watchBed) publish(n int) []string {
	b.t.Helper()
	var ids []string
	for range n {
		b.next++
		ids = append(ids, fmt.Sprintf("command-%d", b.next))
		b.put(watchedEvent("acme", ids[len(ids)-1]))
	}
	return ids
}

func (b *watchBed) put(e messages.Event) {
	b.t.Helper()
	body, err := e.Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	b.store(e.MessageSubject(), body)
}

// store puts a message into the stream, as soon as the server answers.
func (b *watchBed) store(subject string, body []byte) {
	b.t.Helper()
	systemtest.Eventually(b.t, "the stream to take an event", func() error {
		_, err := b.js.Publish(b.t.Context(), subject, body)
		return err
	})
}

func watchedEvent(handle, id string) messages.Event {
	organization, err := messages.OrganizationFromHandle(handle)
	if err != nil {
		panic(err) // only constants get here
	}
	e := eventOf(organization, 1, nil)
	e.CommandID, e.Data.CommandID, e.Data.Changed = id, id, true
	return e
}

// watching is `connectctl watch` under way.
type watching struct {
	bed            *watchBed
	stdout, stderr output
	stop           context.CancelFunc
	ended          chan int
}

// watch starts to watch, and returns when it reads.
func (b *watchBed) watch(args ...string) *watching {
	b.t.Helper()
	before := b.consumers()
	w := b.start(args...)
	b.otherConsumer(before)
	return w
}

// consumers returns the names of the consumers of the events stream.
func (b *watchBed) consumers() []string {
	b.t.Helper()
	var names []string
	systemtest.Eventually(b.t, "the consumers' names", func() error {
		stream, err := b.js.Stream(b.t.Context(), messages.EventsStream)
		if err != nil {
			return err
		}
		lister := stream.ConsumerNames(b.t.Context())
		names = nil
		for name := range lister.Name() {
			names = append(names, name)
		}
		return lister.Err()
	})
	return names
}

// otherConsumer waits until events are asked for from a consumer that was not
// there before, and returns its name.
func (b *watchBed) otherConsumer(before []string) (name string) {
	b.t.Helper()
	systemtest.Eventually(b.t, "another consumer", func() error {
		for _, name = range b.consumers() {
			if slices.Contains(before, name) {
				continue
			}
			consumer, err := b.js.Consumer(b.t.Context(), messages.EventsStream, name)
			if err != nil {
				return err
			}
			if consumer.CachedInfo().NumWaiting > 0 {
				return nil
			}
		}
		return errors.New("none but those from before is asked for events")
	})
	return name
}

func (b *watchBed) start(args ...string) *watching {
	b.t.Helper()
	return b.startAt(b.server.URL(), args...)
}

func (b *watchBed) startAt(url string, args ...string) *watching {
	b.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(b.t.Context()))
	w := &watching{bed: b, stop: stop, ended: make(chan int, 1)}
	go func() { w.ended <- run(ctx, append([]string{"watch", "--server", url}, args...), &w.stdout, &w.stderr) }()
	b.t.Cleanup(stop)
	return w
}

// ids returns the command ids in the order in which they were printed.
func (w *watching) ids() []string {
	var ids []string
	for line := range strings.Lines(w.stdout.String()) {
		words := strings.Fields(line)
		ids = append(ids, words[len(words)-1])
	}
	return ids
}

// shows waits until exactly these were printed.
func (w *watching) shows(ids ...string) {
	w.bed.t.Helper()
	systemtest.Eventually(w.bed.t, fmt.Sprintf("%d events to be shown", len(ids)), func() error {
		if got := len(w.ids()); got < len(ids) {
			return fmt.Errorf("got %d\n%s", got, w.stderr.String())
		}
		return nil
	})
	w.check(ids)
}

func (w *watching) check(ids []string) {
	w.bed.t.Helper()
	if got := w.ids(); !slices.Equal(got, ids) {
		w.bed.t.Fatalf("shown were %d events, not the %d expected: %q\n%s", len(got), len(ids), clipped(got), w.stderr.String())
	}
}

func clipped(ids []string) []string { return ids[:min(len(ids), 50)] }

// says waits until it has said something on standard error.
func (w *watching) says(text string) {
	w.bed.t.Helper()
	systemtest.Eventually(w.bed.t, "watch to say "+text, func() error {
		if !strings.Contains(w.stderr.String(), text) {
			return fmt.Errorf("it said %s", w.stderr.String())
		}
		return nil
	})
}

// end ends it as a signal does, and checks that nothing else was shown.
func (w *watching) end(ids ...string) {
	w.bed.t.Helper()
	w.stop()
	w.exits(0)
	w.check(ids)
}

func (w *watching) exits(code int) {
	w.bed.t.Helper()
	systemtest.Eventually(w.bed.t, "watch to end", func() error {
		select {
		case got := <-w.ended:
			if got != code {
				w.bed.t.Fatalf("ended with %d, want %d\n%s", got, code, w.stderr.String())
			}
			return nil
		default:
			return fmt.Errorf("it runs\n%s", w.stderr.String())
		}
	})
}
