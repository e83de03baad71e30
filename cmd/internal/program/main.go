package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Main runs a program with the process's arguments and ends the process with
// its exit code. The first SIGINT or SIGTERM ends run's context; the second one
// ends the process where it stands, with 128 and the signal's number (130 or
// 143), as shells report it.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, drain := context.WithCancel(context.Background())
	go func() {
		<-signals
		drain()
		second := <-signals
		code := 128 + int(syscall.SIGTERM)
		if second == os.Interrupt {
			code = 128 + int(syscall.SIGINT)
		}
		fmt.Fprintln(os.Stderr, "aborted by a second signal")
		os.Exit(code)
	}()
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	drain()
	os.Exit(code)
}

// Report prints an error that ends a program, as Plain text, and returns its
// exit code.
func Report(stderr io.Writer, name string, err error) int {
	if err != nil && !errors.Is(err, errQuiet) {
		lines := strings.Split(err.Error(), "\n")
		for i, line := range lines {
			lines[i] = Plain(line)
		}
		fmt.Fprintf(stderr, "%s: %s\n", name, strings.Join(lines, "\n"))
	}
	return Code(err)
}
