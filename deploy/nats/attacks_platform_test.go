package nats_test

import (
	"context"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	access "connect-provider/deploy/nats"
	"connect-provider/messages"
)

func platformAttacks() []attack {
	var (
		commands = []string{commandSubject(messages.Interactive, acme), commandSubject(messages.Bulk, acme), "telephony.trusted.commands." + acme, "telephony.trusted.bulk." + acme}
		stored   = []string{"telephony.commands.7." + acme + ".connect-provider", "telephony.bulk.7." + acme + ".connect-provider", "telephony.commands." + acme + ".disconnect"}
		events   = []string{eventSubject(acme), eventSubject(globex)}
	)
	return []attack{
		publishesAnywhere(access.Worker, slices.Concat(commands, stored)...),
		destroys(access.Worker, "STREAM.PURGE.TELEPHONY_COMMANDS", "STREAM.PURGE.TELEPHONY_BULK", "CONSUMER.DELETE"),
		hears(access.Worker, commandSubject(messages.Interactive, acme), eventSubject(acme), "$JS.API.STREAM.INFO.TELEPHONY_EVENTS"),

		publishesAnywhere(access.Gateway, slices.Concat(stored, events, commands[1:2], commands[3:])...),
		destroys(access.Gateway),
		misdirects(access.Gateway, []messages.Class{messages.Interactive}, commandSubject(messages.Interactive, acme), "telephony.outcomes."+acme,
			"$JS.telephony.API.STREAM.INFO.TELEPHONY_COMMANDS"),
		reads(access.Gateway, messages.Interactive.Stream(), messages.Bulk.Stream()),
		reachesWorkers(access.Gateway),

		publishesAnywhere(access.Operator, slices.Concat(stored, events)...),
		destroys(access.Operator),
		misdirects(access.Operator, messages.Classes(), commandSubject(messages.Interactive, acme), commandSubject(messages.Bulk, acme), "telephony.outcomes."+acme, "telephony.previews."+acme,
			"$JS.telephony.API.INFO", "$JS.telephony.API.STREAM.NAMES", "$JS.telephony.API.STREAM.INFO.TELEPHONY_EVENTS",
			"$JS.telephony.API.CONSUMER.INFO.TELEPHONY_EVENTS."+consumerOf(acme), "$SRV.PING"),

		publishesAnywhere(access.Administrator, slices.Concat(commands, stored, events)...),
		misdirects(access.Administrator, nil, "$JS.telephony.API.STREAM.NAMES", "$JS.telephony.API.STREAM.INFO.TELEPHONY_EVENTS"),
		destroys(access.Administrator, "STREAM.CREATE", "STREAM.UPDATE", "STREAM.PURGE", "STREAM.DELETE"),
		reads(access.Administrator, messages.Interactive.Stream(), messages.EventsStream),
		reachesWorkers(access.Administrator),
	}
}

// misdirects has the answers to what the user may ask go to where they would be
// stored, or be taken for a request. Where it may publish commands, they may
// become commands.
func misdirects(user string, publishes []messages.Class, subjects ...string) attack {
	return attack{user: user, what: "have an answer stored, or taken for a request", may: func(name, _ string) bool {
		stored, err := messages.ParseStoredSubject(name)
		return err == nil && slices.Contains(publishes, stored.Lane.Class)
	}, do: func(_ context.Context, _ *world, c *client) {
		for _, subject := range subjects {
			for _, target := range targets() {
				c.send(subject, target, nil, nil)
			}
		}
	}}
}

// reads tries to read streams that are not the user's to read.
func reads(user string, streams ...string) attack {
	// a consumer of somebody else
	others := func(ctx context.Context, w *world) error {
		for _, stream := range streams {
			if _, err := w.godJS.CreateOrUpdateConsumer(ctx, stream, jetstream.ConsumerConfig{Durable: "other", AckPolicy: jetstream.AckNonePolicy}); err != nil {
				return err
			}
		}
		return nil
	}
	return attack{user: user, what: "read streams that are not its own", first: others, do: func(ctx context.Context, _ *world, c *client) {
		c.overhear("_INBOX.>")
		for _, stream := range streams {
			config := jetstream.ConsumerConfig{Name: "spy", AckPolicy: jetstream.AckNonePolicy}
			for _, operation := range []request{
				{"STREAM.MSG.GET." + stream, map[string]any{"seq": 1}},
				{"CONSUMER.CREATE." + stream + ".spy", map[string]any{"stream_name": stream, "config": config}},
				{"CONSUMER.CREATE." + stream + ".spy.>", map[string]any{"stream_name": stream, "config": config}},
				{"CONSUMER.INFO." + stream + "." + consumerOf(acme), nil},
				{"CONSUMER.NAMES." + stream, nil},
				{"CONSUMER.MSG.NEXT." + stream + ".spy", map[string]any{"batch": 1, "no_wait": true}},
				{"CONSUMER.MSG.NEXT." + stream + ".other", map[string]any{"batch": 1, "no_wait": true}},
			} {
				for _, subject := range append(everyAPI(operation.subject), strings.Replace(operation.subject, "CONSUMER.MSG.NEXT", "telephony.trusted.next", 1)) {
					c.send(subject, c.NewInbox(), operation.body, nil)
				}
			}
			for _, subject := range everyAPI("STREAM.INFO." + stream) {
				looks := user == access.Administrator || user == access.Gateway && stream == messages.Interactive.Stream()
				if !looks {
					c.send(subject, c.NewInbox(), nil, nil)
				}
			}
		}
	}}
}

// hears has a user listen in its own account to what is not for it.
func hears(user string, subjects ...string) attack {
	return attack{user: user, what: "listen to what others publish", may: anything, do: func(ctx context.Context, w *world, c *client) {
		for _, subject := range append(subjects, ">", "telephony.>", "$JS.>") {
			c.overhear(subject)
		}
		for _, subject := range subjects {
			w.god.send(subject, w.god.NewInbox(), nil, nil)
		}
		_ = w.settle(ctx)
	}}
}
