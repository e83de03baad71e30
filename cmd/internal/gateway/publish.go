package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/cmd/internal/tracing"
	"connect-provider/messages"
)

// acceptance is what is known of a command that was published.
type acceptance int

const (
	// inDoubt: it was sent, and no acknowledgement has come.
	inDoubt acceptance = iota
	// notAccepted: no stream has it.
	notAccepted
	// accepted: it is in its stream.
	accepted
)

func (a acceptance) String() string {
	return [...]string{"in_doubt", "not_accepted", "accepted"}[a]
}

// published is how publishing a command ended. The zero value is in doubt.
type published struct {
	acceptance acceptance
	sequence   uint64 // where it was accepted
	err        error
}

// duplicates is how often a command is sent again that was taken for a repeat of
// another message.
const duplicates = 3

// publish sends a call's command until it is accepted, or known not to be, or
// ctx ends. A try in doubt is followed by others under the same id: if it had
// arrived, they are repeats. Once in doubt a command is never "not accepted".
func (g *Gateway) publish(ctx context.Context, c *call) published {
	if err := context.Cause(ctx); err != nil {
		return published{acceptance: notAccepted, err: err}
	}
	doubt := false
	for try := 1; ; try++ {
		last := g.publishOnce(ctx, c)
		g.metrics.published(last.acceptance)
		doubt = doubt || last.acceptance == inDoubt
		again := doubt || errors.Is(last.err, errDuplicate) && try < duplicates
		if last.acceptance == accepted || !again {
			return last
		}
		select {
		case <-ctx.Done():
			if doubt {
				last.acceptance = inDoubt
			}
			return last
		case <-time.After(time.Duration(50+rand.IntN(100)) * time.Millisecond):
		}
	}
}

var errDuplicate = errors.New("the stream took the command for a repeat of another message")

// publishOnce sends the command once. It has no Nats-Msg-Id: whoever used it
// first, another organization too, would make the command vanish.
func (g *Gateway) publishOnce(ctx context.Context, c *call) published {
	ctx, cancel := context.WithTimeout(ctx, g.config.PublishTimeout)
	defer cancel()
	stream := messages.Interactive.Stream()
	message := &nats.Msg{Subject: messages.CommandSubject(messages.Interactive, c.organization, messages.VerbConnectProvider), Data: c.body}
	ended := tracing.Send(ctx, g.config.TracerProvider, stream, message)
	ack, err := g.config.JetStream.PublishMsg(ctx, message)
	ended(ack, err)
	switch {
	case err != nil && notSent(err):
		return published{acceptance: notAccepted, err: err}
	case err != nil:
		return published{acceptance: inDoubt, err: err}
	case ack.Duplicate:
		return published{acceptance: notAccepted, err: errDuplicate}
	case ack.Stream != stream:
		return published{acceptance: notAccepted, err: fmt.Errorf("stream %s has taken the command, not %s: the streams are not connect-provider's", ack.Stream, stream)}
	}
	return published{acceptance: accepted, sequence: ack.Sequence}
}

// notSent reports whether an error means that no stream has the message: there
// was no connection to send it on, nobody listened, or the stream refused it.
func notSent(err error) bool {
	var refused *jetstream.APIError
	if errors.As(err, &refused) {
		return true
	}
	for _, certain := range []error{
		nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrInvalidConnection,
		nats.ErrNoResponders, nats.ErrMaxPayload, jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, certain) {
			return true
		}
	}
	return false
}
