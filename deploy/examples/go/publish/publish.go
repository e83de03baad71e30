package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// publish publishes a command until the stream has accepted it or ctx ends.
// Whoever does not know whether it was accepted publishes it again: its id sees
// to it that it is decided once.
func publish(ctx context.Context, js jetstream.JetStream, organization messages.Organization, command messages.Command) error {
	body, err := messages.EncodeCommand(command)
	if err != nil {
		return err
	}
	// No Nats-Msg-Id: the stream would drop the command if anyone at all had
	// used the same one just before.
	message := &nats.Msg{Subject: messages.CommandSubject(messages.Interactive, organization, messages.VerbConnectProvider), Data: body}
	for {
		ack, err := js.PublishMsg(ctx, message)
		if err == nil && !ack.Duplicate {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not known whether command %s was accepted: %w", command.ID, err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}
