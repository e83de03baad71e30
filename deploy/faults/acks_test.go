package faults_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/systemtest"
)

// acksBed is a server with the streams A and B, reached through a line that
// loses acknowledgements, and directly.
type acksBed struct {
	t      *testing.T
	acks   *faults.Acks
	line   *faults.Line
	harmed jetstream.JetStream
	direct jetstream.JetStream
}

func newAcksBed(t *testing.T) *acksBed {
	t.Helper()
	server := systemtest.NATS(t)
	b := &acksBed{t: t, acks: new(faults.Acks)}
	var err error
	if b.line, err = faults.NewLine(server.URL(), b.acks.Dial); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.line.Close(); err != nil {
			t.Error(err)
		}
	})
	b.harmed, b.direct = jetStream(t, b.line.URL()), jetStream(t, server.URL())
	for _, name := range []string{"A", "B"} {
		if _, err := b.direct.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func jetStream(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// publishUnheard publishes to A until an acknowledgement was lost and the
// message is stored. Its publisher goes on waiting until heard ends that.
func (b *acksBed) publishUnheard() (heard func() error) {
	b.t.Helper()
	lost, stored := b.acks.Lost(), b.stored("A")
	ctx, cancel := context.WithCancel(b.t.Context())
	b.t.Cleanup(cancel)
	result := make(chan error, 1)
	go func() {
		_, err := b.harmed.Publish(ctx, "A.1", []byte("x"), jetstream.WithRetryAttempts(0))
		result <- err
	}()
	systemtest.Eventually(b.t, "the acknowledgement to be lost", func() error {
		if n := b.acks.Lost(); n != lost+1 {
			return fmt.Errorf("%d are lost", n-lost)
		}
		return nil
	})
	if n := b.stored("A"); n != stored+1 {
		b.t.Errorf("%d messages are stored, want %d", n, stored+1)
	}
	return func() error {
		cancel()
		return <-result
	}
}

func (b *acksBed) stored(stream string) uint64 {
	b.t.Helper()
	s, err := b.direct.Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func (b *acksBed) publish(subject string, options ...jetstream.PublishOpt) error {
	_, err := b.harmed.Publish(b.t.Context(), subject, []byte("x"), options...)
	return err
}

func TestAckLost(t *testing.T) {
	t.Parallel()
	b := newAcksBed(t)
	if err := b.publish("A.1"); err != nil {
		t.Fatalf("unharmed: %v", err)
	}
	for range 2 {
		b.acks.LoseAck("A")
	}
	// all that is no acknowledgement of A's passes
	if err := b.publish("B.1"); err != nil {
		t.Errorf("another stream: %v", err)
	}
	var refused *jetstream.APIError
	if err := b.publish("A.1", jetstream.WithExpectLastSequence(77)); !errors.As(err, &refused) {
		t.Errorf("a negative acknowledgement: %v", err)
	}
	if _, err := b.harmed.Stream(t.Context(), "A"); err != nil {
		t.Errorf("another answer: %v", err)
	}
	if n := b.acks.Lost(); n != 0 {
		t.Errorf("%d are lost", n)
	}

	for range 2 {
		heard := b.publishUnheard()
		if err := b.publish("B.1"); err != nil {
			t.Errorf("the connection goes on: %v", err)
		}
		if err := heard(); !errors.Is(err, context.Canceled) {
			t.Errorf("the publisher heard: %v", err)
		}
	}
	if err := b.publish("A.1"); err != nil {
		t.Errorf("the acknowledgement after those: %v", err)
	}

	b.acks.LoseAck("A")
	b.acks.LoseAckAndCut("A")
	b.acks.Cancel()
	if err := b.publish("A.1"); err != nil || b.acks.Lost() != 2 {
		t.Errorf("taken back: %v, %d are lost", err, b.acks.Lost())
	}
}

func TestAckLostWithItsConnection(t *testing.T) {
	t.Parallel()
	b := newAcksBed(t)
	lost := b.harmed.Conn().StatusChanged(nats.RECONNECTING)
	b.acks.LoseAckAndCut("A")
	heard := b.publishUnheard()
	<-lost
	if err := heard(); err == nil {
		t.Error("the publisher heard")
	}
	systemtest.Eventually(t, "the client to be back", func() error { return b.publish("A.1") })
	if n := b.acks.Lost(); n != 1 {
		t.Errorf("%d are lost", n)
	}
}

// Messages that come between those to be lost are complete and in order, over a
// line that hands their bytes out in small pieces.
func TestNothingElseIsLost(t *testing.T) {
	t.Parallel()
	b := newAcksBed(t)
	b.line.Slow(faults.Pace{BytesPerSecond: 400_000})
	received := make(chan string, 1000)
	conn := b.harmed.Conn()
	subscription, err := conn.Subscribe("A.>", func(m *nats.Msg) { received <- m.Subject + " " + m.Header.Get("N") })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = subscription.Unsubscribe() }()
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	const messages = 500
	for range messages / 10 {
		b.acks.LoseAck("A")
	}
	for i := range messages {
		m := nats.NewMsg(fmt.Sprintf("A.%d", i))
		m.Data = make([]byte, i)
		if i%2 == 1 {
			m.Header.Set("N", "has headers")
		}
		if _, err := b.harmed.PublishMsgAsync(m); err != nil {
			t.Fatal(err)
		}
	}
	for i := range messages {
		want := fmt.Sprintf("A.%d ", i)
		if i%2 == 1 {
			want += "has headers"
		}
		if got := <-received; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	systemtest.Eventually(t, "the other acknowledgements", func() error {
		if n := b.harmed.PublishAsyncPending(); n != messages/10 || b.acks.Lost() != messages/10 {
			return fmt.Errorf("%d publishes wait, %d acknowledgements are lost", n, b.acks.Lost())
		}
		return nil
	})
}
