package systemtest

import (
	"context"
	"testing"

	"connect-provider/deploy/faults"
)

// PostgresServer is a Postgres server of the test's own, with an empty database.
// URL and data stay the same over restarts.
type PostgresServer struct {
	host postgresHost
	t    testing.TB
}

// postgresHost is where the server runs: on this machine or in a container.
type postgresHost interface {
	url() string
	dataDir() string
	ownPort() int                    // as seen from servers beside it
	start(ctx context.Context) error // no error if it runs
	stop(ctx context.Context) error  // fast shutdown; no error if it does not run
	kill(ctx context.Context) error  // SIGKILL to the postmaster; no error if it does not run
	// shell runs a script where the data directory is, with rights to it.
	shell(ctx context.Context, script string, args ...string) (string, error)
	// second is a place for one more server beside this one. Its data directory
	// does not exist yet, its parent does; it has the same password.
	second(ctx context.Context) (postgresHost, error)
	remove() error // ends it for good, in whatever state it is
}

// privateSettings let a test copy the running cluster and stream from it.
var privateSettings = map[string]string{"wal_level": "replica", "wal_keep_size": "1GB", "max_wal_senders": "10", "hot_standby": "on"}

// PrivatePostgres starts a server that ends with the test. Sharing one
// (Database) is much cheaper where the server itself stays unharmed.
func PrivatePostgres(t testing.TB) *PostgresServer {
	t.Helper()
	var host postgresHost
	var err error
	if inContainers(t) {
		host, err = newPostgresContainer()
	} else {
		host, err = newPostgresLocal()
	}
	if err != nil {
		t.Fatalf("private Postgres: %v", err)
	}
	return adoptPostgres(t, host)
}

// adoptPostgres starts the server and ends it with the test.
func adoptPostgres(t testing.TB, host postgresHost) *PostgresServer {
	t.Helper()
	s := &PostgresServer{host: host, t: t}
	t.Cleanup(func() {
		if err := host.remove(); err != nil {
			t.Errorf("remove Postgres: %v", err)
		}
	})
	s.Start()
	return s
}

// URL connects as superuser.
func (s *PostgresServer) URL() string { return s.host.url() }

// DataDir is the data directory, on this machine or in the container.
func (s *PostgresServer) DataDir() string { return s.host.dataDir() }

// Start starts a stopped or killed server and returns when connections succeed.
func (s *PostgresServer) Start() {
	s.t.Helper()
	s.do("start", s.host.start)
}

// Stop shuts the server down: sessions end at once, transactions in progress
// are rolled back. Start brings it back.
func (s *PostgresServer) Stop() {
	s.t.Helper()
	s.do("stop", s.host.stop)
}

// Restart is Stop and Start.
func (s *PostgresServer) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// Kill sends the postmaster kill -9. Its sessions end by themselves within a
// moment, as after a crash; what they do until then may still commit.
func (s *PostgresServer) Kill() {
	s.t.Helper()
	s.do("kill", s.host.kill)
}

// Pause stops all processes of the server where they are: connections stand,
// nothing answers. Resume before anything else is done with it.
func (s *PostgresServer) Pause() {
	s.t.Helper()
	s.do("pause", func(ctx context.Context) error { return faults.PauseCluster(ctx, s.host.shell, s.DataDir()) })
}

// Resume ends Pause.
func (s *PostgresServer) Resume() {
	s.t.Helper()
	s.do("resume", func(ctx context.Context) error { return faults.ResumeCluster(ctx, s.host.shell, s.DataDir()) })
}

func (s *PostgresServer) do(what string, f func(context.Context) error) {
	s.t.Helper()
	ctx, cancel := startContext()
	defer cancel()
	if err := f(ctx); err != nil {
		s.t.Fatalf("%s Postgres: %v", what, err)
	}
}
