package main

import (
	"context"
	"fmt"

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
	fmt.Fprintf(p.stdout, "The database schema fits this release (version %d or newer).\n", migrations.Version)
	return nil
}
