package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"connect-provider/deploy/faults"
)

// The exit codes beside 0: everything is as it must be.
const (
	exitFailed = 1 // the attack itself could not be carried out
	exitUsage  = 2
	exitFound  = 3 // something is wrong, or a planted defect was not caught
)

var (
	errUsage = errors.New("usage")
	errFound = errors.New("the judge is not satisfied")
	errHelp  = errors.New("help was shown")
)

func main() {
	if faults.NATSProcessRequested() {
		os.Exit(faults.RunNATSProcess())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// a second signal ends the program where it stands
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := execute(ctx, args, stdout, stderr)
	switch {
	case err == nil, errors.Is(err, errHelp):
		return 0
	case errors.Is(err, errFound):
		fmt.Fprintln(stderr, "chaos:", err)
		return exitFound
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, "chaos:", err)
		return exitUsage
	}
	fmt.Fprintln(stderr, "chaos: the attack itself failed, which says nothing of the system:", err)
	return exitFailed
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stdout, stderr)
	if err != nil {
		return err
	}
	if o.Defects != "" {
		return judgeTheJudge(ctx, o, stdout, stderr)
	}
	return attackOnce(ctx, o, stdout, stderr)
}

// parse reads the command line.
func parse(args []string, stdout, stderr io.Writer) (o options, err error) {
	type exited struct{}
	parser, err := kong.New(&o, kong.Name("chaos"), kong.Description(description), kong.Writers(stdout, stderr), kong.Vars{"acts": o.acts()}, kong.Exit(func(int) { panic(exited{}) }))
	if err != nil {
		return o, err
	}
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case exited:
			err = errHelp
		default:
			panic(r)
		}
	}()
	if _, err := parser.Parse(args); err != nil {
		return o, fmt.Errorf("%w: %w; --help tells more", errUsage, err)
	}
	if err := o.check(); err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	return o, nil
}
