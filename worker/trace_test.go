package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	status "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/outbox"
)

// traced gives a worker a tracer provider, and returns what it has ended.
func traced(t testing.TB) (option func(*Config), spans *tracetest.InMemoryExporter) {
	t.Helper()
	limits := sdktrace.NewSpanLimits()
	limits.LinkCountLimit = 1000
	spans = tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithRawSpanLimits(limits))
	return func(c *Config) { c.TracerProvider = provider }, spans
}

// traceParent is the context of the nth command of a test.
func traceParent(n int) string { return fmt.Sprintf("00-%032x-%016x-01", 0xaaaa0000+n, 0xbbbb0000+n) }

// publishTraced publishes a command in a context of its own.
func (s *system) publishTraced(class messages.Class, payload []byte, n int) uint64 {
	s.t.Helper()
	acme, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		s.t.Fatal(err)
	}
	return s.publishTo(messages.CommandSubject(class, acme, messages.VerbConnectProvider), payload,
		nats.Header{"traceparent": {traceParent(n)}, "tracestate": {"vendor=abc"}})
}

// named returns the spans with a name, in the order in which they ended.
func named(spans *tracetest.InMemoryExporter, name string) tracetest.SpanStubs {
	return slices.DeleteFunc(spans.GetSpans(), func(s tracetest.SpanStub) bool { return s.Name != name })
}

// attributesOf returns a span's attributes as text.
func attributesOf(span tracetest.SpanStub) map[string]string {
	found := map[string]string{}
	for _, a := range span.Attributes {
		found[string(a.Key)] = a.Value.String()
	}
	return found
}

// eventsOf returns the names of a span's events, each with its error.type.
func eventsOf(span tracetest.SpanStub) []string {
	var names []string
	for _, event := range span.Events {
		name := event.Name
		for _, a := range event.Attributes {
			if a.Key == "error.type" {
				name += " " + a.Value.String()
			}
		}
		names = append(names, name)
	}
	return names
}

func checkSpan(t *testing.T, span tracetest.SpanStub, kind trace.SpanKind, parent trace.SpanContext, want map[string]string) {
	t.Helper()
	if span.SpanKind != kind || span.Parent.SpanID() != parent.SpanID() || parent.IsValid() && span.SpanContext.TraceID() != parent.TraceID() {
		t.Errorf("%s is of kind %s, child of %s in trace %s; want %s, child of %s in trace %s", span.Name, span.SpanKind,
			span.Parent.SpanID(), span.SpanContext.TraceID(), kind, parent.SpanID(), parent.TraceID())
	}
	if got := attributesOf(span); !maps.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", span.Name, got, want)
	}
	if span.Status.Code != status.Unset {
		t.Errorf("%s has the status %v", span.Name, span.Status)
	}
}

// TestOneCommandIsOneTrace: at low load the spans of a command's whole way are
// children of its publisher's.
func TestOneCommandIsOneTrace(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 1, 1, "+1555")
	option, spans := traced(t)
	w := s.work(option)
	s.publishTraced(messages.Interactive, connectCommand("one", "b0", 1, number("+1555", 0)), 1)
	event := s.awaitEvents(1)[0]
	w.stop()

	if event.Trace != (messages.Trace{Parent: traceParent(1), State: "vendor=abc"}) {
		t.Errorf("the event's context is %v", event.Trace)
	}
	publisher := outbox.SpanContext(event.Trace)
	all := spans.GetSpans()
	if len(all) != 3 {
		t.Fatalf("%d spans, want 3", len(all))
	}
	process := named(spans, "process TELEPHONY_COMMANDS")[0]
	lane := event.Lane.String()
	checkSpan(t, process, trace.SpanKindConsumer, publisher, map[string]string{
		"messaging.system": "nats", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name": "TELEPHONY_COMMANDS", "messaging.destination.partition.id": lane,
		"messaging.consumer.group.name": "connect-provider", "messaging.message.id": "1",
	})
	if !process.Parent.IsRemote() || process.Parent.TraceState().String() != "vendor=abc" {
		t.Errorf("the parent is %v", process.Parent)
	}
	if len(process.Links) != 1 || process.Links[0].SpanContext.SpanID() != publisher.SpanID() || process.Links[0].SpanContext.TraceState().Len() != 0 {
		t.Errorf("links %v", process.Links)
	}
	checkSpan(t, named(spans, "commit TELEPHONY_COMMANDS")[0], trace.SpanKindClient, process.SpanContext, map[string]string{
		"messaging.system": "nats", "messaging.operation.name": "commit", "messaging.operation.type": "settle",
		"messaging.destination.name": "TELEPHONY_COMMANDS", "messaging.destination.partition.id": lane,
		"messaging.consumer.group.name": "connect-provider", "messaging.batch.message_count": "1", "connect_provider.cursor": "1",
	})
	sent := named(spans, "publish TELEPHONY_EVENTS")[0]
	checkSpan(t, sent, trace.SpanKindClient, process.SpanContext, map[string]string{
		"messaging.system": "nats", "messaging.operation.name": "publish", "messaging.operation.type": "send",
		"messaging.destination.name": "TELEPHONY_EVENTS", "messaging.destination.partition.id": lane, "messaging.batch.message_count": "1",
	})
	if len(sent.Links) != 0 {
		t.Errorf("%d links beside a parent that has them", len(sent.Links))
	}
}

