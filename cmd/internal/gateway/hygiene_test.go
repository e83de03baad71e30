package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestTheOrderOfWhatIsWrong: each request has all that is wrong from its line on.
func TestTheOrderOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	g := b.serve()
	wrong := []struct {
		status int
		code   messages.Code
		change func(*asked)
	}{
		{405, codeMethodNotAllowed, func(a *asked) { a.method = http.MethodPut }},
		{415, codeUnsupportedMedia, with("Content-Type", "text/plain")},
		{413, codeBodyTooLarge, content(strings.Repeat(" ", messages.MaxBody) + "!")},
		{401, codeTokenMissing, with("Authorization", "")},
		{400, codeOrgHandleMissing, with("Org-Handle", "")},
		{403, messages.OrganizationMismatch, with("Org-Handle", "globex")},
		{400, codeKeyInvalid, key("an order")},
		{400, messages.MalformedCommand, content("{")},
		{404, messages.BridgeNotFound, to("nowhere")},
	}
	for i, first := range wrong {
		var changes []func(*asked)
		// the earlier in the table, the later it is applied: of two that change the
		// same, the earlier one stands
		for j := len(wrong) - 1; j >= i; j-- {
			changes = append(changes, wrong[j].change)
		}
		g.ask(changes...).has(t, first.status, first.code)
	}
}

func TestTokensAreKeptForAWhile(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	g := b.serve()
	now := time.Now()
	g.tokens.now = func() time.Time { return now }
	g.ask(about("none")).has(t, 404, codeOutcomeUnknown)
	b.sql(`delete from telephony.api_tokens where token_sha256 = $1`, sum(acmeToken))
	now = now.Add(tokenTTL - time.Millisecond)
	g.ask(about("none")).has(t, 404, codeOutcomeUnknown)
	now = now.Add(time.Millisecond)
	g.ask(about("none")).has(t, 401, codeTokenUnknown)
	b.sql(`insert into telephony.api_tokens (token_sha256, domain_handle) values ($1, 'acme')`, sum(acmeToken))
	g.ask(about("none")).has(t, 404, codeOutcomeUnknown) // a new token works at once
}

func TestTheTokenCacheIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tokens := newTokens(nil)
	tokens.now = func() time.Time { return now }
	fill := func(n int, until time.Time) {
		for i := range n {
			tokens.known[digest{byte(i), byte(i >> 8), byte(i >> 16), byte(len(tokens.known))}] = owner{"acme", until}
		}
	}
	fill(10, now)
	fill(20, now.Add(time.Second))
	if tokens.forget(); len(tokens.known) != 20 {
		t.Errorf("%d tokens are known, 20 are valid", len(tokens.known))
	}
	fill(mostTokens, now.Add(time.Second))
	if tokens.forget(); len(tokens.known) != 0 {
		t.Errorf("%d tokens are known", len(tokens.known))
	}
}

// TestTheTokenGoesNowhere: not into logs, messages, events, spans, nor to whom
// the caller made a mistake.
func TestTheTokenGoesNowhere(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	spans := tracetest.NewSpanRecorder()
	g := b.serve(func(c *Config) { c.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)) })
	secret := strings.ToUpper(acmeToken)
	b.sql(`insert into telephony.api_tokens (token_sha256, domain_handle) values ($1, 'acme')`, sum(secret))
	mine := from(secret, "acme")
	var all strings.Builder
	for _, change := range [][]func(*asked){
		{mine}, {mine, to("nowhere")}, {mine, content("{")}, {mine, with("Org-Handle", "globex")},
		{with("Authorization", "Bearer "+secret)}, {with("Authorization", secret)}, {mine, about("none")}, {mine, at(http.MethodGet, "/")},
		{mine, func(a *asked) { a.header["Authorization"] += "x" }},
	} {
		all.WriteString(g.ask(change...).String())
	}
	for _, stream := range []string{messages.Interactive.Stream(), messages.EventsStream} {
		b.read(stream, func(m jetstream.Msg) {
			all.Write(m.Data())
			for name, values := range m.Headers() {
				all.WriteString(name + strings.Join(values, ""))
			}
		})
	}
	for _, span := range spans.Ended() {
		all.WriteString(span.Name())
		for _, attribute := range span.Attributes() {
			all.WriteString(string(attribute.Key) + attribute.Value.String())
		}
		for _, event := range span.Events() {
			all.WriteString(event.Name)
		}
		all.WriteString(span.Status().Description)
	}
	if len(spans.Ended()) < 9 {
		t.Errorf("%d spans", len(spans.Ended()))
	}
	all.WriteString(g.log.String())
	if text := all.String(); strings.Contains(text, secret) {
		t.Errorf("the token is in %s", text)
	}
	if strings.Contains(g.log.String(), "1234567890") {
		t.Error("a phone number is in the log")
	}
}

