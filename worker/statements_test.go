package worker

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"

	"connect-provider/deploy/systemtest"
	"connect-provider/outbox"
)

// TestStatementsFitTheSchema prepares every statement against the migrated schema.
func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := openPool(t, systemtest.MigratedDatabase(t))
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	statements := outbox.Statements()
	files, err := fs.Glob(os.DirFS("sql"), "*.sql")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile("sql/" + file)
		if err != nil {
			t.Fatal(err)
		}
		statements[file] = string(text)
	}
	for name, statement := range statements {
		if !strings.HasPrefix(statement, "-- ") {
			t.Errorf("%s does not say what it does", name)
		}
		if _, err := conn.Conn().Prepare(ctx, "", statement); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
