package messages

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

// PreviewAnswer tells what would come of commands, in the order in which they
// were asked for. Where not all had room in the message there are fewer: ask again
// for the rest.
type PreviewAnswer struct {
	Previews []Preview
}

// Preview is what would come of a command.
type Preview struct {
	// Error is nil if the number would be connected.
	Error *Failure
	// Decided says that a command with this id and content was decided before, or
	// stands earlier in the question: that outcome stands, and nothing would
	// happen. The rest is empty then.
	Decided bool
	// Changed is false where the number is there already.
	Changed bool
	// Provider is that of the configuration, as far as it is known, and
	// PreviousProvider that through which the number was on the bridge before.
	Provider, PreviousProvider string
}

// Encode returns the answer as a message body of at most limit bytes, with as many
// previews, from the first one on, as have room. It is an error if there are
// previews and not even one has.
func (a *PreviewAnswer) Encode(limit int) ([]byte, error) {
	b := append(make([]byte, 0, 64+64*len(a.Previews)), `{"previews":[`...)
	for i := range a.Previews {
		before := len(b)
		if i > 0 {
			b = append(b, ',')
		}
		if b = a.Previews[i].append(b); len(b)+len("]}") > limit {
			if i == 0 {
				return nil, fmt.Errorf("the answer has no room in the server's max_payload of %d bytes", limit)
			}
			b = b[:before]
			break
		}
	}
	return append(b, `]}`...), nil
}

func (p *Preview) append(b []byte) []byte {
	b = append(b, '{')
	switch {
	case p.Decided:
		b = append(b, `"decided":true`...)
	case p.Error != nil:
		b = p.Error.append(append(b, `"error":`...))
	default:
		b = strconv.AppendBool(append(b, `"changed":`...), p.Changed)
	}
	b = appendMember(b, "provider", p.Provider)
	b = appendMember(b, "previous_provider", p.PreviousProvider)
	return append(b, '}')
}

// DecodePreviewAnswer reads an answer's body. Members that it does not know are
// passed over.
func DecodePreviewAnswer(body []byte) (PreviewAnswer, error) {
	var w struct {
		Previews []struct {
			Decided          bool   `json:"decided"`
			Changed          bool   `json:"changed"`
			Provider         string `json:"provider"`
			PreviousProvider string `json:"previous_provider"`
			Error            *struct {
				Code    Code              `json:"code"`
				Field   string            `json:"field"`
				Message string            `json:"message"`
				Details map[string]string `json:"details"`
			} `json:"error"`
		} `json:"previews"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return PreviewAnswer{}, fmt.Errorf("answer about previews: %w", err)
	}
	a := PreviewAnswer{Previews: make([]Preview, len(w.Previews))}
	for i, p := range w.Previews {
		a.Previews[i] = Preview{Decided: p.Decided, Changed: p.Changed, Provider: p.Provider, PreviousProvider: p.PreviousProvider}
		if p.Error != nil {
			a.Previews[i].Error = &Failure{Code: p.Error.Code, Field: p.Error.Field, Message: p.Error.Message, Details: p.Error.Details}
		}
	}
	return a, nil
}

// AskPreviews asks the workers, in one request, what would come of an
// organization's commands if they were decided now. The answer may tell of fewer
// commands than the question has, of one at least: ask again for the rest, and say
// what the first ones would change. The question must have room in the server's
// max_payload.
//
// Errors are those of [AskOutcomes].
func AskPreviews(ctx context.Context, nc *nats.Conn, o Organization, q PreviewRequest) (PreviewAnswer, error) {
	if err := checkInbox(nc); err != nil {
		return PreviewAnswer{}, err
	}
	body, err := EncodePreviewRequest(q)
	if err != nil {
		return PreviewAnswer{}, err
	}
	reply, err := request(ctx, nc, PreviewsSubject(o), body)
	if err != nil {
		return PreviewAnswer{}, fmt.Errorf("ask for previews: %w", err)
	}
	answer, err := DecodePreviewAnswer(reply)
	if err == nil && (len(answer.Previews) > len(q.Commands) || len(answer.Previews) == 0 && len(q.Commands) > 0) {
		err = errors.New("the answer does not tell of the commands")
	}
	return answer, err
}
