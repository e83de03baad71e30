package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "consume:", err)
		os.Exit(1)
	}
}

// run handles events until ctx ends. An event at hand is finished first.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("consume", flag.ExitOnError)
	server := flags.String("server", cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL), "NATS `URL`, also by NATS_URL")
	org := flags.String("org", "acme", "organization's domain `handle`")
	durable := flags.String("durable", "outcomes-go", "`name` under which the server keeps the place; one for each application")
	path := flags.String("outcomes", "outcomes.jsonl", "`file` that keeps what was handled")
	if err := flags.Parse(args); err != nil {
		return err
	}
	organization, err := messages.OrganizationFromHandle(*org)
	if err != nil {
		return err
	}
	outcomes, err := openOutcomes(*path)
	if err != nil {
		return err
	}
	defer outcomes.close()
	nc, err := nats.Connect(*server, nats.Name("consume example"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	err = subscribe(ctx, js, organization, *durable, func(event messages.Event) error {
		news, err := outcomes.handle(event)
		if err == nil && news {
			fmt.Fprintln(stdout, describe(event))
		}
		return err
	})
	fmt.Fprintln(stdout, outcomes.summary())
	return err
}

// describe tells an outcome in a line. Phone numbers stay out of it: they do
// not belong in logs.
func describe(event messages.Event) string {
	result := "connected"
	if failure := event.Data.Error; failure != nil {
		result = string(failure.Code)
	}
	line := fmt.Sprintf("%s command=%s sequence=%d bridge=%s %s",
		event.Organization.Handle, event.CommandID, event.Sequence, event.Data.BridgeSlug, result)
	if event.Corrects != nil {
		line += " (corrects an earlier outcome)"
	}
	return line
}