// read reads a whole stream.
func (b *bed) read(stream string, each func(jetstream.Msg)) {
	b.t.Helper()
	consumer, err := b.js.OrderedConsumer(b.t.Context(), stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.t.Fatal(err)
	}
	for range b.stored(stream) {
		m, err := consumer.Next()
		if err != nil {
			b.t.Fatal(err)
		}
		each(m)
	}
}

func TestRequestIDsAreInAnswersAndLogs(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	g := b.serve()
	if id := g.ask(with("X-Request-Id", "call-17"), key("seventeen")).header.Get("X-Request-Id"); id != "call-17" {
		t.Errorf("the answer has the request id %q", id)
	}
	systemtest.Eventually(t, "the line in the log", func() error {
		return notYet(strings.Contains(g.log.String(), `"request_id":"call-17","route":"connect","status":200,"organization":"acme","command_id":"seventeen"`))
	})
	for _, unfit := range []string{"", "a b", strings.Repeat("x", 200)} {
		if id := g.ask(with("X-Request-Id", unfit)).header.Get("X-Request-Id"); id == "" || id == unfit {
			t.Errorf("for %q the answer has the request id %q", unfit, id)
		}
	}
}

// TestTheTraceReachesTheEvent, with and without spans of the gateway's own.
func TestTheTraceReachesTheEvent(t *testing.T) {
	t.Parallel()
	const trace = "0af7651916cd43dd8448eb211c80319c"
	b := newBed(t)
	b.work()
	spans := tracetest.NewSpanRecorder()
	for _, g := range []*running{b.serve(), b.serve(func(c *Config) {
		c.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	})} {
		g.ask(with("traceparent", "00-"+trace+"-b7ad6b7169203331-01"), with("tracestate", "vendor=1")).has(t, 200, "")
	}
	b.read(messages.EventsStream, func(m jetstream.Msg) {
		event, err := messages.DecodeEvent(m.Data())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(event.Trace.Parent, "00-"+trace) || event.Trace.State != "vendor=1" {
			t.Errorf("the event has the trace %+v", event.Trace)
		}
	})
	systemtest.Eventually(t, "the spans", func() error { return notYet(len(spans.Ended()) == 2) })
	publish, serve := spans.Ended()[0], spans.Ended()[1]
	if publish.Parent().SpanID() != serve.SpanContext().SpanID() || serve.Parent().SpanID().String() != "b7ad6b7169203331" ||
		serve.Name() != "POST /api/v2/platform/telephony/bridges/{slug}/connect-provider/" {
		t.Errorf("spans: %s below %s, %s below %s", publish.Name(), publish.Parent().SpanID(), serve.Name(), serve.Parent().SpanID())
	}
}

// TestADefectIsAnswered: a request that breaks the code harms no other.
func TestADefectIsAnswered(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	g := b.serve()
	limit := g.limit
	g.limit = nil
	g.ask().has(t, 500, messages.InternalError)
	g.limit = limit
	g.ask().has(t, 200, "")
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{}.Validate()
	for _, want := range []string{"wait", "publish timeout", "drain timeout", "in flight"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of the %s: %v", want, err)
		}
	}
}

// TestReadyOnlyWithTokens: a gateway that can't look tokens up has never been
// ready, and says why.
func TestReadyOnlyWithTokens(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	pool, err := pgxpool.New(context.Background(), systemtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	g := b.start(func(c *Config) { c.Database = pool })
	systemtest.Eventually(t, "the reason", func() error {
		return notYet(g.Ready() != nil && strings.Contains(g.Ready().Error(), "telephony.api_tokens"))
	})
}
