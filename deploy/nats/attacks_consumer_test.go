package nats_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// request is one to JetStream's API.
type request struct {
	subject string
	body    any
}

// consumerRequests make, look at and pull from a consumer of events.
func consumerRequests(api, name, token string) []request {
	filter := "telephony.events.*." + token + ".>"
	return []request{
		{api + "CONSUMER.CREATE.TELEPHONY_EVENTS." + name + "." + filter, creation(name, filter, nil)},
		{api + "CONSUMER.INFO.TELEPHONY_EVENTS." + name, nil},
		{api + "CONSUMER.MSG.NEXT.TELEPHONY_EVENTS." + name, map[string]any{"batch": 10, "no_wait": true}},
	}
}

func creation(name, filter string, change func(*jetstream.ConsumerConfig)) any {
	config := jetstream.ConsumerConfig{Name: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy}
	if change != nil {
		change(&config)
	}
	return map[string]any{"stream_name": messages.EventsStream, "config": config}
}

// pushed is a consumer that pushes, with other members.
func pushed(filter string, more map[string]any) any {
	config := map[string]any{"filter_subject": filter, "ack_policy": "none", "deliver_subject": "telephony.workers"}
	maps.Copy(config, more)
	return map[string]any{"stream_name": messages.EventsStream, "config": config}
}

func consumerAttacks() []attack {
	const (
		user  = "consumer@" + globex
		api   = "$JS.telephony.API."
		named = globex + "~consumer"
		path  = api + "CONSUMER.CREATE.TELEPHONY_EVENTS." + named
		mine  = "telephony.events.*." + globex + ".>"
		yours = "telephony.events.*." + acme + ".>"
	)
	own := func(name, _ string) bool { return name == messages.EventsStream+" "+named }
	try := func(what string, requests ...request) attack {
		return attack{user: user, what: what, may: own, do: func(ctx context.Context, w *world, c *client) {
			c.overhear("_INBOX.>")
			for _, r := range requests {
				c.send(r.subject, c.NewInbox(), r.body, nil)
			}
			// if that has made a consumer of globex' name, this reads from it
			if w.noConsumer(ctx, globex) != nil {
				_ = c.take(ctx, api+"CONSUMER.MSG.NEXT.TELEPHONY_EVENTS."+named, 10)
			}
			w.forget(ctx, globex)
		}}
	}
	all := []attack{
		try("read another's events by a consumer of its own", slices.Concat(
			consumerRequests(api, named, acme), consumerRequests("$JS.API.", named, acme), consumerRequests("telephony.trusted.api.", named, acme),
			consumerRequests(api, "spy", acme), consumerRequests(api, "spy", globex))...),
		try("read by another's consumer", slices.Concat(consumerRequests(api, consumerOf(acme), acme), consumerRequests("$JS.API.", consumerOf(acme), acme),
			consumerRequests(api, consumerOf(acme), globex), []request{{"telephony.trusted.next.TELEPHONY_EVENTS." + consumerOf(acme), nil}})...),
		try("create a consumer without a filter, or in the ways of old", []request{
			{api + "CONSUMER.CREATE.TELEPHONY_EVENTS." + named, creation(named, "", nil)},
			{api + "CONSUMER.CREATE.TELEPHONY_EVENTS", creation("", yours, nil)},
			{api + "CONSUMER.DURABLE.CREATE.TELEPHONY_EVENTS." + named, creation(named, yours, func(c *jetstream.ConsumerConfig) { c.Durable = named })},
			{api + "CONSUMER.CREATE.TELEPHONY_COMMANDS." + named + "." + mine, nil},
			{path + ".telephony.events.>", creation(named, "telephony.events.>", nil)},
			{path + ".telephony.events.*.*.>", creation(named, "telephony.events.*.*.>", nil)},
			{path + ".telephony.events.*." + globex, creation(named, "telephony.events.*."+globex, nil)},
		}...),
		try("say another filter in the body", []request{
			{path + "." + mine, creation(named, yours, nil)},
			{path + "." + mine, creation(named, "", nil)},
			{path + "." + mine, creation(named, "", func(c *jetstream.ConsumerConfig) { c.FilterSubjects = []string{mine, yours} })},
			{path + "." + mine, creation(named, mine, func(c *jetstream.ConsumerConfig) { c.FilterSubjects = []string{yours} })},
			{path + "." + mine, creation("spy", yours, nil)},
			{path + "." + mine, map[string]any{"stream_name": messages.Bulk.Stream(), "config": map[string]any{"name": named, "filter_subject": mine}}},
		}...),
		try("have more than one consumer", []request{
			{path + "." + mine, pushed(mine, map[string]any{"direct": true})},
			{path + "." + mine, pushed(mine, map[string]any{"name": "another"})},
			{path + "." + mine, pushed(mine, map[string]any{"durable_name": "another"})},
		}...),
		try("look into the streams", []request{
			{api + "STREAM.INFO.TELEPHONY_EVENTS", nil}, {api + "STREAM.NAMES", nil}, {api + "STREAM.LIST", nil}, {api + "INFO", nil},
			{api + "STREAM.MSG.GET.TELEPHONY_EVENTS", map[string]any{"last_by_subj": yours}},
			{api + "DIRECT.GET.TELEPHONY_EVENTS", map[string]any{"last_by_subj": yours}},
			{api + "CONSUMER.NAMES.TELEPHONY_EVENTS", nil}, {api + "CONSUMER.LIST.TELEPHONY_EVENTS", nil},
			{api + "CONSUMER.INFO.TELEPHONY_EVENTS." + consumerOf(acme), nil},
		}...),
		{user: user, what: "acknowledge another's events", may: own, first: leavePending, do: func(ctx context.Context, w *world, c *client) {
			for _, ack := range w.acks {
				c.send(ack, "", "+ACK", nil)
				c.send(ack, c.NewInbox(), "+TERM", nil)
			}
		}},
		{user: user, what: "have another's events acknowledged by an answer", may: own, first: leavePending, do: func(ctx context.Context, w *world, c *client) {
			w.work(ctx, user)
			_, _ = c.ask(ctx, path+"."+mine, creation(named, mine, nil), nil)
			for _, ack := range w.acks {
				for _, r := range []request{
					{api + "CONSUMER.MSG.NEXT.TELEPHONY_EVENTS." + named, map[string]any{"batch": 1}},
					{api + "CONSUMER.MSG.NEXT.TELEPHONY_EVENTS." + named, map[string]any{"batch": 100, "no_wait": true}},
					{api + "CONSUMER.MSG.NEXT.TELEPHONY_EVENTS." + named, map[string]any{"batch": 1, "no_wait": true}},
				} {
					c.send(r.subject, ack, r.body, nil)
				}
				_ = c.take(ctx, api+"CONSUMER.MSG.NEXT.TELEPHONY_EVENTS."+named, 1)
			}
		}},
		publishesAnywhere(user, commandSubject(messages.Interactive, globex), commandSubject(messages.Bulk, globex), commandSubject(messages.Interactive, acme),
			eventSubject(globex), eventSubject(acme), "telephony.trusted.commands."+globex),
		{user: user, what: "ask for outcomes", do: func(_ context.Context, _ *world, c *client) {
			c.overhear("_INBOX.>")
			c.send("telephony.outcomes."+globex, c.NewInbox(), nil, nil)
			c.send("telephony.outcomes."+acme, c.NewInbox(), nil, nil)
			c.send("telephony.previews."+globex, c.NewInbox(), nil, nil)
			c.send("telephony.previews."+acme, c.NewInbox(), nil, nil)
		}, wants: func(_ context.Context, _ *world, c *client) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if slices.ContainsFunc(c.overheard, func(m *nats.Msg) bool { return contains(m.Data, "word-of-") }) {
				return fmt.Errorf("an outcome came")
			}
			return nil
		}},
		{user: user, what: "listen to others", do: listens, may: anything},
		reachesWorkers(user),
	}
	for _, target := range targets() {
		all = append(all, attack{user: user, what: "have its events delivered to " + target, may: own, do: func(ctx context.Context, w *world, c *client) {
			create := request{path + "." + mine, creation(named, mine, nil)}
			next := api + "CONSUMER.MSG.NEXT.TELEPHONY_EVENTS." + named
			w.forget(ctx, globex)
			_, _ = c.ask(ctx, create.subject, create.body, nil)
			c.send(next, target, map[string]any{"batch": 2}, nil)
			// answered after the request before
			_, _ = c.ask(ctx, next, map[string]any{"batch": 1, "no_wait": true}, nil)
			c.send(api+"CONSUMER.INFO.TELEPHONY_EVENTS."+named, target, nil, nil)
		}}, attack{user: user, what: "have its events pushed to " + target, may: own, do: func(ctx context.Context, w *world, c *client) {
			for _, policy := range []jetstream.AckPolicy{jetstream.AckNonePolicy, jetstream.AckExplicitPolicy} {
				w.forget(ctx, globex)
				_, _ = c.ask(ctx, path+"."+mine, creation(named, mine, func(c *jetstream.ConsumerConfig) {
					c.DeliverSubject, c.AckPolicy = target, policy // it is what an attacker would use
				}), nil)
				w.awaitPushed(ctx, globex)
			}
			w.forget(ctx, globex)
		}})
	}
	return all
}

