package processtest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// traceParent is the context of the nth command of a test.
func traceParent(n int) string { return fmt.Sprintf("00-%032x-%016x-01", 0xaaaa0000+n, 0xbbbb0000+n) }

// publishTraced publishes a command that connects a number, in a context of its
// own.
func (s *service) publishTraced(n int) {
	s.t.Helper()
	owner, err := messages.OrganizationFromHandle(handle(0))
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := messages.EncodeCommand(messages.Command{ID: fmt.Sprintf("c%d", n), BridgeSlug: bridge(messages.Interactive, 0),
		ProviderConfigID: firstTwilio, PhoneNumber: number(0, messages.Interactive, n)})
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = s.js.PublishMsg(s.t.Context(), &nats.Msg{Subject: messages.CommandSubject(messages.Interactive, owner, messages.VerbConnectProvider),
		Data: body, Header: nats.Header{"traceparent": {traceParent(n)}}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// checkContexts demands that each event has the context of its command.
func (s *service) checkContexts() {
	s.t.Helper()
	s.read(messages.EventsStream, func(m jetstream.Msg, _ uint64) {
		event, err := messages.DecodeEvent(m.Data())
		if err != nil {
			s.t.Fatal(err)
		}
		var n int
		if _, err := fmt.Sscanf(event.CommandID, "c%d", &n); err != nil || event.Trace.Parent != traceParent(n) {
			s.t.Errorf("the event of %s has the context %q", event.CommandID, event.Trace.Parent)
		}
	})
}

// TestSpansAreFlushedAtSIGTERM: with an interval of an hour nothing is exported
// but at the end; then all of it is.
func TestSpansAreFlushedAtSIGTERM(t *testing.T) {
	collector := systemtest.Collector(t)
	s := newService(t)
	s.loadPlatform()
	s.environment = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL(), "OTEL_BSP_SCHEDULE_DELAY=3600000", "CONNECT_PROVIDER_NAME=named"}
	w := s.work()
	s.publishTraced(1)
	s.awaitGrowth(messages.EventsStream, 1)
	if n := collector.Connections(); n != 0 {
		t.Errorf("the collector was dialled %d times before the end", n)
	}
	w.stop()
	found := map[string]systemtest.Span{}
	for _, span := range collector.Spans() {
		found[span.Name] = span
	}
	process := found["process TELEPHONY_COMMANDS"]
	if len(found) != 3 || process.Kind != tracepb.Span_SPAN_KIND_CONSUMER || len(process.Links) != 1 || process.Resource["service.name"] != "connect-provider" ||
		process.Resource["service.instance.id"] != "named" || !strings.Contains(traceParent(1), "-"+hex.EncodeToString(process.ParentSpanId)+"-") {
		t.Fatalf("%d spans; %v", len(found), process)
	}
	for name, span := range found {
		if !strings.Contains(traceParent(1), "-"+hex.EncodeToString(span.TraceId)+"-") {
			t.Errorf("%s is in another trace: %x", name, span.TraceId)
		}
	}
	s.checkContexts()
}

// TestNothingIsDialledWithoutBeingAsked: an endpoint alone does not do it where
// spans are turned off.
func TestNothingIsDialledWithoutBeingAsked(t *testing.T) {
	collector := systemtest.Collector(t)
	s := newService(t)
	s.loadPlatform()
	for n, off := range []string{"OTEL_TRACES_EXPORTER=none", "OTEL_SDK_DISABLED=true"} {
		s.environment = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL(), "OTEL_BSP_SCHEDULE_DELAY=1", off}
		w := s.work()
		s.publishTraced(n)
		s.awaitGrowth(messages.EventsStream, n+1)
		w.stop()
	}
	if n := collector.Connections(); n != 0 {
		t.Errorf("the collector was dialled %d times", n)
	}
	s.checkContexts()
}

// TestACollectorThatIsAway: the work goes on, the worker ends in time and well,
// and its log has the failure in one line, whatever the libraries have to say.
func TestACollectorThatIsAway(t *testing.T) {
	s := newService(t)
	s.loadPlatform()
	s.environment = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY=1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
		"GRPC_GO_LOG_SEVERITY_LEVEL=info"}
	w := s.work()
	for n := range 5 {
		s.publishTraced(n)
		s.awaitGrowth(messages.EventsStream, n+1)
	}
	w.stop()
	log, err := os.ReadFile(w.log)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for line := range strings.Lines(string(log)) {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("not through the logger: %s", line)
		}
		if strings.Contains(line, "spans") && strings.Contains(line, `"warn"`) {
			told++
		}
	}
	if told == 0 || told > 2 {
		t.Errorf("%d lines on it:\n%s", told, log)
	}
}

// TestContextOutlivesAKill: a worker is killed with events committed that the
// stream, being full, has not taken. The next one publishes them, with their
// commands' contexts.
func TestContextOutlivesAKill(t *testing.T) {
	s := newService(t)
	s.loadPlatform()
	w := s.work()
	s.publishTraced(0)
	s.awaitGrowth(messages.EventsStream, 1)
	s.limitEvents(1)
	const more = 5
	for n := range more {
		s.publishTraced(n + 1)
	}
	systemtest.Eventually(t, "events to wait in the outbox", func() error {
		if s.count(`select count(*)::int from connect_provider.outbox where sequence > 1`) == 0 {
			return errors.New("none")
		}
		return nil
	})
	w.kill()
	if n := s.size(messages.EventsStream); n != 1 {
		t.Fatalf("%d events were published before the kill", n)
	}
	s.limitEvents(-1)
	collector := systemtest.Collector(t)
	s.environment = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL()}
	w.start()
	s.awaitGrowth(messages.EventsStream, 1+more)
	w.stop()
	s.checkContexts()
	linked := 0
	for _, span := range collector.Spans() {
		if span.Name == "publish TELEPHONY_EVENTS" && len(span.ParentSpanId) == 0 {
			linked += len(span.Links)
		}
	}
	if linked == 0 {
		t.Error("no span tells of what the killed worker left")
	}
}

// limitEvents lets the events stream hold so many events, -1 any number.
func (s *service) limitEvents(most int64) {
	s.t.Helper()
	ctx := context.Background()
	stream, err := s.js.Stream(ctx, messages.EventsStream)
	if err != nil {
		s.t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxMsgs = most
	if _, err := s.js.UpdateStream(ctx, config); err != nil {
		s.t.Fatal(err)
	}
}
