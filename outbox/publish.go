package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"connect-provider/messages"
)

const (
	// maxSingles is up to how many events go as ordinary publishes: with each
	// write synced an atomic batch costs as much as six of them.
	maxSingles = 5
	// maxBatch is how many messages the server takes in one atomic batch.
	maxBatch = 1000
)

// The headers of JetStream's optimistic concurrency and atomic batches.
const (
	headerExpectedSequence = "Nats-Expected-Last-Subject-Sequence"
	headerExpectedSubject  = "Nats-Expected-Last-Subject-Sequence-Subject"
	headerBatchID          = "Nats-Batch-Id"
	headerBatchSequence    = "Nats-Batch-Sequence"
	headerBatchCommit      = "Nats-Batch-Commit"
)

// publication is an event ready for the wire.
type publication struct {
	subject  string
	payload  []byte
	position messages.Position // the lane's, never below the one before
}

// full is how the server says that a stream is as large as it may get.
const full = "maximum bytes exceeded"

// refusal is the events stream's answer that it did not take a message.
type refusal struct {
	code        int
	description string
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("events stream refused: %s (%d)", r.description, r.code)
	if r.description == full {
		text += "; raise its limit with connect-provider streams --events-max-bytes SIZE --mend"
	}
	return text
}

// wire publishes to the events stream, a lane at a time.
type wire struct {
	nc      *nats.Conn
	expect  string // the lane's filter, spelled the same in every version
	timeout time.Duration
}

// publish sends up to maxBatch events behind the lane's last one, whose stream
// sequence is expected, and returns the new last one's. When it returns an
// error other than a refusal, the events may be in the stream, or still on
// their way there: only the stream can tell.
func (w *wire) publish(ctx context.Context, expected uint64, events []publication) (last uint64, err error) {
	if len(events) > maxSingles {
		return w.publishBatch(ctx, expected, events)
	}
	last = expected
	for _, event := range events {
		message := w.message(event)
		w.fence(message, last)
		if last, err = w.request(ctx, message); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// publishBatch sends the events as one atomic batch: all are stored, or none.
// Only the last message is answered; an earlier one that the server can't
// take makes that answer a refusal.
func (w *wire) publishBatch(ctx context.Context, expected uint64, events []publication) (uint64, error) {
	id := nuid.Next()
	for i, event := range events {
		message := w.message(event)
		message.Header.Set(headerBatchID, id)
		message.Header.Set(headerBatchSequence, strconv.Itoa(i+1))
		if i == 0 {
			w.fence(message, expected)
		}
		if i == len(events)-1 {
			message.Header.Set(headerBatchCommit, "1")
			return w.request(ctx, message)
		}
		if err := w.nc.PublishMsg(message); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("empty batch")
}

func (w *wire) message(event publication) *nats.Msg {
	return &nats.Msg{Subject: event.subject, Data: event.payload, Header: nats.Header{
		"Content-Type":              []string{messages.ContentTypeCloudEvents},
		messages.HeaderLanePosition: []string{event.position.String()},
	}}
}

// fence lets the stream take the message only if the lane's last event is the
// expected one.
func (w *wire) fence(message *nats.Msg, expected uint64) {
	message.Header.Set(headerExpectedSequence, strconv.FormatUint(expected, 10))
	message.Header.Set(headerExpectedSubject, w.expect)
}

// request sends a message and waits for the stream's answer.
func (w *wire) request(ctx context.Context, message *nats.Msg) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	reply, err := w.nc.RequestMsgWithContext(ctx, message)
	if err != nil {
		return 0, fmt.Errorf("no answer from the events stream: %w", err)
	}
	var ack struct {
		Stream   string `json:"stream"`
		Sequence uint64 `json:"seq"`
		Error    *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return 0, fmt.Errorf("events stream's answer: %w", err)
	}
	if ack.Error != nil {
		return 0, &refusal{code: ack.Error.Code, description: ack.Error.Description}
	}
	if ack.Stream != messages.EventsStream || ack.Sequence == 0 {
		return 0, fmt.Errorf("events stream's answer names stream %q, sequence %d", ack.Stream, ack.Sequence)
	}
	return ack.Sequence, nil
}
