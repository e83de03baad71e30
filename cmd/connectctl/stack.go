package main

import (
	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
)

// postgresSettings say which Postgres a local system uses.
type postgresSettings struct {
	Bin         string `name:"postgres-bin" placeholder:"DIR" help:"Directory of the Postgres programs (default: found on PATH and in the usual places, else downloaded)."`
	DatabaseURL string `name:"database-url" url:"" placeholder:"URL" help:"Use this Postgres and start none."`
}

func (s postgresSettings) problems(secrets *program.Secrets) []error {
	if s.DatabaseURL == "" {
		return nil
	}
	database := connection.Database{URL: s.DatabaseURL}
	return database.Resolve(secrets)
}
