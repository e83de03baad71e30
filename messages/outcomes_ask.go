package messages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// askTimeout is how long one request is waited for, if ctx allows as much.
const askTimeout = 5 * time.Second

// OutcomesRefused is what [AskOutcomes] and [AskPreviews] return where a worker answered that it
// can't tell. Nothing has happened; with the code 503 it is worth asking again
// in a moment, with 400 it is not.
type OutcomesRefused struct {
	Code    string
	Message string
}

// Error returns the sentence that the worker gave.
func (r *OutcomesRefused) Error() string { return r.Message + " (" + r.Code + ")" }

// IsInbox reports whether a subject is one that workers answer to: it begins
// with _INBOX, as NATS clients name them unless they are told otherwise. (Or with
// _R_, where the server stands in for a client of another account.) Anything
// else could be a subject on which a worker may publish and the asker may not.
func IsInbox(subject string) bool {
	return strings.HasPrefix(subject, "_INBOX") || strings.HasPrefix(subject, "_R_.")
}

// AskOutcomes asks the workers what became of an organization's commands: any
// number of them, in as many requests as it takes, the requests one after
// another. The lanes' cursors are those of the first answer, so what
// [OutcomesAnswer] says of them holds for all ids. Nothing is left unanswered.
//
// It asks each thing once. An error may wrap nats.ErrNoResponders (no worker is
// there), be a *[OutcomesRefused], or come from ctx or the connection: a question
// can be asked again.
func AskOutcomes(ctx context.Context, nc *nats.Conn, o Organization, ids []string) (OutcomesAnswer, error) {
	if err := checkInbox(nc); err != nil {
		return OutcomesAnswer{}, err
	}
	var whole OutcomesAnswer
	most := MaxOutcomes
	for first, rest := true, unique(ids); first || len(rest) > 0; first = false {
		n := room(rest, most, nc.MaxPayload())
		answer, err := ask(ctx, nc, o, rest[:n])
		if err != nil {
			return OutcomesAnswer{}, fmt.Errorf("ask for outcomes: %w", err)
		}
		if first {
			whole.OrgHandle, whole.Lanes = answer.OrgHandle, answer.Lanes
		}
		whole.Outcomes = append(whole.Outcomes, answer.Outcomes...)
		whole.Unknown = append(whole.Unknown, answer.Unknown...)
		if n > 0 && len(answer.Unanswered) == n {
			if n == 1 {
				return OutcomesAnswer{}, fmt.Errorf("ask for outcomes: the server's max_payload of %d bytes has no room for that of command %s; raise it", nc.MaxPayload(), rest[0])
			}
			most = n / 2
		}
		rest = append(answer.Unanswered, rest[n:]...)
	}
	return whole, nil
}

// AskJobs asks the workers, in one request, how jobs of an organization came out:
// those named, or, if there are none, the last ones, up to [MaxJobs]. Jobs that
// are not known are not in the answer. Errors are those of [AskOutcomes].
func AskJobs(ctx context.Context, nc *nats.Conn, o Organization, jobs []string) ([]JobOutcomes, error) {
	if err := checkInbox(nc); err != nil {
		return nil, err
	}
	body, err := EncodeJobsRequest(jobs)
	if err != nil {
		return nil, err
	}
	reply, err := request(ctx, nc, OutcomesSubject(o), body)
	if err != nil {
		return nil, fmt.Errorf("ask for jobs: %w", err)
	}
	answer, err := DecodeOutcomesAnswer(reply)
	return answer.Jobs, err
}

// room returns how many of the ids can be asked for in one message. The answer
// names them all and needs room beside that.
func room(ids []string, most int, maxPayload int64) int {
	n, left := 0, maxPayload/2
	for _, id := range ids[:min(len(ids), most)] {
		if left -= int64(len(id) + 3); left < 0 && n > 0 {
			break
		}
		n++
	}
	return n
}

func ask(ctx context.Context, nc *nats.Conn, o Organization, ids []string) (OutcomesAnswer, error) {
	body, err := EncodeOutcomesRequest(ids)
	if err != nil {
		return OutcomesAnswer{}, err
	}
	reply, err := request(ctx, nc, OutcomesSubject(o), body)
	if err != nil {
		return OutcomesAnswer{}, err
	}
	answer, err := DecodeOutcomesAnswer(reply)
	if err == nil && len(answer.Outcomes)+len(answer.Unknown)+len(answer.Unanswered) != len(ids) {
		err = errors.New("the answer does not tell of each command")
	}
	return answer, err
}

// request asks once.
func request(ctx context.Context, nc *nats.Conn, subject string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	reply, err := nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return nil, fmt.Errorf("no answer on %s: %w", subject, err)
	}
	if code := reply.Header.Get(micro.ErrorCodeHeader); code != "" {
		return nil, &OutcomesRefused{Code: code, Message: cmp.Or(reply.Header.Get(micro.ErrorHeader), "refused")}
	}
	return reply.Data, nil
}

// checkInbox refuses a connection to which no worker would answer.
func checkInbox(nc *nats.Conn) error {
	if prefix := nc.Opts.InboxPrefix; prefix != "" && !IsInbox(prefix) {
		return fmt.Errorf("the inbox prefix %q: workers answer to subjects that begin with _INBOX only", prefix)
	}
	return nil
}
