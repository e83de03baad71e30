package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"connect-provider/cmd/internal/connection"
	"connect-provider/deploy/migrations"
)

// openDatabase connects to the database that workers use, and makes sure that
// its schema is the one this binary knows. The caller closes the pool.
func openDatabase(ctx context.Context, settings *connection.Database) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(settings.PoolURL())
	if err != nil {
		return nil, err
	}
	config.MaxConns = 4
	config.ConnConfig.RuntimeParams["application_name"] = "connectctl"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := migrations.Check(ctx, pool); err != nil {
		pool.Close()
		return nil, fmt.Errorf("database at %s: %w", connection.MaskURL(settings.PoolURL()), err)
	}
	return pool, nil
}
