package faults_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/systemtest"
)

func TestCommits(t *testing.T) {
	t.Parallel()
	simple := func(ctx context.Context, conn *pgx.Conn) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO rows VALUES ($1)", 1); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}
	extended := func(ctx context.Context, conn *pgx.Conn) error {
		var b pgx.Batch
		b.Queue("begin")
		b.Queue("INSERT INTO rows VALUES ($1)", 1)
		b.Queue("COMMIT;")
		return conn.SendBatch(ctx, &b).Close()
	}
	for _, c := range []struct {
		name   string
		commit func(context.Context, *pgx.Conn) error
		harm   func(*faults.Commits)
		fails  bool
		rows   int
	}{
		{"unharmed, simple", simple, func(*faults.Commits) {}, false, 1},
		{"unharmed, extended", extended, func(*faults.Commits) {}, false, 1},
		{"reply lost, simple", simple, (*faults.Commits).LoseReply, true, 1},
		{"reply lost, extended", extended, (*faults.Commits).LoseReply, true, 1},
		{"commit lost, simple", simple, (*faults.Commits).LoseCommit, true, 0},
		{"commit lost, extended", extended, (*faults.Commits).LoseCommit, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := systemtest.Database(t)
			execute(t, url, "CREATE TABLE rows (n int)")
			var commits faults.Commits
			conn := connect(t, url, &commits)
			c.harm(&commits)
			if err := c.commit(t.Context(), conn); (err != nil) != c.fails {
				t.Fatalf("commit: %v", err)
			}
			if commits.Lost() == 1 != c.fails {
				t.Errorf("%d commits were harmed", commits.Lost())
			}
			if conn.IsClosed() != c.fails {
				t.Errorf("closed: %t", conn.IsClosed())
			}
			if n := number(t, url, "SELECT count(*) FROM rows"); n != c.rows {
				t.Errorf("%d rows, want %d", n, c.rows)
			}
		})
	}
}

// A line hands the messages on in pieces.
func TestCommitsOnALine(t *testing.T) {
	t.Parallel()
	url := systemtest.Database(t)
	execute(t, url, "CREATE TABLE rows (n int)")
	var commits faults.Commits
	l, err := faults.NewLine(url, commits.Dial)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	l.Slow(faults.Pace{BytesPerSecond: 20_000})
	for rows, lose := range []func(){commits.LoseCommit, commits.LoseReply} {
		conn, err := pgx.Connect(t.Context(), l.URL())
		if err != nil {
			t.Fatal(err)
		}
		lose()
		err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO rows VALUES (1)")
			return err
		})
		if err == nil || !conn.IsClosed() || commits.Lost() != rows+1 {
			t.Errorf("%v, %d commits were harmed", err, commits.Lost())
		}
		systemtest.Eventually(t, "the transaction's end", func() error {
			if n := number(t, url, "SELECT count(*) FROM rows"); n != rows {
				return fmt.Errorf("%d rows, want %d", n, rows)
			}
			return nil
		})
	}
}

func TestCommitsTakenBack(t *testing.T) {
	t.Parallel()
	var commits faults.Commits
	conn := connect(t, systemtest.Database(t), &commits)
	commits.LoseReply()
	commits.LoseCommit()
	commits.Cancel()
	if err := pgx.BeginFunc(t.Context(), conn, func(pgx.Tx) error { return nil }); err != nil || commits.Lost() != 0 {
		t.Errorf("%v, %d commits were harmed", err, commits.Lost())
	}
}

func connect(t *testing.T, url string, commits *faults.Commits) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DialFunc = commits.Dial
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
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