// leavePending has acme read events that it has not acknowledged yet.
func leavePending(ctx context.Context, w *world) error {
	c, err := w.client("consumer@" + acme)
	if err != nil {
		return err
	}
	w.forget(ctx, acme)
	for _, r := range consumerRequests("$JS.telephony.API.", consumerOf(acme), acme)[:1] {
		if _, err := c.ask(ctx, r.subject, r.body, nil); err != nil {
			return err
		}
	}
	w.acks = nil
	for _, m := range c.take(ctx, "$JS.telephony.API.CONSUMER.MSG.NEXT.TELEPHONY_EVENTS."+consumerOf(acme), 3) {
		w.acks = append(w.acks, m.Reply)
	}
	return counted(len(w.acks), 3, nil)
}

// forget deletes an organization's consumer, if there is one.
func (w *world) forget(ctx context.Context, token string) {
	_ = w.godJS.DeleteConsumer(ctx, messages.EventsStream, consumerOf(token))
}

// awaitPushed returns when a push consumer has delivered what it has, or finds
// nobody to deliver to.
func (w *world) awaitPushed(ctx context.Context, token string) {
	for ctx.Err() == nil {
		answer, err := w.god.ask(ctx, "$JS.API.CONSUMER.INFO.TELEPHONY_EVENTS."+consumerOf(token), nil, nil)
		if err != nil || strings.Contains(string(answer.Data), `"num_pending":0`) || !strings.Contains(string(answer.Data), `"push_bound":true`) {
			return
		}
	}
}
