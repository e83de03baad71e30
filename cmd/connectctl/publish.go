package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"connect-provider/cmd/internal/program"
	"connect-provider/cmd/internal/tracing"
	"connect-provider/messages"
)

// publishTimeout bounds the wait for the stream's answer.
const publishTimeout = 10 * time.Second

type publishCommand struct {
	Org            string            `required:"" placeholder:"HANDLE" help:"Organization's domain handle."`
	Bridge         string            `required:"" placeholder:"SLUG" help:"Bridge's slug."`
	ProviderConfig int64             `required:"" placeholder:"ID" help:"Id of the provider configuration."`
	Phone          string            `required:"" placeholder:"NUMBER" help:"Phone number in E.164 form, as in +1234567890."`
	ID             string            `name:"id" placeholder:"TEXT" help:"Command id; the same one again does nothing twice (default a random one)."`
	Metadata       map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Echoed in the outcome; may be given several times."`
	Class          string            `default:"interactive" placeholder:"CLASS" help:"Traffic class, interactive or bulk (default interactive)."`
	Wait           time.Duration     `placeholder:"DURATION" help:"Wait so long for the outcome and tell it by the exit code: 0 connected, 3 failed, 4 undecided."`
	JSON           bool              `name:"json" help:"Print one JSON document, with the outcome event as it is, or, of a repeat, with what was decided before."`
	Reveal         bool              `help:"Show phone numbers in full."`
	NATS           natsSettings      `embed:""`
	Log            program.Log       `embed:""`
	Tracing        tracing.Settings  `kong:"-"` // OpenTelemetry's own variables
}

func (c *publishCommand) log() program.Log { return c.Log }

func (c *publishCommand) problems(secrets *program.Secrets) []error {
	problems := append(c.NATS.problems(secrets), c.Tracing.Resolve(secrets)...)
	if _, err := messages.OrganizationFromHandle(c.Org); err != nil {
		problems = append(problems, fmt.Errorf("--org: %w", err))
	}
	if failure := c.command().Validate(); failure != nil {
		problems = append(problems, fmt.Errorf("%s: %s", flagOf[failure.Field], failure.Message))
	}
	if _, err := classOf(c.Class); err != nil {
		problems = append(problems, err)
	}
	if c.Wait < 0 {
		problems = append(problems, fmt.Errorf("--wait %s: give more than 0", c.Wait))
	}
	return problems
}

// flagOf names the flag that gives a member of the command.
var flagOf = map[string]string{
	"": "command", "command_id": "--id", "bridge_slug": "--bridge", "phone_number": "--phone", "metadata": "--metadata",
}

func (c *publishCommand) command() messages.Command {
	return messages.Command{ID: c.ID, BridgeSlug: c.Bridge, ProviderConfigID: c.ProviderConfig, PhoneNumber: c.Phone, Metadata: c.Metadata}
}

func classOf(name string) (messages.Class, error) {
	for _, class := range messages.Classes() {
		if class.String() == name {
			return class, nil
		}
	}
	return 0, fmt.Errorf("--class %q: choose interactive or bulk", name)
}

func (c *publishCommand) run(ctx context.Context, p process) error {
	spans, err := c.Tracing.Start(ctx, "connectctl", fmt.Sprintf("connectctl:%d", os.Getpid()), p.logger)
	if err != nil {
		return err
	}
	defer spans.Stop()
	nc, js, err := c.NATS.connect(p.secrets)
	if err != nil {
		return err
	}
	defer nc.Close()
	asked := question{command: c.command()}
	if asked.command.ID == "" {
		asked.command.ID = uuid.NewString()
	}
	if asked.organization, err = messages.OrganizationFromHandle(c.Org); err != nil {
		return err
	}
	if asked.class, err = classOf(c.Class); err != nil {
		return err
	}
	if c.Wait > 0 {
		// what the stream holds now is older than the outcome
		if err := asked.beforeEvents(ctx, js); err != nil {
			return err
		}
	}
	published := time.Now()
	if asked.sequence, err = publish(tracing.FromEnvironment(ctx), js, spans.Provider(), asked); err != nil {
		return err
	}
	printed := printer{to: p.stdout, json: c.JSON, reveal: c.Reveal}
	if c.Wait == 0 {
		return printed.accepted(asked, true)
	}
	if err := printed.accepted(asked, false); err != nil {
		return err
	}
	answer, err := asked.await(ctx, js, c.Wait)
	if err != nil {
		return err
	}
	answer.took = time.Since(published)
	return printed.answer(asked, answer, c.Wait)
}

// publish publishes a command and returns the sequence that the stream gave it.
// After an error the stream may have it all the same: publishing it again under
// the same id does no harm. The command carries the context of the span that is
// made of it, or of ctx, to its event.
func publish(ctx context.Context, js jetstream.JetStream, spans trace.TracerProvider, asked question) (uint64, error) {
	body, err := messages.EncodeCommand(asked.command)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	subject := messages.CommandSubject(asked.class, asked.organization, messages.VerbConnectProvider)
	// no Nats-Msg-Id: whoever used it first, an organization elsewhere too,
	// would make this command vanish
	message := &nats.Msg{Subject: subject, Data: body}
	ended := tracing.Send(ctx, spans, asked.class.Stream(), message)
	ack, err := js.PublishMsg(ctx, message)
	ended(ack, err)
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return 0, fmt.Errorf("no stream takes %s: create the streams with `connect-provider streams`, and check that this is the right server", subject)
	case err != nil:
		return 0, fmt.Errorf("not known whether command %s was accepted (%w); publish it again with --id %s, that can't connect it twice", asked.command.ID, err, asked.command.ID)
	case ack.Duplicate:
		return 0, fmt.Errorf("command %s was not accepted: the stream took it for a repeat of another message; publish it again", asked.command.ID)
	case ack.Stream != asked.class.Stream():
		return 0, fmt.Errorf("stream %s has taken the command, not %s: the streams are not connect-provider's", ack.Stream, asked.class.Stream())
	}
	return ack.Sequence, nil
}
