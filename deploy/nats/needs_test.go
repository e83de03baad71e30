package nats_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	access "connect-provider/deploy/nats"
	"connect-provider/messages"
	"connect-provider/worker"
)

// need is something that a user must be able to do.
type need struct {
	user, what string
	do         func(ctx context.Context, w *world, c *client) error
}

// needs is the table of all that must work, in this order.
func needs() []need {
	return slices.Concat(administratorNeeds(), workerNeeds(), organizationNeeds(acme), organizationNeeds(dotted), gatewayNeeds(), operatorNeeds())
}

func (w *world) meet(ctx context.Context, n need) error {
	c, err := w.client(n.user)
	if err != nil {
		return err
	}
	if err := n.do(ctx, w, c); err != nil {
		return fmt.Errorf("%s can't do what it must: %s: %w", n.user, n.what, err)
	}
	return nil
}

func TestEachUserCanDoWhatItMust(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	for _, n := range needs() {
		if err := w.meet(t.Context(), n); err != nil {
			t.Error(err)
		}
	}
}

// withStreams does something by the jetstream package.
func withStreams(f func(ctx context.Context, w *world, js jetstream.JetStream) error) func(context.Context, *world, *client) error {
	return func(ctx context.Context, w *world, c *client) error {
		js, err := c.jetStream()
		if err != nil {
			return err
		}
		return c.patiently(ctx, func(ctx context.Context) error { return f(ctx, w, js) })
	}
}

func administratorNeeds() []need {
	scratch := jetstream.StreamConfig{Name: "SCRATCH", Subjects: []string{"scratch"}}
	return []need{
		{access.Administrator, "compare and mend the streams", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
			stream, err := js.Stream(ctx, messages.EventsStream)
			if err != nil {
				return err
			}
			changed := stream.CachedInfo().Config
			changed.Description = "another"
			if _, err := js.UpdateStream(ctx, changed); err != nil {
				return err
			}
			_, findings, err := worker.EnsureStreams(ctx, js, messages.StreamOptions{}, true)
			if err == nil && len(findings) > 0 {
				err = fmt.Errorf("not mended: %v", findings)
			}
			return err
		})},
		{access.Administrator, "make, list, purge and delete a stream", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
			stream, err := js.CreateStream(ctx, scratch)
			if err != nil {
				return err
			}
			names := js.StreamNames(ctx)
			count := 0
			for range names.Name() {
				count++
			}
			if err := counted(count, 4, names.Err()); err != nil {
				return err
			}
			if err := stream.Purge(ctx); err != nil {
				return err
			}
			return js.DeleteStream(ctx, scratch.Name)
		})},
	}
}

// workerNeeds are the worker's requests one by one; worker_test.go shows that
// a real worker has no others.
func workerNeeds() []need {
	all := []need{
		{access.Worker, "publish an event behind the lane's last one", func(ctx context.Context, w *world, c *client) error {
			lane := laneOf(messages.Interactive, acme)
			_, err := c.ask(ctx, messages.EventSubject(lane, messages.OrganizationFromToken(acme), messages.EventConnected), word(acme), nats.Header{
				"Nats-Expected-Last-Subject-Sequence":         {strconv.FormatUint(w.lastEvent(ctx, lane), 10)},
				"Nats-Expected-Last-Subject-Sequence-Subject": {lane.EventFilter()},
			})
			return err
		}},
		{access.Worker, "publish events as a batch", func(ctx context.Context, _ *world, c *client) error {
			return c.batch(ctx, messages.EventSubject(laneOf(messages.Bulk, globex), messages.OrganizationFromToken(globex), messages.EventConnectFailed), 7)
		}},
		{access.Worker, "tell other workers of free lanes", func(ctx context.Context, w *world, c *client) error {
			told, err := c.SubscribeSync("telephony.workers")
			if err != nil {
				return err
			}
			defer told.Unsubscribe() //nolint:errcheck // the connection's end does it as well
			return c.patiently(ctx, func(ctx context.Context) error {
				if err := c.Publish("telephony.workers", nil); err != nil {
					return err
				}
				_, err := told.NextMsgWithContext(ctx)
				return err
			})
		}},
	}
	for _, stream := range []string{messages.Interactive.Stream(), messages.Bulk.Stream(), messages.EventsStream} {
		commands := stream != messages.EventsStream
		filter := map[bool]string{true: "telephony.*.*.>", false: "telephony.events.*.>"}[commands]
		all = append(all,
			need{access.Worker, "look at " + stream, withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
				_, err := js.Stream(ctx, stream)
				return err
			})},
			need{access.Worker, "read a message of " + stream, func(ctx context.Context, _ *world, c *client) error {
				_, err := c.ask(ctx, "$JS.API.STREAM.MSG.GET."+stream, map[string]any{"next_by_subj": ">", "seq": 1}, nil)
				return err
			}},
			need{access.Worker, "read a lane of " + stream, func(ctx context.Context, w *world, c *client) error {
				consumer := "lane-" + nuid.Next()
				config := jetstream.ConsumerConfig{Name: consumer, FilterSubject: filter, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: time.Hour}
				_, err := c.ask(ctx, "$JS.API.CONSUMER.CREATE."+stream+"."+consumer+"."+filter, map[string]any{"stream_name": stream, "config": config}, nil)
				if err == nil {
					_, err = c.pull(ctx, "$JS.API.CONSUMER.MSG.NEXT."+stream+"."+consumer, 2)
				}
				if err == nil && commands {
					_, err = c.ask(ctx, "$JS.API.CONSUMER.INFO."+stream+"."+consumer, nil, nil)
				}
				if err == nil {
					_, err = c.ask(ctx, "$JS.API.CONSUMER.DELETE."+stream+"."+consumer, nil, nil)
				}
				return err
			}})
		if commands {
			all = append(all, need{access.Worker, "purge " + stream, func(ctx context.Context, _ *world, c *client) error {
				_, err := c.ask(ctx, "$JS.API.STREAM.PURGE."+stream, map[string]any{"seq": 1}, nil)
				return err
			}})
		}
	}
	return all
}

