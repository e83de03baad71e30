package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// apiTimeout bounds the wait for JetStream's answer to one question.
	apiTimeout = 5 * time.Second
	// noMessage is JetStream's error code for a message that does not exist.
	noMessage = 10037
)

// StoredQuestion asks a stream for one of its messages: the one with a
// sequence, or the first of a subject from a sequence on.
type StoredQuestion struct {
	Sequence uint64 `json:"seq,omitempty"`
	// NextFor is a subject filter.
	NextFor string `json:"next_by_subj,omitempty"`
}

// StoredMark is a message's place in its stream, and when it was stored.
type StoredMark struct {
	Sequence uint64    `json:"seq"`
	Time     time.Time `json:"time"`
}

// FindStored asks a stream's leader where a message stands, and returns nil if
// there is none. The jetstream package's own way fails on a message whose
// header it can't parse, and publishers decide what is in a header.
func FindStored(ctx context.Context, js jetstream.JetStream, stream string, q StoredQuestion) (*StoredMark, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	request, err := json.Marshal(struct {
		StoredQuestion
		WithoutHead bool `json:"no_hdr"`
	}{q, true})
	if err != nil {
		return nil, err
	}
	reply, err := js.Conn().RequestWithContext(ctx, apiSubject(js, "STREAM.MSG.GET."+stream), request)
	if err != nil {
		return nil, fmt.Errorf("message of %s: %w", stream, err)
	}
	var answer struct {
		Message *StoredMark `json:"message"`
		Error   *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return nil, fmt.Errorf("message of %s: %w", stream, err)
	}
	switch {
	case answer.Error != nil && answer.Error.Code == noMessage:
		return nil, nil
	case answer.Error != nil:
		return nil, fmt.Errorf("message of %s: %s (%d)", stream, answer.Error.Description, answer.Error.Code)
	case answer.Message == nil:
		return nil, fmt.Errorf("message of %s: the answer has none", stream)
	}
	return answer.Message, nil
}

// apiSubject is the subject of a question to JetStream's API, which may have to
// be reached by a domain or by a prefix of its own.
func apiSubject(js jetstream.JetStream, operation string) string {
	options := js.Options()
	switch {
	case options.Domain != "":
		return "$JS." + options.Domain + ".API." + operation
	case options.APIPrefix != "":
		return strings.TrimSuffix(options.APIPrefix, ".") + "." + operation
	}
	return jetstream.DefaultAPIPrefix + operation
}
