package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/migrations"
)

type migrateCommand struct {
	Database connection.Database `embed:""`
	Log      program.Log         `embed:""`
}

func (c *migrateCommand) log() program.Log { return c.Log }

func (c *migrateCommand) problems(secrets *program.Secrets) []error {
	return c.Database.Resolve(secrets)
}

func (c *migrateCommand) run(ctx context.Context, p process) error {
	if err := migrations.Up(ctx, c.Database.SessionURL()); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, c.Database.SessionURL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to lose
	if err := migrations.Check(ctx, conn); err != nil {
		return err
	}
	granted, err := migrations.Grant(ctx, conn)
	if err != nil {
		return err
	}
	tellGranted(p.stdout, granted)
	fmt.Fprintf(p.stdout, "The database schema fits this release (version %d or newer).\n", migrations.Version)
	return nil
}

// tellGranted prints which roles have their rights, and what only others can
// grant: a platform that brings tables of its own has to.
func tellGranted(w io.Writer, granted migrations.Granted) {
	switch {
	case granted.Newer:
		fmt.Fprintln(w, "The schema is of a newer release: the rights of the database roles stay as that one granted them.")
	case len(granted.Roles) > 0:
		fmt.Fprintf(w, "Granted rights to %s.\n", strings.Join(granted.Roles, ", "))
	}
	for _, missing := range granted.Missing {
		fmt.Fprintf(w, "not granted: %s belongs to %s, who has to run: %s;\n", missing.Object, missing.Owner, missing.Statement)
	}
}
