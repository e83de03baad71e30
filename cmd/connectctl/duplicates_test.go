package main

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// duplicates is a JetStream whose streams take every message for a repeat, as
// they do where somebody else has used the message's Nats-Msg-Id. Publishing
// goes to the real stream with such an id, twice.
type duplicates struct{ jetstream.JetStream }

func (d duplicates) PublishMsg(ctx context.Context, message *nats.Msg, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	id := jetstream.WithMsgID("taken")
	if _, err := d.JetStream.PublishMsg(ctx, message, id); err != nil {
		return nil, err
	}
	return d.JetStream.PublishMsg(ctx, message, id)
}
