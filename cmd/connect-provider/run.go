package main

import (
	"context"
	"errors"
	"io"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/migrations"
	"connect-provider/worker"
)

// The exit codes beyond program's 0, 1 and 2.
const (
	// exitSchema says that the database was not migrated, or by another release.
	exitSchema = 3
	// exitStreams says that the streams are missing or would lose data.
	exitStreams = 4
)

const description = `Decides ConnectProvider commands from NATS JetStream, each once, in Postgres, and serves them as a REST API.

Exit codes: 0 done or drained, 1 failure, 2 wrong command line or configuration (nothing was dialled), 3 the database schema does not fit: run migrate, 4 the streams do not fit: run streams, 130 or 143 aborted by a second signal.`

type commandLine struct {
	Worker  workerCommand    `cmd:"" help:"Decide commands and publish their outcomes, until a signal comes."`
	Gateway gatewayCommand   `cmd:"" help:"Serve the REST API in front of the queue, until a signal comes."`
	Migrate migrateCommand   `cmd:"" help:"Create or upgrade the database schemas."`
	Streams streamsCommand   `cmd:"" help:"Create the streams, or compare those that exist with what they must be."`
	Healthy healthyCommand   `cmd:"" help:"Ask the worker or gateway on this machine whether it is ready: 0 yes, 1 no."`
	Version kong.VersionFlag `help:"Show the version."`
}

// command is a role of the service.
type command interface {
	// problems returns what is wrong with the settings; nil entries mean nothing.
	problems(secrets *program.Secrets) []error
	log() program.Log
	run(ctx context.Context, p process) error
}

// process is what a command works with.
type process struct {
	stdout io.Writer
	logger *zap.Logger
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	secrets := &program.Secrets{}
	err := execute(ctx, args, stdout, stderr, secrets)
	return program.Report(secrets.Writer(stderr), "connect-provider", err)
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer, secrets *program.Secrets) error {
	var line commandLine
	parsed, err := program.Parse(&line, args, stdout, stderr, kong.Name("connect-provider"), kong.Description(description), defaults(), gatewayDefaults())
	if errors.Is(err, program.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	selected := parsed.Selected.(command)
	if err := parsed.Check(append(selected.problems(secrets), selected.log().Problems()...)...); err != nil {
		return err
	}
	logger, err := selected.log().NewLogger(stderr, secrets)
	if err != nil {
		return err
	}
	logger.Info("starting", append(parsed.Settings(connection.MaskURL),
		zap.String("command", parsed.Command), zap.String("version", program.Version()))...)
	err = selected.run(ctx, process{stdout: stdout, logger: logger})
	if err == nil {
		logger.Info("ended")
	}
	return withCode(err)
}

// withCode gives an error the exit code that tells an operator what to do.
func withCode(err error) error {
	switch {
	case errors.Is(err, migrations.ErrSchema):
		return program.Exit(exitSchema, err)
	case errors.Is(err, worker.ErrStreams):
		return program.Exit(exitStreams, err)
	}
	return err
}
