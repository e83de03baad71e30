package systemtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/testcontainers/testcontainers-go"

	"connect-provider/deploy/local"
)

// sharedSettings leave room for many parallel tests with pools of their own.
var sharedSettings = map[string]string{"max_connections": "400", "shared_buffers": "64MB"}

// Database makes an empty database for the test, on the server that all tests
// of this process share, and gives its URL (as superuser). It is dropped at the
// test's end.
func Database(t testing.TB) string {
	t.Helper()
	return createDatabase(t, "template1")
}

func createDatabase(t testing.TB, template string) string {
	t.Helper()
	server := sharedURL(t)
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(server, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, template)); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(server, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return withDatabase(server, name)
}

func sharedURL(t testing.TB) string {
	t.Helper()
	containers := inContainers(t)
	server, err := sharedServer(containers)
	if err != nil {
		t.Fatalf("shared Postgres: %v", err)
	}
	return server
}

var (
	sharedOnce  sync.Once
	sharedAt    string
	sharedError error
)

// sharedServer starts the process's server at first use.
func sharedServer(containers bool) (string, error) {
	sharedOnce.Do(func() {
		ctx, cancel := startContext()
		defer cancel()
		if containers {
			sharedAt, sharedError = startSharedContainer(ctx)
		} else {
			sharedAt, sharedError = startSharedLocal(ctx)
		}
	})
	return sharedAt, sharedError
}

func startSharedLocal(ctx context.Context) (string, error) {
	dir, err := newDir("shared-postgres")
	if err != nil {
		return "", err
	}
	p, err := local.StartPostgres(ctx, local.PostgresOptions{Dir: dir, Unsynced: true, Settings: sharedSettings})
	if err != nil {
		return "", err
	}
	atEnd(p.Close)
	return p.URL(), nil
}

func startSharedContainer(ctx context.Context) (string, error) {
	password := rand.Text()
	command := []string{"postgres", "-c", "fsync=off", "-c", "full_page_writes=off"}
	for name, value := range sharedSettings {
		command = append(command, "-c", name+"="+value)
	}
	c, err := runContainer(ctx, testcontainers.ContainerRequest{
		Image:        postgresImage,
		Env:          map[string]string{"POSTGRES_PASSWORD": password},
		Cmd:          command,
		ExposedPorts: []string{"5432/tcp"},
	})
	if err != nil {
		return "", err
	}
	port, err := c.MappedPort(ctx, "5432/tcp")
	if err != nil {
		return "", errors.Join(err, removeContainer(c))
	}
	atEnd(func() error { return removeContainer(c) })
	server := fmt.Sprintf("postgres://postgres:%s@%s:%s/postgres?sslmode=disable", password, containerHost(), port.Port())
	// The image's first start runs a server for initialization that listens on
	// no TCP port, so who gets a connection has reached the real one.
	return server, retry(ctx, func() error { return executeIn(ctx, server, "SELECT 1") })
}

func execute(server, sql string) error {
	ctx, cancel := startContext()
	defer cancel()
	return executeIn(ctx, server, sql)
}

func executeIn(ctx context.Context, server, sql string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

func withDatabase(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	u.Path = "/" + name
	return u.String()
}
