package status

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"connect-provider/deploy/systemtest"
)

// Every statement fits the migrated schema and says what it does.
func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	b := &bed{t: t, url: systemtest.MigratedDatabase(t)}
	conn, err := b.openPool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	files, err := fs.Glob(os.DirFS("sql"), "*.sql")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile("sql/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "-- ") {
			t.Errorf("%s does not say what it does", file)
		}
		if _, err := conn.Conn().Prepare(t.Context(), "", string(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
