package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/systemtest"
)

// TestTheGatewayWithTheUsersThatAreShipped runs streams, worker and gateway each
// with its own NATS user, over TLS, and makes the document's call.
func TestTheGatewayWithTheUsersThatAreShipped(t *testing.T) {
	t.Parallel()
	server, database := systemtest.Guarded(t, "tls.conf"), systemtest.MigratedDatabase(t)
	as := func(command, user string, more ...string) []string {
		return append([]string{command, "--nats-url", server.URL, "--nats-tls-ca", server.Credentials + "/ca.crt", "--nats-nkey", server.User(user)}, more...)
	}
	runs(t, 0, as("streams", "administrator", "--nats-js-domain", "telephony")...)
	loadDemo(t, database)
	const token = "s3cret-of-acme"
	addToken(t, database, token)
	background(t, as("worker", "worker", "--database-url", database, "--listen", "127.0.0.1:0")...)
	gateway := background(t, as("gateway", "gateway", "--nats-js-domain", "telephony", "--database-url", database, "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0")...)

	api := "http://" + regexp.MustCompile(`"api_address":"([^"]+)"`).FindStringSubmatch(gateway.stderr.String())[1]
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/api/v2/platform/telephony/bridges/sales-bridge-001/connect-provider/",
		strings.NewReader(`{"provider_config_id": 42, "phone_number": "+1234567890"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Token " + token}, "Org-Handle": {"acme"}, "Content-Type": {"application/json"}, "Idempotency-Key": {"one"}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		t.Errorf("answered %s %s, %v", response.Status, body, err)
	}
	metrics, err := get(gateway.address+"/metrics", http.StatusOK)
	if err != nil || !strings.Contains(metrics, `connect_provider_gateway_requests_total{route="connect",status="200"} 1`) || !strings.Contains(metrics, "go_goroutines") {
		t.Errorf("metrics: %v\n%s", err, metrics)
	}
	gateway.end(t)
	log := gateway.stderr.String()
	if !strings.Contains(log, "draining") {
		t.Errorf("log: %s", log)
	}
	for _, unwanted := range []string{token, "+1234567890", "Permissions Violation"} {
		if strings.Contains(log, unwanted) {
			t.Errorf("%q is in the log: %s", unwanted, log)
		}
	}
}

func addToken(t *testing.T, database, token string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	sum := sha256.Sum256([]byte(token))
	if _, err := conn.Exec(t.Context(), `insert into telephony.api_tokens (token_sha256, domain_handle) values ($1, 'acme')`, sum[:]); err != nil {
		t.Fatal(err)
	}
}

// role is a role of the service that runs until the test ends it.
type role struct {
	stderr  output
	address string // of its health
	stop    context.CancelFunc
	ended   chan int
}

// background starts a role and waits until it is ready.
func background(t *testing.T, args ...string) *role {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &role{stop: interrupt, ended: make(chan int, 1)}
	go func() { r.ended <- run(ctx, args, io.Discard, &r.stderr) }()
	t.Cleanup(func() { r.end(t) })
	systemtest.Eventually(t, args[0]+" is ready", func() error {
		found := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(r.stderr.String())
		if found == nil {
			return fmt.Errorf("no address in %s", r.stderr.String())
		}
		r.address = "http://" + found[1]
		_, err := get(r.address+"/readyz", http.StatusOK)
		return err
	})
	return r
}

// end interrupts a role, and demands that it ends well.
func (r *role) end(t *testing.T) {
	t.Helper()
	r.stop()
	code := <-r.ended
	if code != 0 {
		t.Errorf("after a signal it ended with %d\n%s", code, r.stderr.String())
	}
	r.ended <- code // for who asks again
}
