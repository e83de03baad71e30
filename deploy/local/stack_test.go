package local_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/local"
)

func TestARestartKeepsURLsAndData(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := filepath.Join(tempDir(t), "stack")
	s := start(t, local.Options{Dir: dir})
	first := *s
	execute(t, s.DatabaseURL, "CREATE TABLE kept AS SELECT 42 AS answer")
	publish(t, s.NATSURL, "kept.1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = start(t, local.Options{Dir: dir})
	if s.NATSURL != first.NATSURL || s.DatabaseURL != first.DatabaseURL {
		t.Errorf("URLs changed from %s, %s to %s, %s", first.NATSURL, first.DatabaseURL, s.NATSURL, s.DatabaseURL)
	}
	conn, err := pgx.Connect(ctx, s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var answer int
	var encoding, locale string
	if err := conn.QueryRow(ctx, `SELECT (SELECT answer FROM kept), current_setting('server_encoding'),
		(SELECT datcollate FROM pg_database WHERE datname = current_database())`).Scan(&answer, &encoding, &locale); err != nil {
		t.Fatal(err)
	}
	if answer != 42 || encoding != "UTF8" || locale != "C" {
		t.Errorf("got %d, %s, %s", answer, encoding, locale)
	}
	if n := stored(t, s.NATSURL); n != 1 {
		t.Errorf("the stream has %d messages, want 1", n)
	}
}

func TestADirectoryServesOneStack(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "stack")
	start(t, local.Options{Dir: dir})
	_, err := local.Start(t.Context(), local.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Fatalf("got %v", err)
	}
}

func TestOthersOnTheMachineStayOutside(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "stack")
	s := start(t, local.Options{Dir: dir})
	for file, want := range map[string]os.FileMode{"postgres": 0o700, "postgres/data": 0o700, "postgres/password": 0o600} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", file, got, want)
		}
	}
	config, err := pgx.ParseConfig(s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "guessed"
	if _, err := pgx.ConnectConfig(t.Context(), config); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Fatalf("got %v", err)
	}
}

func TestAGivenDatabaseIsNotStarted(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Dir: filepath.Join(tempDir(t), "stack"), DatabaseURL: "postgres://elsewhere/db"})
	if s.DatabaseURL != "postgres://elsewhere/db" || s.PostgresDone() != nil {
		t.Fatalf("got %s", s.DatabaseURL)
	}
	publish(t, s.NATSURL, "kept.1")
}

func start(t *testing.T, o local.Options) *local.Stack {
	t.Helper()
	o.Unsynced = true
	s, err := local.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func tempDir(t *testing.T) string {
	t.Helper()
	dir, remove, err := local.TempDir("connect-provider-local-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := remove(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func startPostgres(t *testing.T, o local.PostgresOptions) *local.Postgres {
	t.Helper()
	p, err := local.StartPostgres(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func number(t *testing.T, url, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, url, subject string) {
	t.Helper()
	s := stream(t, url)
	if _, err := s.Publish(t.Context(), subject, []byte("x")); err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, url string) uint64 {
	t.Helper()
	s, err := stream(t, url).Stream(t.Context(), "KEPT")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func stream(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept.>"}}); err != nil {
		t.Fatal(err)
	}
	return js
}
