package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

// preview decides commands as decide does, on what the database has now and what
// the question assumes beside it, and forgets the result. It locks nothing and
// writes nothing.
//
// The commands are read as if they stood in the organization's bulk lane. The
// assumptions are the asker's, and about its own organization: what they can tell
// it, it has said itself.
func (w *Worker) preview(ctx context.Context, organization messages.Organization, token string, question messages.PreviewRequest) (messages.PreviewAnswer, error) {
	now := time.Now()
	subject := fmt.Sprintf("telephony.bulk.%d.%s.%s", messages.Partition(token, w.lanesOf(messages.Bulk)), token, messages.VerbConnectProvider)
	batch := make([]*messages.Received, len(question.Commands))
	for i, body := range question.Commands {
		received := messages.Decode(messages.Message{StreamCreated: now, Time: now, Sequence: uint64(i) + 1, Subject: subject, Body: body})
		batch[i] = &received
	}
	s, err := w.previewState(ctx, organization, batch, question)
	if err != nil {
		return messages.PreviewAnswer{}, fmt.Errorf("preview: %w", err)
	}
	answer := messages.PreviewAnswer{Previews: make([]messages.Preview, len(batch))}
	for i, received := range batch {
		previous := ""
		if current := s.connections[received.Command.PhoneNumber]; current != nil {
			previous = current.provider
		}
		d := decide(s, batch[i:i+1], nil, now)[0]
		p := &answer.Previews[i]
		p.Decided, p.Error, p.Changed, p.Provider = d.repeat, d.outcome.Failure, d.outcome.Changed, d.outcome.Provider
		if p.Changed {
			p.PreviousProvider = previous
		}
	}
	return answer, nil
}

// previewState reads what the commands can touch, all as of one moment, and puts
// what is assumed in its place.
func (w *Worker) previewState(ctx context.Context, organization messages.Organization, batch []*messages.Received, question messages.PreviewRequest) (*state, error) {
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	s := newState(len(batch))
	var q pgx.Batch
	q.Queue("begin isolation level repeatable read read only")
	q.Queue(prepareSQL, fmt.Sprint(outcomesTimeout.Milliseconds()))
	bounds := s.queueWanted(&q, wantedBy(batch, nil))
	// a connection that is given back in the middle of a transaction is closed
	if err := conn.Conn().SendBatch(ctx, &q).Close(); err != nil {
		return nil, err
	}
	// of what moves away there has to be enough left to be told apart from none
	counted := len(batch) + 1
	for _, assumed := range question.Bridges {
		counted += max(-assumed.Numbers, 0)
	}
	if err := s.lookCloser(ctx, conn.Conn(), batch, bounds, counted); err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "commit"); err != nil {
		return nil, err
	}
	s.assume(organization.Handle, question)
	return s, nil
}

// assume changes the state as a question says.
func (s *state) assume(handle string, question messages.PreviewRequest) {
	for _, assumed := range question.Connections {
		s.connections[assumed.PhoneNumber] = &connection{
			organization: handle, bridge: assumed.BridgeSlug, configuration: assumed.ProviderConfigID, provider: assumed.Provider, version: 1,
		}
	}
	for _, assumed := range question.Bridges {
		if loaded := s.bridges[bridgeKey{handle, assumed.BridgeSlug}]; loaded != nil {
			loaded.numbers[assumed.Provider] += assumed.Numbers
		}
	}
}