func organizationNeeds(token string) []need {
	producer, consumer := "producer@"+token, "consumer@"+token
	all := []need{
		{producer, "ask for outcomes", func(ctx context.Context, _ *world, c *client) error {
			answer, err := c.ask(ctx, "telephony.outcomes."+token, nil, nil)
			if err == nil && string(answer.Data) != word(token) {
				err = fmt.Errorf("the answer is %q", answer.Data)
			}
			return err
		}},
		{producer, "ask for previews", func(ctx context.Context, _ *world, c *client) error {
			answer, err := c.ask(ctx, "telephony.previews."+token, nil, nil)
			if err == nil && string(answer.Data) != word(token) {
				err = fmt.Errorf("the answer is %q", answer.Data)
			}
			return err
		}},
		{producer, "publish bulk commands as a batch", func(ctx context.Context, _ *world, c *client) error {
			return c.batch(ctx, commandSubject(messages.Bulk, token), 20)
		}},
		{consumer, "create its consumer", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
			_, err := js.CreateOrUpdateConsumer(ctx, messages.EventsStream, ownConsumer(token))
			return err
		})},
		{consumer, "create it again, and read and acknowledge over a lost connection", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
			consumer, err := js.CreateOrUpdateConsumer(ctx, messages.EventsStream, ownConsumer(token))
			if err != nil {
				return err
			}
			if _, err := consumer.Info(ctx); err != nil {
				return err
			}
			if err := readTwo(ctx, consumer, token); err != nil {
				return err
			}
			if err := js.Conn().ForceReconnect(); err != nil {
				return err
			}
			return readTwo(ctx, consumer, token)
		})},
	}
	for _, class := range messages.Classes() {
		all = append(all, need{producer, "publish " + class.String() + " commands", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
			ack, err := js.Publish(ctx, commandSubject(class, token), []byte(word(token)))
			if err == nil && ack.Stream != class.Stream() {
				err = fmt.Errorf("%s took it", ack.Stream)
			}
			return err
		})}, need{producer, "publish " + class.String() + " commands without waiting for each", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
			var futures []jetstream.PubAckFuture
			for range 20 {
				future, err := js.PublishAsync(commandSubject(class, token), []byte(word(token)))
				if err != nil {
					return err
				}
				futures = append(futures, future)
			}
			for _, future := range futures {
				select {
				case <-future.Ok():
				case err := <-future.Err():
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})})
	}
	return all
}

func ownConsumer(token string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{Durable: consumerOf(token), FilterSubject: "telephony.events.*." + token + ".>",
		AckPolicy: jetstream.AckExplicitPolicy, InactiveThreshold: time.Hour}
}

// readTwo takes two events by one request, and waits until their
// acknowledgements are noted.
func readTwo(ctx context.Context, consumer jetstream.Consumer, token string) error {
	batch, err := consumer.Fetch(2, jetstream.FetchContext(ctx))
	if err != nil {
		return err
	}
	count := 0
	for message := range batch.Messages() {
		count++
		if !contains(message.Data(), word(token)) {
			return fmt.Errorf("event %q came", message.Data())
		}
		if err := message.DoubleAck(ctx); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
	}
	if err := counted(count, 2, batch.Error()); err != nil {
		return err
	}
	return nil
}

func gatewayNeeds() []need {
	return []need{
		publishes(access.Gateway, messages.Interactive),
		asks(access.Gateway, "outcomes"),
		// as cmd/internal/gateway does it; cmd/connect-provider has a test with a real one
		{access.Gateway, "follow the interactive lanes' events", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
			stream, err := js.Stream(ctx, messages.Interactive.Stream())
			if err != nil {
				return err
			}
			if _, err := messages.LanesOf(stream.CachedInfo().Config); err != nil {
				return err
			}
			consumer, err := js.CreateConsumer(ctx, messages.EventsStream, jetstream.ConsumerConfig{Name: "gateway", MemoryStorage: true, InactiveThreshold: time.Hour,
				FilterSubjects: []string{laneOf(messages.Interactive, acme).EventFilter(), laneOf(messages.Bulk, acme).EventFilter()},
				AckPolicy:      jetstream.AckNonePolicy})
			if err != nil {
				return err
			}
			return fetch(ctx, consumer, 2)
		})},
	}
}

