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

// needs are the statements that the roles' programs run: the worker's from the
// files that it embeds, the others' in words of this test where there is no
// program yet. The migration's needs are the migrations.
func needs(t testing.TB) []need {
	t.Helper()
	var all []need
	add := func(role, name, sql string) { all = append(all, need{role, name, sql}) }
	files, err := filepath.Glob("../../worker/sql/*.sql")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		role := "worker"
		if slices.Contains(operatorsFiles, filepath.Base(file)) {
			role = "operator"
		}
		add(role, filepath.Base(file), string(text))
	}
	for name, text := range outbox.Statements() {
		add("worker", name, text)
	}
	add("worker", "pauses", "select reason from connect_provider.pauses where class = 'c' and org_token = any ($1::text[])")
	for _, role := range []string{"worker", "reader", "operator"} {
		add(role, "schema version", `select (select max(version_id) from connect_provider.schema_version where is_applied), oldest_binary
			from connect_provider.schema_compatibility`)
	}
	add("gateway", "token", "select domain_handle from telephony.api_tokens where token_sha256 = $1::bytea")
	for _, role := range []string{"reader", "operator"} {
		for _, table := range tables {
			if table != "telephony.api_tokens" {
				add(role, "look", "select * from "+table)
			}
		}
	}
	add("operator", "pause", "insert into connect_provider.pauses (class, org_token, reason) values ('c', $1::text, 'x') on conflict do nothing returning paused_at")
	add("operator", "resume", "delete from connect_provider.pauses where class = 'c' and org_token = $1::text returning reason")
	add("operator", "skip", `update connect_provider.lanes set skip_sequence = $1::bigint, skip_reason = $2::text
		where lane = $3::text and held_sequence = $1 returning held_error`)
	add("operator", "lock a dead letter", "select body from connect_provider.dead_letters where lane = $1::text for update")
	add("operator", "redrive", `update connect_provider.dead_letters set redrives = redrives + 1, redriven_at = now(), redriven_as = $1::text
		where lane = $2::text and sequence = $3::bigint`)
	add("operator", "discard", "delete from connect_provider.dead_letters where lane = $1::text and sequence = $2::bigint")
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