// TestABatchLinksToEachCommand: each context is linked to once, a thousand in
// one span; what is no context, or missing, breaks nothing.
func TestABatchLinksToEachCommand(t *testing.T) {
	t.Parallel()
	const commands = 1000
	s := newSystem(t)
	s.organization("acme", 5, commands, "+1555")
	acme, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		t.Fatal(err)
	}
	subject := messages.CommandSubject(messages.Bulk, acme, messages.VerbConnectProvider)
	without := []string{"", "x", "00-00000000000000000000000000000000-0000000000000000-01", "00-" + strings.Repeat("a", 32) + "-" + strings.Repeat("b", 16) + "-08"}
	for i := range commands {
		context := traceParent(i)
		if i < len(without) {
			context = without[i]
		}
		_, err := s.js.PublishMsgAsync(&nats.Msg{Subject: subject, Header: nats.Header{"traceparent": {context}},
			Data: connectCommand(fmt.Sprintf("c%d", i), fmt.Sprintf("b%d", i%5), 1, number("+1555", i))})
		if err != nil {
			t.Fatal(err)
		}
	}
	<-s.js.PublishAsyncComplete()
	option, spans := traced(t)
	w := s.work(option)
	events := s.awaitEvents(commands)
	w.stop()

	linked := map[trace.SpanID]int{}
	counted, largest := 0, 0
	for _, process := range named(spans, "process TELEPHONY_BULK") {
		if process.DroppedLinks != 0 || process.Parent.IsValid() && attributesOf(process)["messaging.message.id"] == "" {
			t.Errorf("%d dropped links, parent %v", process.DroppedLinks, process.Parent)
		}
		n := 1
		if count := attributesOf(process)["messaging.batch.message_count"]; count != "" {
			_, _ = fmt.Sscan(count, &n)
		}
		counted += n
		largest = max(largest, len(process.Links))
		for _, link := range process.Links {
			linked[link.SpanContext.SpanID()]++
		}
	}
	if counted != commands || len(linked) != commands-len(without) || largest <= sdktrace.DefaultLinkCountLimit {
		t.Errorf("%d commands in spans, %d linked, at most %d from one span", counted, len(linked), largest)
	}
	for id, n := range linked {
		if n != 1 {
			t.Errorf("%d links to %s", n, id)
		}
	}
	for _, event := range events {
		var i int
		if _, err := fmt.Sscanf(event.CommandID, "c%d", &i); err != nil {
			t.Fatal(err)
		}
		if i >= len(without) && event.Trace.Parent != traceParent(i) {
			t.Errorf("the event of %s has the context %q", event.CommandID, event.Trace.Parent)
		}
	}
	checkNothingPersonal(t, spans, "+1555", "acme")
}

// checkNothingPersonal looks through all that a span can say.
func checkNothingPersonal(t *testing.T, spans *tracetest.InMemoryExporter, personal ...string) {
	t.Helper()
	for _, span := range spans.GetSpans() {
		span.Resource, span.Parent, span.SpanContext = nil, trace.SpanContext{}, trace.SpanContext{}
		text := fmt.Sprintf("%+v", span)
		for _, word := range personal {
			if strings.Contains(text, word) {
				t.Errorf("%s tells %q: %.1000s", span.Name, word, text)
			}
		}
	}
}

