package design

import (
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
	"connect-provider/outbox"
	"connect-provider/worker"
)

// generation is that of lanes whose stream has just been made.
const generation = 1

// command is a decided command with what is to be written of it.
type command struct {
	received *messages.Received
	decided  worker.Decided
}

// connectionRow has the columns of connections, in the table's order.
func (c command) connectionRow() []any {
	asked, o := &c.received.Command, &c.decided.Outcome
	return []any{asked.PhoneNumber, c.received.Organization.Handle, asked.BridgeSlug, asked.ProviderConfigID, o.Provider, o.ConnectionVersion, o.ConnectedAt}
}

// inboxRow has the columns of the inbox that differ from command to command, from
// org_token on.
func (c command) inboxRow() ([]any, error) {
	r, o, digest := c.received, &c.decided.Outcome, c.received.Digest()
	var provider, code, failure *string
	var version *int64
	var connected *time.Time
	if o.Provider != "" {
		provider = &o.Provider
	}
	if o.Failure == nil {
		version, connected = &o.ConnectionVersion, &o.ConnectedAt
	} else {
		document, err := json.Marshal(map[string]any{"field": o.Failure.Field, "message": o.Failure.Message, "details": o.Failure.Details})
		if err != nil {
			return nil, err
		}
		stored, name := string(document), string(o.Failure.Code)
		failure, code = &stored, &name
	}
	return []any{r.Organization.Token, c.decided.Key, digest[:], int64(r.Sequence), r.Time.UnixNano(),
		r.Command.BridgeSlug, r.Command.ProviderConfigID, r.Command.PhoneNumber, provider, o.Changed, version, connected, code, failure}, nil
}

// event is the outcome's, decided at a time.
func (c command) event(at time.Time) (row outbox.Row, err error) {
	event := messages.NewEvent(c.received, generation, c.decided.Outcome, c.decided.Key, at)
	row = outbox.Row{Position: messages.Position{Generation: generation, Sequence: c.received.Sequence}, Subject: event.MessageSubject()}
	row.Payload, err = event.Encode()
	return row, err
}

// eventMessage is an event as the worker publishes it.
func eventMessage(row outbox.Row) *nats.Msg {
	return &nats.Msg{Subject: row.Subject, Data: row.Payload, Header: nats.Header{
		"Content-Type":              {messages.ContentTypeCloudEvents},
		messages.HeaderLanePosition: {row.Position.String()},
	}}
}
