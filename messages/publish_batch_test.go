package messages_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

func TestPublishBatchStoresAllOrNothing(t *testing.T) {
	t.Parallel()
	js := runServer(t)
	nc := js.Conn()
	if _, err := js.CreateStream(t.Context(), messages.CommandsStreamConfig(messages.Bulk, messages.StreamOptions{})); err != nil {
		t.Fatal(err)
	}
	batch := func(size int) []*nats.Msg {
		made := make([]*nats.Msg, size)
		for i := range made {
			made[i] = &nats.Msg{Subject: "telephony.bulk.acme.connect-provider", Data: []byte("{}")}
		}
		return made
	}
	for i, size := range []int{1, 2, messages.MaxBatch} {
		want := []uint64{1, 3, 3 + messages.MaxBatch}[i]
		if last, err := messages.PublishBatch(t.Context(), nc, messages.Bulk.Stream(), batch(size)); err != nil || last != want {
			t.Errorf("a batch of %d: last sequence %d, %v, want %d", size, last, err, want)
		}
	}
	refused := batch(3)
	refused[1].Data = make([]byte, messages.MaxMessage+1)
	var refusal *messages.BatchRefused
	if _, err := messages.PublishBatch(t.Context(), nc, messages.Bulk.Stream(), refused); !errors.As(err, &refusal) || refusal.Code == 0 {
		t.Errorf("a message too large: %v", err)
	}
	if _, err := messages.PublishBatch(t.Context(), nc, "OTHER", batch(1)); err == nil {
		t.Error("another stream answered, and nobody noticed")
	}
	stream, err := js.Stream(t.Context(), messages.Bulk.Stream())
	if err != nil {
		t.Fatal(err)
	}
	if stored := stream.CachedInfo().State.Msgs; stored != 4+messages.MaxBatch {
		t.Errorf("%d messages are stored, want %d", stored, 4+messages.MaxBatch)
	}
}
