package main

import (
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/cmd/internal/serve"
)

func TestHealthyTellsByItsExitCode(t *testing.T) {
	t.Parallel()
	var unready error
	server := httptest.NewServer(serve.HealthHandler(prometheus.NewRegistry(), func() error { return unready }))
	defer server.Close()
	address := server.Listener.Addr().String()

	if stdout, stderr := runs(t, 0, "healthy", "--listen", address); stdout != "ready\n" || stderr != "" {
		t.Errorf("ready: %q %q", stdout, stderr)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, everywhere := range []string{"0.0.0.0:" + port, ":" + port} {
		runs(t, 0, "healthy", "--listen", everywhere)
	}
	unready = errors.New("NATS: not connected")
	if _, stderr := runs(t, 1, "healthy", "--listen", address); stderr != "connect-provider: not ready: NATS: not connected (HTTP 503)\n" {
		t.Errorf("not ready: %q", stderr)
	}
	server.Close()
	if _, stderr := runs(t, 1, "healthy", "--listen", address); !strings.Contains(stderr, "no answer") {
		t.Errorf("nobody there: %q", stderr)
	}
	if _, stderr := runs(t, 2, "healthy", "--listen=", "--timeout=0s"); !strings.Contains(stderr, "is empty") || !strings.Contains(stderr, "--timeout") {
		t.Errorf("wrong settings: %q", stderr)
	}
}

// A server that takes the connection and never answers is not healthy.
func TestHealthyDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // nothing is left to lose
	if _, stderr := runs(t, 1, "healthy", "--listen", silent.Addr().String(), "--timeout=50ms"); !strings.Contains(stderr, "no answer") {
		t.Error(stderr)
	}
}

func TestWhereAListenerCanBeDialled(t *testing.T) {
	t.Parallel()
	for listens, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8080",
		"0.0.0.0:8080":   "127.0.0.1:8080",
		":8080":          "127.0.0.1:8080",
		"[::]:8080":      "[::1]:8080",
		"worker:8080":    "worker:8080",
	} {
		if got, err := reachable(listens); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", listens, got, err, want)
		}
	}
}
