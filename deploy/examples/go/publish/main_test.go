package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/demo"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }

func TestTellsTheOutcome(t *testing.T) {
	t.Parallel()
	server := startSystem(t)
	told := &bytes.Buffer{}
	if err := run(t.Context(), []string{"--server", server}, told); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(told.String(), "connected to sales-bridge-001 through twilio") {
		t.Errorf("it told: %s", told)
	}
	err := run(t.Context(), []string{"--server", server, "--bridge", "no-such-bridge"}, told)
	var failure *messages.Failure
	if !errors.As(err, &failure) || failure.Code != messages.BridgeNotFound {
		t.Errorf("no such bridge: %v", err)
	}
}

// startSystem starts NATS, and a worker on a database with the demo
// organization. It returns the server's URL.
func startSystem(t *testing.T) string {
	t.Helper()
	pool, err := worker.NewPool(t.Context(), systemtest.MigratedDatabase(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := demo.Load(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	server := systemtest.NATS(t).URL()
	nc, err := nats.Connect(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := worker.EnsureStreams(t.Context(), js, messages.StreamOptions{}, false); err != nil {
		t.Fatal(err)
	}
	config := worker.DefaultConfig()
	config.Database, config.NATS, config.Name = pool, nc, t.Name()
	config.Logger, config.Registerer = systemtest.Logger(t), prometheus.NewRegistry()
	w, err := worker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	return server
}
