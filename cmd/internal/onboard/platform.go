package onboard

import (
	"context"
	"errors"

	"connect-provider/messages"
)

// Platform is the system that decides. All of it may be called at once.
type Platform interface {
	// Publish stores the messages in the bulk stream, one after another, or none
	// of them, and returns the last one's sequence. After an error they may be
	// stored all the same.
	Publish(ctx context.Context, batch []Message) (last uint64, err error)
	// Ask asks for outcomes, as messages.AskOutcomes does.
	Ask(ctx context.Context, o messages.Organization, ids []string) (messages.OutcomesAnswer, error)
	// Preview asks what would come of commands, as messages.AskPreviews does.
	Preview(ctx context.Context, o messages.Organization, q messages.PreviewRequest) (messages.PreviewAnswer, error)
	// Events passes on outcome events of the organizations (of all if there are
	// none) that appear after ready was called, in order. Some may be missing. It
	// returns when ctx ends, or with ErrUnread.
	Events(ctx context.Context, of []messages.Organization, ready func(), take func(*messages.Event)) error
}

// Message is one to publish.
type Message struct {
	Subject string
	Body    []byte
}

// ErrUnread says that the user may not read events. The workers tell the same.
var ErrUnread = errors.New("this user does not read events")

// Hopeless is an error that trying again does not mend.
type Hopeless struct{ Err error }

// Error tells what is wrong.
func (h *Hopeless) Error() string { return h.Err.Error() }

// Unwrap returns the cause.
func (h *Hopeless) Unwrap() error { return h.Err }

func hopeless(err error) bool {
	var h *Hopeless
	var refused *messages.OutcomesRefused
	return errors.As(err, &h) || errors.As(err, &refused) && refused.Code == "400"
}