func operatorNeeds() []need {
	return []need{
		publishes(access.Operator, messages.Interactive),
		publishes(access.Operator, messages.Bulk),
		asks(access.Operator, "outcomes"), asks(access.Operator, "previews"),
		ordered(access.Operator, messages.Interactive.Stream()),
		ordered(access.Operator, messages.EventsStream),
		{access.Operator, "wake the workers", func(ctx context.Context, w *world, c *client) error {
			served, err := w.client(access.Worker)
			if err != nil {
				return err
			}
			told, err := served.SubscribeSync("telephony.workers")
			if err != nil {
				return err
			}
			defer told.Unsubscribe() //nolint:errcheck // the connection's end does it as well
			if err := served.FlushTimeout(c.patience); err != nil {
				return err
			}
			return c.patiently(ctx, func(ctx context.Context) error {
				if err := c.Publish("telephony.workers", nil); err != nil {
					return err
				}
				_, err := told.NextMsgWithContext(ctx)
				return err
			})
		}},
		{access.Operator, "find the workers' service", func(ctx context.Context, _ *world, c *client) error {
			for _, subject := range []string{"$SRV.PING", "$SRV.INFO.outcomes", "$SRV.STATS.outcomes"} {
				if _, err := c.ask(ctx, subject, nil, nil); err != nil {
					return err
				}
			}
			return nil
		}},
		{access.Operator, "hear from more than one worker", func(ctx context.Context, w *world, c *client) error {
			second, err := w.second(access.Worker)
			if err != nil {
				return err
			}
			defer second.Close()
			if _, err := second.Subscribe("$SRV.PING", func(m *nats.Msg) { _ = m.Respond([]byte("pong")) }); err != nil {
				return err
			}
			if err := second.FlushTimeout(c.patience); err != nil {
				return err
			}
			_, err = c.pull(ctx, "$SRV.PING", 2)
			return err
		}},
		{access.Operator, "list and read everything", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
			if _, err := js.AccountInfo(ctx); err != nil {
				return err
			}
			count := 0
			names, infos := js.StreamNames(ctx), js.ListStreams(ctx)
			for range names.Name() {
				count++
			}
			for range infos.Info() {
				count++
			}
			if err := counted(count, 6, errors.Join(names.Err(), infos.Err())); err != nil {
				return err
			}
			stream, err := js.Stream(ctx, messages.Bulk.Stream())
			if err != nil {
				return err
			}
			if _, err := stream.GetLastMsgForSubject(ctx, ">"); err != nil {
				return err
			}
			if stream, err = js.Stream(ctx, messages.EventsStream); err != nil {
				return err
			}
			count = 0
			consumers, details := stream.ConsumerNames(ctx), stream.ListConsumers(ctx)
			for range consumers.Name() {
				count++
			}
			for range details.Info() {
				count++
			}
			if err := counted(min(count, 1), 1, errors.Join(consumers.Err(), details.Err())); err != nil {
				return err
			}
			_, err = stream.Consumer(ctx, consumerOf(acme))
			return err
		})},
	}
}

func publishes(user string, class messages.Class) need {
	return need{user, "publish " + class.String() + " commands of any organization", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
		for _, token := range []string{acme, dotted} {
			ack, err := js.Publish(ctx, commandSubject(class, token), []byte(word(token)))
			if err != nil {
				return err
			}
			if ack.Stream != class.Stream() {
				return fmt.Errorf("%s took it", ack.Stream)
			}
		}
		return nil
	})}
}

func asks(user, kind string) need {
	return need{user, "ask for " + kind + " of any organization", func(ctx context.Context, _ *world, c *client) error {
		answer, err := c.ask(ctx, "telephony."+kind+"."+dotted, nil, nil)
		if err == nil && string(answer.Data) != word(dotted) {
			err = fmt.Errorf("the answer is %q", answer.Data)
		}
		return err
	}}
}

func ordered(user, stream string) need {
	return need{user, "read " + stream + " in order", withStreams(func(ctx context.Context, _ *world, js jetstream.JetStream) error {
		consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
		if err != nil {
			return err
		}
		return fetch(ctx, consumer, 2)
	})}
}

// counted is the error of something that is to give so many.
func counted(count, want int, err error) error {
	if err == nil && count != want {
		err = fmt.Errorf("%d came, %d should have", count, want)
	}
	return err
}

func fetch(ctx context.Context, consumer jetstream.Consumer, want int) error {
	batch, err := consumer.Fetch(want, jetstream.FetchContext(ctx))
	if err != nil {
		return err
	}
	count := 0
	for range batch.Messages() {
		count++
	}
	if err := counted(count, want, batch.Error()); err != nil {
		return err
	}
	return nil
}
