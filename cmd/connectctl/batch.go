package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// maxBatch is how many messages the server takes in one atomic batch.
const maxBatch = 1000

// outgoing is a message to publish.
type outgoing struct {
	subject string
	body    []byte
}

// publishAtomically publishes messages as one JetStream atomic batch: all are
// stored, one after another, or none. It returns the last one's sequence. After
// an error other than the stream's refusal they may be stored.
func publishAtomically(ctx context.Context, nc *nats.Conn, stream string, batch []outgoing) (last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	id := nuid.Next()
	for i, message := range batch {
		msg := &nats.Msg{Subject: message.subject, Data: message.body, Header: nats.Header{
			"Nats-Batch-Id":       []string{id},
			"Nats-Batch-Sequence": []string{strconv.Itoa(i + 1)},
		}}
		if i < len(batch)-1 {
			if err := nc.PublishMsg(msg); err != nil {
				return 0, err
			}
			continue
		}
		msg.Header.Set("Nats-Batch-Commit", "1")
		reply, err := nc.RequestMsgWithContext(ctx, msg)
		if err != nil {
			return 0, fmt.Errorf("commit a batch to %s: %w", stream, err)
		}
		return batchAck(reply.Data, stream, len(batch))
	}
	return 0, errors.New("empty batch")
}

func batchAck(data []byte, stream string, size int) (last uint64, err error) {
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
		return 0, &batchRefused{stream: stream, code: ack.Error.Code, description: ack.Error.Description}
	case ack.Stream != stream || ack.Size != size:
		return 0, fmt.Errorf("%s's answer names stream %q and %d messages of %d", stream, ack.Stream, ack.Size, size)
	}
	return ack.Sequence, nil
}

// batchRefused is a stream's answer that it has stored nothing of a batch.
type batchRefused struct {
	stream      string
	code        int
	description string
}

func (r *batchRefused) Error() string {
	return fmt.Sprintf("%s refused a batch: %s (%d)", r.stream, r.description, r.code)
}
