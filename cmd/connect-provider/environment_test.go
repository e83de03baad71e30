package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connect-provider/deploy/systemtest"
)

// Not parallel: the environment is the process's.
func TestSettingsFromTheEnvironmentAreLoggedMasked(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("nats-s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"DATABASE_URL":               systemtest.Database(t), // not migrated, so the worker ends
		"DATABASE_PASSWORD":          databasePassword(t),
		"NATS_URL":                   "nats://127.0.0.1:1",
		"NATS_USER":                  "worker",
		"NATS_PASSWORD_FILE":         password,
		"CONNECT_PROVIDER_LEASE_TTL": "7s",
		"CONNECT_PROVIDER_NAME":      "named",
		"CONNECT_PROVIDER_LISTEN":    "127.0.0.1:0",
	} {
		t.Setenv(name, value)
	}
	_, stderr := runs(t, exitSchema, "worker", "--lease-ttl=8s")
	first, _, _ := strings.Cut(stderr, "\n")
	for _, want := range []string{`"message":"starting"`, `"lease-ttl":"8s"`, `"name":"named"`, `"nats-user":"worker"`, `"batch-size":"1000"`, `:xxxxx@`, `"database-password":"xxxxx"`} {
		if !strings.Contains(first, want) {
			t.Errorf("%s is not in %s", want, first)
		}
	}
	for _, secret := range []string{"nats-s3cret", databasePassword(t)} {
		if strings.Contains(stderr, secret) {
			t.Errorf("logged: %s", stderr)
		}
	}
}

// Not parallel: the environment is the process's.
func TestWrongTracingVariablesAreToldBeforeAnythingIsDialled(t *testing.T) {
	for name, value := range map[string]string{
		"DATABASE_URL":                "postgres://h/d",
		"NATS_URL":                    nowhere,
		"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317",
		"OTEL_EXPORTER_OTLP_PROTOCOL": "grcp",
		"OTEL_EXPORTER_OTLP_HEADERS":  "api-key s3cret",
		"OTEL_TRACES_SAMPLER":         "sometimes",
	} {
		t.Setenv(name, value)
	}
	_, stderr := runs(t, 2, "worker")
	for _, want := range []string{"4 problems", "OTEL_EXPORTER_OTLP_ENDPOINT", `"grcp"`, "OTEL_EXPORTER_OTLP_HEADERS", `"sometimes"`} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%s is not in %s", want, stderr)
		}
	}
	if strings.Contains(stderr, "s3cret") {
		t.Errorf("a secret is shown: %s", stderr)
	}
}

// databasePassword is the one of the shared test server.
func databasePassword(t *testing.T) string {
	t.Helper()
	_, rest, _ := strings.Cut(strings.TrimPrefix(systemtest.Database(t), "postgres://"), ":")
	password, _, _ := strings.Cut(rest, "@")
	return password
}
