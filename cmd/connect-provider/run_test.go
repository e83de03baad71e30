package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/demo"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestStreamsAsTheAdministrator makes the streams with the permissions that are
// shipped.
func TestStreamsAsTheAdministrator(t *testing.T) {
	t.Parallel()
	server := systemtest.Guarded(t, "tls.conf")
	as := func(user string, more ...string) []string {
		return append([]string{"streams", "--nats-url", server.URL, "--nats-tls-ca", server.Credentials + "/ca.crt", "--nats-nkey", server.User(user)}, more...)
	}
	if out, _ := runs(t, 0, as("administrator", "--nats-js-domain", "telephony")...); strings.Count(out, "created") != 3 {
		t.Errorf("streams says %q", out)
	}
	if out, _ := runs(t, 0, as("administrator", "--nats-js-domain", "telephony", "--events-max-age", "48h", "--mend")...); !strings.Contains(out, "as they should be") {
		t.Errorf("streams says %q", out)
	}
	_, stderr := runs(t, 1, as("administrator")...)
	if !strings.Contains(stderr, "NATS_JS_DOMAIN") {
		t.Errorf("without the domain streams says %q", stderr)
	}
	runs(t, 1, as("operator", "--nats-js-domain", "telephony", "--events-max-age", "72h", "--mend")...)
	runs(t, 2, as("administrator", "--nats-js-domain", "a.b")...)
}

func TestACommandThroughTheWholeService(t *testing.T) {
	t.Parallel()
	server, database := systemtest.NATS(t), systemtest.Database(t)
	if out, _ := runs(t, 0, "migrate", "--database-url", database); !strings.Contains(out, "fits this release") {
		t.Errorf("migrate says %q", out)
	}
	runs(t, 0, "migrate", "--database-url", database)
	if out, _ := runs(t, 0, "streams", "--nats-url", server.URL()); strings.Count(out, "created") != 3 {
		t.Errorf("streams says %q", out)
	}
	if out, _ := runs(t, 0, "streams", "--nats-url", server.URL()); !strings.Contains(out, "as they should be") {
		t.Errorf("streams says %q", out)
	}
	loadDemo(t, database)

	ctx, interrupt := context.WithCancel(t.Context())
	var stderr output
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"worker", "--database-url", database, "--nats-url", server.URL(), "--listen", "127.0.0.1:0"}, io.Discard, &stderr)
	}()
	address := ""
	systemtest.Eventually(t, "the worker is ready", func() error {
		found := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(stderr.String())
		if found == nil {
			return fmt.Errorf("no address in %s", stderr.String())
		}
		address = "http://" + found[1]
		_, err := get(address+"/readyz", http.StatusOK)
		return err
	})
	if _, err := get(address+"/livez", http.StatusOK); err != nil {
		t.Error(err)
	}

	event := publishAndAwait(t, server.URL())
	if event.Type != messages.EventConnected || event.CommandID != "the-first" {
		t.Errorf("got %v", event)
	}
	metrics, err := get(address+"/metrics", http.StatusOK)
	if err != nil || !strings.Contains(metrics, `connect_provider_outcomes_total{class="interactive",code="connected"} 1`) || !strings.Contains(metrics, "go_goroutines") {
		t.Errorf("metrics: %v\n%s", err, metrics)
	}

	interrupt()
	if code := <-ended; code != 0 {
		t.Errorf("after a signal the worker ended with %d\n%s", code, stderr.String())
	}
	if log := stderr.String(); strings.Contains(log, "+1234567890") || !strings.Contains(log, "draining") {
		t.Errorf("log: %s", log)
	}
}

func loadDemo(t *testing.T, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if err := demo.Load(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}

func publishAndAwait(t *testing.T, url string) messages.Event {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.Publish(t.Context(), "telephony.commands.acme.connect-provider",
		[]byte(`{"command_id":"the-first","bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890"}`))
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.OrderedConsumer(t.Context(), messages.EventsStream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	message, err := consumer.Next()
	if err != nil {
		t.Fatal(err)
	}
	event, err := messages.DecodeEvent(message.Data())
	if err != nil {
		t.Fatal(err)
	}
	return event
}

func get(url string, wantStatus int) (body string, err error) {
	response, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != wantStatus {
		err = fmt.Errorf("%s answers %s: %s", url, response.Status, content)
	}
	return string(content), err
}
