package systemtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/systemtest"
)

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	a, b := systemtest.Database(t), systemtest.Database(t)
	execute(t, a, "CREATE TABLE mine ()")
	execute(t, b, "CREATE TABLE mine ()")
}

func TestMigratedDatabaseHasBothSchemas(t *testing.T) {
	t.Parallel()
	for range 2 {
		if n := number(t, systemtest.MigratedDatabase(t), "SELECT count(*) FROM pg_namespace WHERE nspname IN ('telephony', 'connect_provider')"); n != 2 {
			t.Fatalf("%d schemas, want 2", n)
		}
	}
}

func TestPostgresComesBackWithItsData(t *testing.T) {
	t.Parallel()
	s := systemtest.PrivatePostgres(t)
	url := s.URL()
	execute(t, url, "CREATE TABLE kept (n int)")
	for name, harm := range map[string]func(){
		"restart": s.Restart,
		"kill":    func() { s.Kill(); s.Start() },
		"pause":   func() { s.Pause(); s.Resume() },
	} {
		before := number(t, url, "SELECT count(*) FROM kept")
		execute(t, url, "INSERT INTO kept VALUES (1)")
		harm()
		if after := number(t, url, "SELECT count(*) FROM kept"); after != before+1 {
			t.Errorf("after %s there are %d rows, want %d", name, after, before+1)
		}
	}
}

func TestPausedPostgresAnswersNothing(t *testing.T) {
	t.Parallel()
	s := systemtest.PrivatePostgres(t)
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := conn.Exec(ctx, "SELECT 1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestRestoreGoesBackToTheCopy(t *testing.T) {
	t.Parallel()
	s := systemtest.PrivatePostgres(t)
	execute(t, s.URL(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
	backup := s.BaseBackup(t)
	for range 2 {
		execute(t, s.URL(), "INSERT INTO kept VALUES (1001)")
		s.Restore(t, backup)
		if n := number(t, s.URL(), "SELECT count(*) FROM kept"); n != 1000 {
			t.Fatalf("%d rows, want 1000", n)
		}
	}
}

func TestBackupOfABusyServer(t *testing.T) {
	t.Parallel()
	s := systemtest.PrivatePostgres(t)
	execute(t, s.URL(), "CREATE TABLE pairs (n int, half bool)")
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(ctx, s.URL())
		for n := 0; err == nil; n++ {
			_, err = conn.Exec(ctx, fmt.Sprintf("INSERT INTO pairs VALUES (%d, true), (%d, false)", n, n))
		}
		written <- err
	}()
	systemtest.Eventually(t, "the first rows", func() error {
		if number(t, s.URL(), "SELECT count(*) FROM pairs") == 0 {
			return errors.New("none yet")
		}
		return nil
	})
	backup := s.BaseBackup(t)
	cancel()
	<-written
	s.Restore(t, backup)
	if n := number(t, s.URL(), "SELECT count(*) FROM (SELECT n FROM pairs GROUP BY n HAVING count(*) <> 2) torn"); n != 0 {
		t.Errorf("%d transactions are there by half", n)
	}
	if number(t, s.URL(), "SELECT count(*) FROM pairs") == 0 {
		t.Error("the copy lost what was committed before it")
	}
}

func TestALaggingStandbyIsPromoted(t *testing.T) {
	t.Parallel()
	s := systemtest.PrivatePostgres(t)
	execute(t, s.URL(), "CREATE TABLE kept (n int)")
	standby := s.Standby(t)
	execute(t, s.URL(), "INSERT INTO kept VALUES (1)")
	standby.CatchUp(t)
	standby.StopReceiving(t)
	execute(t, s.URL(), "INSERT INTO kept VALUES (2)")
	standby.ResumeReceiving(t)
	standby.CatchUp(t)
	standby.StopReceiving(t)
	execute(t, s.URL(), "INSERT INTO kept VALUES (3)")

	line := systemtest.Proxy(t, s.URL())
	s.Kill()
	standby.Promote(t)
	line.Redirect(standby.URL())
	if sum := number(t, line.URL(), "SELECT sum(n)::int FROM kept"); sum != 3 {
		t.Errorf("the sum is %d, want 3: the third row never reached the standby", sum)
	}
	execute(t, line.URL(), "INSERT INTO kept VALUES (4)")
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
