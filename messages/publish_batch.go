package messages

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// MaxBatch is how many messages the server takes in one atomic batch.
const MaxBatch = 1000

// batchTimeout is how long a batch's answer is waited for, if ctx allows as much.
const batchTimeout = 10 * time.Second

// BatchRefused is a stream's answer that it has stored nothing of a batch.
type BatchRefused struct {
	Stream      string
	Code        int // JetStream's own, such as 10174
	Description string
}

// Error names the stream, its reason and the code.
func (r *BatchRefused) Error() string {
	return fmt.Sprintf("%s refused a batch: %s (%d)", r.Stream, r.Description, r.Code)
}

// PublishBatch publishes 1 to [MaxBatch] messages as one JetStream atomic batch:
// all are stored, one after another, or none, and they are synced once. It sets
// the headers that this takes. The stream must allow atomic batches, as that of
// [Bulk] commands does.
//
// It returns the last message's sequence. After an error other than a
// *[BatchRefused] the messages may be stored. The error may wrap
// nats.ErrNoResponders: no stream takes them.
func PublishBatch(ctx context.Context, nc *nats.Conn, stream string, batch []*nats.Msg) (last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	id := nuid.Next()
	for i, message := range batch {
		if message.Header == nil {
			message.Header = make(nats.Header, 3)
		}
		message.Header["Nats-Batch-Id"] = []string{id}
		message.Header["Nats-Batch-Sequence"] = []string{strconv.Itoa(i + 1)}
		if i < len(batch)-1 {
			if err := nc.PublishMsg(message); err != nil {
				return 0, err
			}
			continue
		}
		message.Header["Nats-Batch-Commit"] = []string{"1"}
		reply, err := nc.RequestMsgWithContext(ctx, message)
		if err != nil {
			return 0, fmt.Errorf("commit a batch to %s: %w", stream, err)
		}
		return readBatchAck(reply.Data, stream, len(batch))
	}
	return 0, errors.New("empty batch")
}

func readBatchAck(data []byte, stream string, size int) (last uint64, err error) {
	var ack struct {
		Stream   string `json:"stream"`
		Sequence uint64 `json:"seq"`
		Size     int    `json:"count"`
		Error    *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	switch err := json.Unmarshal(data, &ack); {
	case err != nil:
		return 0, fmt.Errorf("%s's answer: %w", stream, err)
	case ack.Error != nil:
		return 0, &BatchRefused{Stream: stream, Code: ack.Error.Code, Description: ack.Error.Description}
	case ack.Stream != stream || ack.Size != size:
		return 0, fmt.Errorf("%s's answer names stream %q and %d messages of %d", stream, ack.Stream, ack.Size, size)
	}
	return ack.Sequence, nil
}
