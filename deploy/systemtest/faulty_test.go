package systemtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/systemtest"
)

func TestFaultyPostgres(t *testing.T) {
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
		harm   func(*systemtest.FaultyPostgres)
		fails  bool
		rows   int
	}{
		{"unharmed, simple", simple, func(*systemtest.FaultyPostgres) {}, false, 1},
		{"unharmed, extended", extended, func(*systemtest.FaultyPostgres) {}, false, 1},
		{"reply lost, simple", simple, (*systemtest.FaultyPostgres).LoseCommitReply, true, 1},
		{"reply lost, extended", extended, (*systemtest.FaultyPostgres).LoseCommitReply, true, 1},
		{"commit lost, simple", simple, (*systemtest.FaultyPostgres).LoseCommit, true, 0},
		{"commit lost, extended", extended, (*systemtest.FaultyPostgres).LoseCommit, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := systemtest.Database(t)
			execute(t, url, "CREATE TABLE rows (n int)")
			config, err := pgx.ParseConfig(url)
			if err != nil {
				t.Fatal(err)
			}
			var faults systemtest.FaultyPostgres
			config.DialFunc = faults.Dial
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(context.Background()) }()
			c.harm(&faults)
			if err := c.commit(t.Context(), conn); (err != nil) != c.fails {
				t.Fatalf("commit: %v", err)
			}
			if faults.Lost() == 1 != c.fails {
				t.Errorf("%d commits were harmed", faults.Lost())
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
