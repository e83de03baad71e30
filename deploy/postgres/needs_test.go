package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connect-provider/outbox"
)

// need is a statement that a role's program runs.
type need struct{ role, name, sql string }

// operatorsFiles are the statements beside the worker's that connectctl runs.
var operatorsFiles = []string{"pause.sql", "resume.sql"}

// needs are the statements that the roles' programs run, from the files that
// they embed; what a person looks at, in words of this test. The migration's
// needs are the migrations.
func needs(t testing.TB) []need {
	t.Helper()
	var all []need
	add := func(role, name, sql string) { all = append(all, need{role, name, sql}) }
	embedded := func(dir string, atLeast int, role func(file string) string) {
		files, err := filepath.Glob(filepath.Join("../..", dir, "*.sql"))
		if err != nil || len(files) < atLeast {
			t.Fatalf("%d files in %s, %v", len(files), dir, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			add(role(filepath.Base(file)), filepath.Base(file), string(text))
		}
	}
	embedded("worker/sql", 25, func(file string) string {
		if slices.Contains(operatorsFiles, file) {
			return "operator"
		}
		return "worker"
	})
	embedded("cmd/connectctl/sql", 10, func(string) string { return "operator" })
	embedded("cmd/internal/gateway/sql", 1, func(string) string { return "gateway" })
	embedded("cmd/internal/status/sql", 5, func(string) string { return "reader" })
	for name, text := range outbox.Statements() {
		add("worker", name, text)
	}
	for _, role := range []string{"worker", "reader", "operator"} {
		add(role, "schema version", `select (select max(version_id) from connect_provider.schema_version where is_applied), oldest_binary
			from connect_provider.schema_compatibility`)
	}
	for _, role := range []string{"reader", "operator"} {
		for _, table := range tables {
			if table != "telephony.api_tokens" {
				add(role, "look", "select * from "+table)
			}
		}
	}
	return all
}

// met tells whether the server lets a role run what it needs. Explaining a
// statement checks the same rights as running it.
func (b *bed) met(n need) error {
	b.t.Helper()
	ctx := context.Background()
	description, err := b.admin.Prepare(ctx, "", n.sql)
	if err != nil {
		b.t.Fatalf("%s: %v", n.name, err)
	}
	// each parameter as a null of the type that it has
	sql := n.sql
	for i := len(description.ParamOIDs); i > 0; i-- {
		var kind string
		if err := b.admin.QueryRow(ctx, "select format_type($1, null)", description.ParamOIDs[i-1]).Scan(&kind); err != nil {
			b.t.Fatal(err)
		}
		sql = strings.ReplaceAll(sql, fmt.Sprintf("$%d", i), "null::"+kind)
	}
	return b.try(n.role, "explain "+sql)
}