// TestContextOutlivesACrashBeforePublishing: the events that a killed worker
// committed and never published reach the stream with their commands' contexts,
// and the span of their publishing links to these.
func TestContextOutlivesACrashBeforePublishing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 1, 3, "+1555")
	lane := messages.Lane{Class: messages.Interactive, Number: messages.Partition("acme", testLanes)}
	for i := range 3 {
		s.publishTraced(messages.Interactive, connectCommand(fmt.Sprintf("c%d", i), "b0", 1, number("+1555", i)), i)
	}
	killed := newDriver(t, s)
	l, err := killed.acquire(lane)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := killed.next(l, 3)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := killed.commitOnly(l, batch); err != nil || len(rows) != 3 {
		t.Fatalf("%d events, %v", len(rows), err)
	}
	killed.w.config.NATS.Close()
	killed.w.pool.Close()
	if n := len(s.events()); n != 0 {
		t.Fatalf("%d events were published", n)
	}
	s.platform(`update connect_provider.lanes set lease_expires_at = now() where owner is not null`)

	option, spans := traced(t)
	w := s.work(option)
	events := s.awaitEvents(3)
	w.stop()
	published := named(spans, "publish TELEPHONY_EVENTS")
	if len(published) != 1 || published[0].Parent.IsValid() || len(published[0].Links) != 3 || len(spans.GetSpans()) != 1 {
		t.Fatalf("%d spans: %+v", len(spans.GetSpans()), published)
	}
	for i, event := range events {
		if event.Trace.Parent != traceParent(i) {
			t.Errorf("event %d has the context %q", i, event.Trace.Parent)
		}
		if published[0].Links[i].SpanContext.SpanID() != outbox.SpanContext(event.Trace).SpanID() {
			t.Errorf("link %d is to %v", i, published[0].Links[i].SpanContext)
		}
	}
}

// TestContextOutlivesARestore: events that are made again after a restore carry
// the contexts of their commands: the one that is missing in the stream, and the
// correction of the one that came out differently.
func TestContextOutlivesARestore(t *testing.T) {
	t.Parallel()
	s, postgres := newPrivateSystem(t)
	s.organization("acme", 1, 10, "+1555")
	option, spans := traced(t)
	observed, registry, _ := watched(t)
	w := s.work(option, observed)
	s.awaitReady(w)
	s.publishTraced(messages.Interactive, connectCommand("c0", "b0", 1, number("+1555", 0)), 0)
	s.awaitEvents(1)
	// what the copy has in its outbox would be published again
	s.awaitCount("empty outbox", 0, `select count(*) from connect_provider.outbox`)
	backup := postgres.BaseBackup(t)
	s.platform(`insert into telephony.bridges values ('acme', 'new')`)
	for i, bridge := range []string{"b0", "b0", "new", "b0"} {
		s.publishTraced(messages.Interactive, connectCommand(fmt.Sprintf("c%d", i+1), bridge, 1, number("+1555", i+1)), i+1)
	}
	before := s.awaitEvents(5)
	stream, err := s.js.Stream(t.Context(), messages.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(before[2].StreamSequence)); err != nil {
		t.Fatal(err)
	}
	spans.Reset()
	postgres.Restore(t, backup)
	s.awaitCount("all decided again", 5, `select count(*)::int from connect_provider.inbox`)
	after := s.awaitEvents(5)
	w.stop()
	for _, event := range after {
		var i int
		if _, err := fmt.Sscanf(event.CommandID, "c%d", &i); err != nil {
			t.Fatal(err)
		}
		if event.Trace.Parent != traceParent(i) {
			t.Errorf("the event of %s, corrects %v, has the context %q", event.CommandID, event.Corrects, event.Trace.Parent)
		}
	}
	late, corrected := measured(t, registry, "replayed_events_total", "late"), measured(t, registry, "replayed_events_total", "corrected")
	if late != 1 || corrected != 1 {
		t.Errorf("%v late, %v corrected: the test needs one of each", late, corrected)
	}
	sent, told := 0, 0
	for _, span := range named(spans, "publish TELEPHONY_EVENTS") {
		var n, of int
		_, _ = fmt.Sscan(attributesOf(span)["messaging.batch.message_count"], &n)
		if _, err := fmt.Sscan(attributesOf(span)["connect_provider.events"], &of); err != nil {
			of = n
		}
		sent, told = sent+n, told+of
	}
	if sent != 2 || told != 4 {
		t.Errorf("spans tell of %d events sent for %d outcomes, want 2 for 4", sent, told)
	}
}

