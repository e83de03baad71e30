package main

import (
	"context"
	"errors"
	"io"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
)

// The exit codes of publish --wait and others beyond program's 0, 1 and 2.
const (
	// exitFailed says that the command was decided and failed with a reason.
	exitFailed = 3
	// exitUndecided says that the command was accepted and no outcome came
	// within the wait. It is decided later.
	exitUndecided = 4
)

const description = `Runs connect-provider on this machine, and talks to one anywhere.

Exit codes: 0 done (publish --wait, onboard: connected), 1 failure (demo: a promise was broken), 2 wrong command line or configuration, publish --wait: 3 the command failed, 4 it is not decided yet, onboard: 3 some rows failed, 4 some are undecided, dead-letters redrive: 3 some were refused or failed, 4 some are not decided yet, skip: 4 it has not taken effect yet, bench: 3 measured, but something was not durable, so that no throughput is told, 130 or 143 aborted by a second signal.`

type commandLine struct {
	Demo        demoCommand        `cmd:"" help:"Show the whole system at work, on this machine, in a temporary directory."`
	Dev         devCommand         `cmd:"" help:"Run the whole system on this machine until interrupted, for development."`
	Publish     publishCommand     `cmd:"" help:"Publish one command; with --wait, tell its outcome."`
	Onboard     onboardCommand     `cmd:"" help:"Connect the numbers of a file, and tell of each row what became of it."`
	Watch       watchCommand       `cmd:"" help:"Show outcome events, those to come and those of the past."`
	Status      statusCommand      `cmd:"" help:"Tell the state of a whole system, or the history of a command or a phone number."`
	DeadLetters deadLettersCommand `cmd:"" name:"dead-letters" help:"List, show, redrive and discard messages that nobody could act on."`
	Pause       pauseCommand       `cmd:"" help:"Stop deciding the commands of an organization or a traffic class."`
	Resume      resumeCommand      `cmd:"" help:"End a pause."`
	Skip        skipCommand        `cmd:"" help:"Give up the one command at which a lane is held."`
	Tokens      tokensCommand      `cmd:"" help:"Make, list and revoke the tokens of the REST API's callers."`
	Bench       benchCommand       `cmd:"" help:"Measure how fast a whole system is, an embedded one or one that runs."`
	DemoData    demoDataCommand    `cmd:"" name:"demo-data" help:"Load the demo organizations into a migrated database."`
	Credentials credentialsCommand `cmd:"" help:"Make the keys, passwords and certificates of a set-up, and of its organizations."`
	Version     kong.VersionFlag   `help:"Show the version."`
}

// command is one of the program's commands.
type command interface {
	// problems returns what is wrong with the settings; nil entries mean nothing.
	problems(secrets *program.Secrets) []error
	log() program.Log
	run(ctx context.Context, p process) error
}

// process is what a command works with.
type process struct {
	stdout  io.Writer
	stderr  io.Writer // for progress; logs go through logger
	logger  *zap.Logger
	secrets *program.Secrets
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	secrets := &program.Secrets{}
	err := execute(ctx, args, stdout, stderr, secrets)
	return program.Report(secrets.Writer(stderr), "connectctl", err)
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer, secrets *program.Secrets) error {
	var line commandLine
	parsed, err := program.Parse(&line, args, stdout, stderr, kong.Name("connectctl"), kong.Description(description), kong.Vars{
		"nats_url": connection.DefaultNATSURL, "log_level": "warn", "version": program.Version(), "data_dir": defaultDataDir(),
	})
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
	return selected.run(ctx, process{stdout: stdout, stderr: stderr, logger: logger, secrets: secrets})
}
