package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
	"connect-provider/worker"
)

// streamsTimeout bounds the whole comparison.
const streamsTimeout = 30 * time.Second

type streamsCommand struct {
	NATS      connection.NATS      `embed:""`
	JetStream connection.JetStream `embed:""`
	Streams   streamSettings       `embed:"" envprefix:"CONNECT_PROVIDER_STREAMS_"`
	Mend      bool                 `help:"Update what differs and can be changed in place."`
	Log       program.Log          `embed:""`
}

// streamSettings are those of messages.StreamOptions. None has a default here:
// the default of a setting that is not given is for streams that are created,
// and must not replace what an installation chose for those that exist.
type streamSettings struct {
	Lanes               int           `env:"LANES" help:"Into how many lanes each class of commands is cut; can't be changed later (default for new streams: 16)."`
	Replicas            int           `env:"REPLICAS" help:"1, or 3 on a cluster (default for new streams: 1)."`
	InteractiveMaxBytes program.Size  `env:"INTERACTIVE_MAX_BYTES" help:"Size at which interactive commands are refused (default for new streams: 1GiB)."`
	BulkMaxBytes        program.Size  `env:"BULK_MAX_BYTES" help:"Size at which bulk commands are refused (default for new streams: 4GiB)."`
	EventsMaxBytes      program.Size  `env:"EVENTS_MAX_BYTES" help:"Size at which workers wait for events to age out (default for new streams: 8GiB)."`
	EventsMaxAge        time.Duration `env:"EVENTS_MAX_AGE" help:"How long events are kept (default for new streams: 720h)."`
}

func (s streamSettings) options() messages.StreamOptions {
	return messages.StreamOptions{
		Lanes: s.Lanes, Replicas: s.Replicas,
		InteractiveMaxBytes: int64(s.InteractiveMaxBytes), BulkMaxBytes: int64(s.BulkMaxBytes), EventsMaxBytes: int64(s.EventsMaxBytes),
		EventsMaxAge: s.EventsMaxAge,
	}
}

func (c *streamsCommand) log() program.Log { return c.Log }

func (c *streamsCommand) problems(secrets *program.Secrets) []error {
	return append(c.NATS.Resolve(secrets), c.JetStream.Problem(), c.Streams.options().Validate())
}

func (c *streamsCommand) run(ctx context.Context, p process) error {
	ctx, cancel := context.WithTimeout(ctx, streamsTimeout)
	defer cancel()
	nc, err := c.NATS.Dial("connect-provider streams")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := c.JetStream.Open(nc)
	if err != nil {
		return err
	}
	created, findings, err := worker.EnsureStreams(ctx, js, c.Streams.options(), c.Mend)
	for _, name := range created {
		fmt.Fprintf(p.stdout, "created %s\n", name)
	}
	fatal := tellFindings(p.stdout, findings)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w; where the user's account has no streams of its own, say with NATS_JS_DOMAIN where they are", err)
	case err != nil:
		return err
	case fatal > 0:
		return fmt.Errorf("%w: %d settings, told above, would lose data or break the order of events", worker.ErrStreams, fatal)
	case len(findings) == 0:
		fmt.Fprintln(p.stdout, "The streams are as they should be.")
	default:
		fmt.Fprintln(p.stdout, "The streams can be used as they are.")
	}
	return nil
}

// tellFindings prints each finding with what to do, and returns how many are
// fatal.
func tellFindings(w io.Writer, findings []messages.Finding) (fatal int) {
	for _, finding := range findings {
		mark := "notice"
		if finding.Fatal {
			mark = "fatal"
			fatal++
		}
		fmt.Fprintf(w, "%s: %s\n", mark, finding)
		if finding.Updatable {
			fmt.Fprintln(w, "  mend with: connect-provider streams --mend (and the settings given now)")
		} else {
			fmt.Fprintln(w, "  can't be changed in place: drain the stream and make it anew (deploy/RUNBOOK.md, \"Another number of lanes\")")
		}
	}
	return fatal
}
