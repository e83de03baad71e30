package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"connect-provider/deploy/faults"
	"connect-provider/worker"
)

func main() {
	if faults.NATSProcessRequested() {
		os.Exit(faults.RunNATSProcess())
	}
	debug.SetGCPercent(worker.GCPercent) // as the service does; the other designs have it as well
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// a second signal ends the program where it stands
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// commands are the program's; without a name it compares.
type commands struct {
	Compare   compare   `cmd:"" default:"withargs" help:"Compare the designs' throughput."`
	Latency   latency   `cmd:"" help:"Compare a single command's latency with that of two synced publishes and a commit."`
	Level     level     `cmd:"" help:"Measure the worker beside millions of rows, and beside none."`
	Steady    steady    `cmd:"" help:"Watch a worker's memory and the outbox's size over millions of commands."`
	Idle      idle      `cmd:"" help:"Measure what workers use that own all lanes and have nothing to do."`
	Rebalance rebalance `cmd:"" help:"Measure how long commands wait while lanes change hands."`
}

// terminal is where a command writes: its result, and what it is at.
type terminal struct{ out, progress io.Writer }

func (t terminal) say(format string, args ...any) { fmt.Fprintf(t.progress, format+"\n", args...) }

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	parser, err := kong.New(&commands{}, kong.Name("bench"), kong.Writers(stdout, stderr), kong.Vars{"designs": strings.Join(designNames(), ", ")},
		kong.Description("Measures connect-provider beside other ways to do its work, on servers of its own that sync every write."))
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return err
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return parsed.Run(terminal{stdout, stderr})
}
