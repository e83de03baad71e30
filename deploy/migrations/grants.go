package migrations

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed grants.sql
var grantsSQL string

//go:embed roles_present.sql
var rolesPresentSQL string

//go:embed right_missing.sql
var rightMissingSQL string

//go:embed owner.sql
var ownerSQL string

// grantLock keeps two migrations from granting at once, which PostgreSQL
// refuses ("tuple concurrently updated").
const grantLock = 1667460197

// Roles are the database roles that Grant knows, as deploy/postgres/roles.sql
// makes them. The owner of the schemas is not among them.
func Roles() []string {
	var roles []string
	for _, right := range rights() {
		if !slices.Contains(roles, right.role) {
			roles = append(roles, right.role)
		}
	}
	return roles
}

// Granted is what became of the rights.
type Granted struct {
	// Roles are those that exist and got their rights.
	Roles []string
	// Missing are the rights that could not be granted, because what they are
	// for belongs to somebody else who has not granted them either.
	Missing []Missing
	// Newer says that the schema is of a newer release: its rights were left as
	// they are.
	Newer bool
}

// Missing is a right that only the owner of the object can grant.
type Missing struct {
	Object, Owner string
	// Statement is what the owner has to run.
	Statement string
}

// Grant gives the database roles that exist the rights of grants.sql, in place
// of those that they had on the same objects from the same owner. The database
// must have been migrated, and the connection be that of the schemas' owner.
// Objects of other owners are left alone. All happens in one transaction, so a
// worker at work never meets a moment without rights; after an error nothing
// has changed.
func Grant(ctx context.Context, conn *pgx.Conn) (Granted, error) {
	var granted Granted
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var err error
		granted, err = grant(ctx, tx)
		return err
	})
	if err != nil {
		return Granted{}, fmt.Errorf("grant rights: %w", err)
	}
	return granted, nil
}

func grant(ctx context.Context, tx pgx.Tx) (granted Granted, err error) {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", grantLock); err != nil {
		return granted, err
	}
	var version int64
	if err := tx.QueryRow(ctx, "select max(version_id) from connect_provider.schema_version where is_applied").Scan(&version); err != nil {
		return granted, err
	}
	if version > Version {
		granted.Newer = true
		return granted, nil
	}
	rows, err := tx.Query(ctx, rolesPresentSQL, Roles())
	if err != nil {
		return granted, err
	}
	if granted.Roles, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return granted, err
	}
	cleared := map[string]bool{}
	for _, right := range rights() {
		if !slices.Contains(granted.Roles, right.role) {
			continue
		}
		missing, err := right.apply(ctx, tx, granted.Roles, cleared)
		if err != nil {
			return granted, fmt.Errorf("%s: %w", right.statement, err)
		}
		if missing != nil {
			granted.Missing = append(granted.Missing, *missing)
		}
	}
	return granted, nil
}

// right is a statement of grants.sql.
type right struct {
	statement  string
	privileges string // as in "select, insert"
	columns    string // as in "skip_sequence, skip_reason", if not all
	schema     bool   // whether object is a schema
	object     string
	role       string
}

var (
	comment   = regexp.MustCompile(`(?m)^--.*$`)
	statement = regexp.MustCompile(`^grant ([a-z, ]+?)(?: \(([a-z_, ]+)\))? on (schema )?([a-z_.]+) to ([a-z_]+)$`)
)

// rights returns the statements of grants.sql. It panics on one that it can't
// read, which no build passes its tests with.
func rights() []right {
	var rights []right
	for text := range strings.SplitSeq(comment.ReplaceAllString(grantsSQL, ""), ";") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		found := statement.FindStringSubmatch(text)
		if found == nil {
			panic("grants.sql: can't read " + text)
		}
		rights = append(rights, right{text, found[1], found[2], found[3] != "", found[4], found[5]})
	}
	return rights
}

// apply grants the right where the connection's role may, or says who has to.
// The first right on an object takes away what any of the roles has on it.
func (r right) apply(ctx context.Context, tx pgx.Tx, roles []string, cleared map[string]bool) (*Missing, error) {
	var owner string
	var ours bool
	if err := tx.QueryRow(ctx, ownerSQL, r.object, r.schema).Scan(&owner, &ours); err != nil {
		return nil, err
	}
	if !ours && !r.schema && r.privileges != "select" {
		return nil, nil // whoever brings a table of the platform's own also writes it
	}
	if !ours {
		var missing bool
		if err := tx.QueryRow(ctx, rightMissingSQL, r.role, r.object, r.schema, r.privileges, r.columns).Scan(&missing); err != nil || !missing {
			return nil, err
		}
		return &Missing{Object: r.object, Owner: owner, Statement: r.statement}, nil
	}
	if !cleared[r.object] {
		cleared[r.object] = true
		what := r.object
		if r.schema {
			what = "schema " + what
		}
		if _, err := tx.Exec(ctx, "revoke all on "+what+" from "+strings.Join(roles, ", ")); err != nil {
			return nil, err
		}
	}
	_, err := tx.Exec(ctx, r.statement)
	return nil, err
}