// TestFailuresAreEventsOfOneSpan: whatever a batch goes through, it has one
// span.
func TestFailuresAreEventsOfOneSpan(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 1, 8, "+1555")
	s.refuse("c3", "22003")
	var commits faults.Commits
	option, spans := traced(t)
	observed, registry, _ := watched(t)
	w := s.work(option, observed, func(c *Config) {
		c.Database = openPool(t, s.databaseURL, func(p *pgxpool.Config) { p.ConnConfig.DialFunc = commits.Dial })
	})
	s.awaitReady(w)
	s.publishTraced(messages.Interactive, connectCommand("c3", "b0", 1, number("+1555", 3)), 3)
	s.awaitEvents(1)
	process := named(spans, "process TELEPHONY_COMMANDS")
	if got := eventsOf(process[0]); len(process) != 1 || !slices.Equal(got, []string{"retry data", "retry data", "isolated"}) {
		t.Errorf("%d spans, with %q", len(process), got)
	}
	if len(process[0].Events) == 3 && !strings.Contains(fmt.Sprint(process[0].Events[0].Attributes), "22003") {
		t.Errorf("no SQLSTATE in %v", process[0].Events[0].Attributes)
	}
	checkNothingPersonal(t, spans, "planted", "+1555")

	for n, lose := range []func(){commits.LoseReply, commits.LoseCommit} {
		// the COMMIT that is harmed may be that of a renewal or a clean-up: go on
		// until it was a batch's
		for round := 0; ; round++ {
			spans.Reset()
			doubts := measured(t, registry, "commits_in_doubt_total")
			lose()
			id := fmt.Sprintf("doubt-%d-%d", n, round)
			s.publishTraced(messages.Interactive, connectCommand(id, "b0", 1, number("+1555", n)), n)
			s.awaitCount(id, 1, `select count(*)::int from connect_provider.inbox where key = $1`, id)
			systemtest.Eventually(t, "the span to end", func() error {
				if len(named(spans, "process TELEPHONY_COMMANDS")) == 0 {
					return errors.New("no span")
				}
				return nil
			})
			commits := named(spans, "commit TELEPHONY_COMMANDS")
			if round < 300 && measured(t, registry, "commits_in_doubt_total") == doubts {
				continue
			}
			process := named(spans, "process TELEPHONY_COMMANDS")[0]
			if got := eventsOf(commits[0]); !slices.Equal(got, []string{"commit in doubt"}) {
				t.Errorf("the commit's events are %q", got)
			}
			if n == 0 && (len(commits) != 1 || commits[0].Status.Code != status.Unset || len(process.Events) != 0) {
				t.Errorf("a commit that happened: %d spans, status %v, %q", len(commits), commits[0].Status, eventsOf(process))
			}
			if n == 1 && (len(commits) != 2 || commits[0].Status.Code != status.Error || commits[1].Status.Code != status.Unset ||
				!slices.Equal(eventsOf(process), []string{"retry conflict"})) {
				t.Errorf("a commit that did not happen: %d spans, status %v, %q", len(commits), commits[0].Status, eventsOf(process))
			}
			for _, commit := range commits {
				if commit.Parent.SpanID() != process.SpanContext.SpanID() {
					t.Error("a commit is no child of its batch")
				}
			}
			break
		}
	}
}

// TestALostBatchIsAnError: a batch that was not applied says so, and why.
func TestALostBatchIsAnError(t *testing.T) {
	t.Parallel()
	exporter := tracetest.NewInMemoryExporter()
	tracing := newTracing(Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))})
	for _, test := range []struct {
		err  error
		want string
	}{{outbox.ErrLost, "lost"}, {errHandedBack, "handed_back"}} {
		exporter.Reset()
		span := tracing.process(messages.Lane{}, []*messages.Received{{}, {}})
		span.halved(2)
		span.end(context.Background(), fmt.Errorf("secret: %w", test.err))
		ended := exporter.GetSpans()[0]
		if ended.Status.Code != status.Error || ended.Status.Description != test.want || attributesOf(ended)["error.type"] != test.want {
			t.Errorf("%v: %v %v, want %s", test.err, ended.Status, ended.Attributes, test.want)
		}
		if got := eventsOf(ended); !slices.Equal(got, []string{"halved"}) {
			t.Errorf("events %q", got)
		}
	}
}

// TestTracingCostsNothingWhenOff makes all calls of a batch's way.
func TestTracingCostsNothingWhenOff(t *testing.T) {
	off := newTracing(DefaultConfig())
	ctx := context.Background()
	batch := []*messages.Received{{Trace: messages.Trace{Parent: traceParent(1)}}}
	failure := errors.New("planted")
	allocations := testing.AllocsPerRun(100, func() {
		span := off.process(messages.Lane{}, batch)
		span.retry(classData, failure)
		span.halved(2)
		span.isolated(batch[0])
		span.settling(1, 1)
		span.doubt()
		span.settled(ctx, failure)
		if within(ctx, span.context()) != ctx {
			t.Error("a context is made")
		}
		span.end(ctx, failure)
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
