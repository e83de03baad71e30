package systemtest

import (
	"fmt"
	"sync"
	"testing"

	"connect-provider/deploy/migrations"
)

const migratedTemplate = "migrated_template"

var (
	migratedOnce  sync.Once
	migratedError error
)

// MigratedDatabase is Database with the project's migrations applied. They run
// once for the process; each test gets a copy.
func MigratedDatabase(t testing.TB) string {
	t.Helper()
	server := sharedURL(t)
	migratedOnce.Do(func() { migratedError = migrateTemplate(server) })
	if migratedError != nil {
		t.Fatalf("migrate: %v", migratedError)
	}
	return createDatabase(t, migratedTemplate)
}

func migrateTemplate(server string) error {
	if err := execute(server, "CREATE DATABASE "+migratedTemplate); err != nil {
		return err
	}
	ctx, cancel := startContext()
	defer cancel()
	if err := migrations.Up(ctx, withDatabase(server, migratedTemplate)); err != nil {
		return fmt.Errorf("template: %w", err)
	}
	return nil
}
