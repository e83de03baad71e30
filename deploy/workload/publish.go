package workload

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

// Publish puts the commands from first up to, not including, end into the bulk
// stream, in order, in atomic batches of 1,000, each synced once: another stream
// takes no batches. After an error some may be stored; publishing them again is
// harmless.
func (w Workload) Publish(ctx context.Context, nc *nats.Conn, first, end int) error {
	batch := make([]*nats.Msg, 0, messages.MaxBatch)
	for ; first < end; first += len(batch) {
		batch = batch[:0]
		for n := first; n < min(first+messages.MaxBatch, end); n++ {
			message, err := w.Message(messages.Bulk, n)
			if err != nil {
				return err
			}
			batch = append(batch, message)
		}
		if _, err := messages.PublishBatch(ctx, nc, messages.Bulk.Stream(), batch); err != nil {
			return fmt.Errorf("publish the workload's commands from %d on: %w", first, err)
		}
	}
	return nil
}

// Message is command n as it is published to a class.
func (w Workload) Message(class messages.Class, n int) (*nats.Msg, error) {
	organization, command := w.Command(n)
	body, err := messages.EncodeCommand(command)
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: messages.CommandSubject(class, organization, messages.VerbConnectProvider), Data: body}, nil
}
