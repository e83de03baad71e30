package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/demo"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

// TestCommandsAsTheUsersThatAreShipped runs the commands against a server with
// the shipped configuration, TLS too, each as the user who is to run it.
func TestCommandsAsTheUsersThatAreShipped(t *testing.T) {
	t.Parallel()
	server := systemtest.Guarded(t, "tls.conf", "acme", "example.com")
	database := systemtest.MigratedDatabase(t)
	workAs(t, server, database)
	without := func(user string, more ...string) []string {
		return append(more, "--server", server.URL, "--nats-tls-ca", filepath.Join(server.Credentials, "ca.crt"), "--nats-nkey", server.User(user))
	}
	as := func(user string, more ...string) []string {
		return append(without(user, more...), "--nats-js-domain", "telephony")
	}
	publish := func(id, org, number string) []string {
		return []string{"publish", "--org", org, "--bridge", "sales-bridge-001", "--provider-config", "42", "--phone", number, "--wait", "30s", "--id", id}
	}

	out, _ := runs(t, 0, as("producer@acme", publish("order-1", "acme", "+1234567890")...)...)
	contains(t, out, "as sequence 1 of TELEPHONY_COMMANDS", "connected")
	out, _ = runs(t, 0, as("producer@acme", publish("order-1", "acme", "+1234567890")...)...)
	contains(t, out, "decided before")
	out, _ = runs(t, exitFailed, as("producer@acme", publish("order-1", "acme", "+1234567892")...)...)
	contains(t, out, "failed", "command_id_reused", "an id of its own")
	out, _ = runs(t, exitFailed, as("producer@acme", append(publish("order-1", "acme", "+1234567892"), "--json")...)...)
	contains(t, out, `"outcome": "failed"`, `"code": "command_id_reused"`)
	out, _ = runs(t, exitFailed, without("producer@acme", publish("order-2", "acme", "+1999")...)...)
	contains(t, out, "failed", "not linked")
	out, _ = runs(t, 0, as("producer@acme", append(publish("order-3", "acme", "+1234567890"), "--class", "bulk")...)...)
	contains(t, out, "of TELEPHONY_BULK", "as it was already")
	out, _ = runs(t, exitFailed, as("producer@example.com", publish("order-1", "example.com", "+1999")...)...)
	contains(t, out, "failed")
	_, stderr := runs(t, 1, as("producer@example.com", publish("order-4", "acme", "+1234567890")...)...)
	contains(t, stderr, "telephony.commands.acme.connect-provider")

	watch := []string{"watch", "--org", "acme", "--consumer", "acme~consumer", "--count", "5", "--since", "start"}
	out, _ = runs(t, 0, as("consumer@acme", watch...)...)
	contains(t, out, "order-1", "order-2", "order-3")
	_, _ = runs(t, 1, as("consumer@example.com", watch...)...)

	out, _ = runs(t, 0, as("operator", publish("order-5", "acme", "+1234567890")...)...)
	contains(t, out, "as it was already")
	out, _ = runs(t, 0, as("operator", "watch", "--since", "start", "--until-now")...)
	contains(t, out, "order-1", "order-5", "example.com")
	out, _ = runs(t, 0, as("operator", "status", "--database-url", database)...)
	contains(t, out, "TELEPHONY_BULK", "TELEPHONY_EVENTS")
	runs(t, 0, "pause", "--org", "acme", "--reason", "test", "--database-url", database)
	out, stderr = runs(t, 0, as("operator", "resume", "--org", "acme", "--database-url", database)...)
	if strings.Contains(out+stderr, "could not be told") {
		t.Errorf("the workers were not told:\n%s%s", out, stderr)
	}
}

// workAs makes the streams as the administrator, and runs a worker as the
// worker's user until the test ends.
func workAs(t *testing.T, server *systemtest.GuardedNATS, database string) {
	t.Helper()
	connect := func(user string) *nats.Conn {
		key, err := nats.NkeyOptionFromSeed(server.User(user))
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect(server.URL, key, nats.RootCAs(filepath.Join(server.Credentials, "ca.crt")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	js, err := jetstream.NewWithDomain(connect("administrator"), "telephony")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := worker.EnsureStreams(t.Context(), js, messages.StreamOptions{
		InteractiveMaxBytes: 1 << 24, BulkMaxBytes: 1 << 24, EventsMaxBytes: 1 << 24}, false); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // what it did is done
	if err := demo.Load(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	config := worker.DefaultConfig()
	pool, err := worker.NewPool(t.Context(), database, config.InFlight)
	if err != nil {
		t.Fatal(err)
	}
	config.Database, config.NATS, config.Name = pool, connect("worker"), "worker"
	config.Logger, config.Registerer = systemtest.Logger(t), prometheus.NewRegistry()
	w, err := worker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		drain()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		pool.Close()
	})
}
