package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
}

// run publishes the command that the arguments name and prints its outcome.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("publish", flag.ExitOnError)
	server := flags.String("server", cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL), "NATS `URL`, also by NATS_URL")
	org := flags.String("org", "acme", "organization's domain `handle`")
	wait := flags.Duration("wait", 15*time.Second, "how long to wait for the outcome")
	command := messages.Command{ID: uuid.NewString()}
	flags.StringVar(&command.BridgeSlug, "bridge", "sales-bridge-001", "bridge's `slug`")
	flags.Int64Var(&command.ProviderConfigID, "provider-config", 42, "provider configuration's `id`")
	flags.StringVar(&command.PhoneNumber, "phone", "+1234567890", "phone `number`, E.164")
	if err := flags.Parse(args); err != nil {
		return err
	}
	organization, err := messages.OrganizationFromHandle(*org)
	if err != nil {
		return err
	}
	nc, err := nats.Connect(*server, nats.Name("publish example"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	outcomes, err := newOutcomes(ctx, js, organization)
	if err != nil {
		return err
	}
	if err := publish(ctx, js, organization, command); err != nil {
		return err
	}
	event, err := outcomes.of(ctx, command.ID)
	if err != nil {
		return fmt.Errorf("command %s was accepted; its outcome is not known yet: %w", command.ID, err)
	}
	if failure := event.Data.Error; failure != nil {
		return fmt.Errorf("command %s failed: %w", command.ID, failure)
	}
	fmt.Fprintf(stdout, "command %s: connected to %s through %s\n", command.ID, event.Data.BridgeSlug, event.Data.Provider)
	return nil
}
