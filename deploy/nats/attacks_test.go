package nats_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	access "connect-provider/deploy/nats"
	"connect-provider/messages"
)

// attack is something that a user tries and that must have no effect: nothing
// is stored, changed or removed but what may be, and nothing of another
// organization comes to the attacker.
type attack struct {
	user, what string
	do         func(ctx context.Context, w *world, c *client)
	// first, if set, prepares it: before the state that must not change.
	first func(ctx context.Context, w *world) error
	// may tells what the attacker may store (by subject and content) and which
	// consumers it may change ("STREAM name"); nil: nothing.
	may func(name, content string) bool
	// wants, if set, says what else would be an effect.
	wants func(ctx context.Context, w *world, c *client) error
}

func anything(_, _ string) bool { return true }

func attacks() []attack {
	return slices.Concat(producerAttacks(), consumerAttacks(), platformAttacks())
}

// errNotPrepared says nothing about the attack.
var errNotPrepared = errors.New("an attack could not be prepared")

// suffer lets an attack happen and returns what came of it.
func (w *world) suffer(ctx context.Context, a attack) error {
	c, err := w.client(a.user)
	if err != nil {
		return err
	}
	if a.first != nil {
		if err := a.first(ctx, w); err != nil {
			return fmt.Errorf("%w: %s: %s: %w", errNotPrepared, a.user, a.what, err)
		}
	}
	before, err := w.state(ctx)
	if err != nil {
		return err
	}
	defer c.deafen()
	a.do(ctx, w, c)
	_ = c.FlushTimeout(c.patience) // it may have been thrown out
	if err := w.settle(ctx); err != nil {
		return fmt.Errorf("%s could do what it must not: %s: the streams don't answer any more: %w", a.user, a.what, err)
	}
	_ = c.FlushTimeout(c.patience) // as above
	after, err := w.state(ctx)
	if err != nil {
		return err
	}
	if a.may == nil {
		a.may = func(string, string) bool { return false }
	}
	harm, err := w.changes(ctx, before, after, a.may)
	if err != nil {
		return err
	}
	harm = append(harm, c.learned()...)
	if a.wants != nil {
		if err := a.wants(ctx, w, c); err != nil {
			harm = append(harm, err.Error())
		}
	}
	if len(harm) > 0 {
		return fmt.Errorf("%s could do what it must not: %s: %s", a.user, a.what, strings.Join(harm, "; "))
	}
	return nil
}

// learned returns what of other organizations has come to a client of one, and
// what has come at all to a client that is to hear nothing.
func (c *client) learned() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, own, organization := strings.Cut(c.user, "@")
	for _, m := range c.overheard {
		text := string(m.Data) + m.Subject
		if organization && (!strings.Contains(text, "word-of-") || strings.Contains(text, word(own))) {
			continue
		}
		// that it was refused is no news
		if m.Header.Get("Status") == "" && apiError(m) == nil {
			all = append(all, fmt.Sprintf("%s heard %.80q on %s", c.user, m.Data, m.Subject))
		}
	}
	return all
}

func TestNobodyCanDoWhatHeMustNot(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	for _, n := range needs() {
		if err := w.meet(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range append(attacks(), excesses()...) {
		if err := w.suffer(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
}

// everyAPI spells JetStream's API in each way in which a client might reach it.
func everyAPI(operation string) []string {
	return []string{"$JS.API." + operation, "$JS.telephony.API." + operation, "telephony.trusted.api." + operation}
}

// destructive are requests to JetStream that nobody but an administrator may
// make, by what they ask for.
func destructive() map[string]any {
	stray := jetstream.StreamConfig{Name: "STRAY", Subjects: []string{"stray"}}
	changed := messages.EventsStreamConfig(messages.StreamOptions{})
	changed.Description, changed.MaxBytes = "changed", 1<<24
	return map[string]any{
		"STREAM.DELETE.TELEPHONY_BULK":                         nil,
		"STREAM.PURGE.TELEPHONY_COMMANDS":                      nil,
		"STREAM.PURGE.TELEPHONY_BULK":                          nil,
		"STREAM.PURGE.TELEPHONY_EVENTS":                        nil,
		"STREAM.MSG.DELETE.TELEPHONY_EVENTS":                   map[string]any{"seq": 1},
		"STREAM.UPDATE.TELEPHONY_EVENTS":                       changed,
		"STREAM.CREATE.STRAY":                                  stray,
		"CONSUMER.DELETE.TELEPHONY_EVENTS." + consumerOf(acme): nil,
		"CONSUMER.PAUSE.TELEPHONY_EVENTS." + consumerOf(acme):  map[string]any{"pause_until": time.Now().Add(time.Hour)},
		"STREAM.LEADER.STEPDOWN.TELEPHONY_EVENTS":              nil,
		"CONSUMER.UNPIN.TELEPHONY_EVENTS." + consumerOf(acme):  map[string]any{"group": "a"},
		"CONSUMER.RESET.TELEPHONY_EVENTS." + consumerOf(acme):  map[string]any{"seq": 1},
		"STREAM.SNAPSHOT.TELEPHONY_EVENTS":                     map[string]any{"deliver_subject": "_INBOX.snapshot"},
		"STREAM.RESTORE.STRAY":                                 map[string]any{"config": stray},
		"ACCOUNT.PURGE." + account:                             nil,
	}
}

// destroys tries all of them, but for those that the user may.
func destroys(user string, allowed ...string) attack {
	return attack{user: user, what: "delete, purge or change streams and consumers", do: func(_ context.Context, _ *world, c *client) {
		for operation, body := range destructive() {
			if slices.ContainsFunc(allowed, func(prefix string) bool { return strings.HasPrefix(operation, prefix) }) {
				continue
			}
			for _, subject := range everyAPI(operation) {
				_ = c.PublishRequest(subject, c.NewInbox(), encode(body))
			}
		}
	}}
}

// publishesAnywhere tries to have something stored where the user must not.
func publishesAnywhere(user string, subjects ...string) attack {
	return attack{user: user, what: "publish " + strings.Join(subjects, ", "), do: func(_ context.Context, _ *world, c *client) {
		for _, subject := range subjects {
			c.send(subject, "", "forged", nil)
			c.send(subject, c.NewInbox(), "forged", nil)
		}
	}}
}

func eventSubject(token string) string {
	return messages.EventSubject(laneOf(messages.Interactive, token), messages.Organization{Token: token}, messages.EventConnected)
}

// targets are subjects that an answer or a delivery should not reach: streams,
// JetStream itself, mappings.
func targets() []string {
	return []string{
		commandSubject(messages.Interactive, acme), commandSubject(messages.Bulk, acme),
		commandSubject(messages.Interactive, globex), commandSubject(messages.Bulk, globex),
		eventSubject(acme), eventSubject(globex),
		"telephony.trusted.commands." + acme, "telephony.trusted.bulk." + acme,
		"$JS.API.STREAM.PURGE.TELEPHONY_COMMANDS", "telephony.trusted.api.STREAM.PURGE.TELEPHONY_COMMANDS", "$JS.telephony.API.STREAM.PURGE.TELEPHONY_COMMANDS",
		"$JS.API.STREAM.DELETE.TELEPHONY_BULK", "$JS.API.CONSUMER.DELETE.TELEPHONY_EVENTS." + consumerOf(acme),
	}
}

func producerAttacks() []attack {
	const user = "producer@" + globex
	own := func(name, _ string) bool { return strings.HasSuffix(name, "."+globex+".connect-provider") }
	return []attack{
		publishesAnywhere(user,
			commandSubject(messages.Interactive, acme), commandSubject(messages.Bulk, acme), commandSubject(messages.Interactive, nobody),
			"telephony.trusted.commands."+acme, "telephony.trusted.bulk."+acme),
		publishesAnywhere(user, "telephony.commands.7."+globex+".connect-provider", "telephony.bulk.7."+acme+".connect-provider", "telephony.commands."+globex+".disconnect"),
		publishesAnywhere(user, eventSubject(globex), eventSubject(acme)),
		destroys(user),
		{user: user, what: "have an answer of JetStream stored as something", may: own, do: func(_ context.Context, _ *world, c *client) {
			for _, class := range messages.Classes() {
				for _, target := range targets() {
					if !own(target, "") {
						c.send(commandSubject(class, globex), target, word(globex), nil)
					}
				}
			}
		}},
		{user: user, what: "have an outcome stored as something", may: own, do: func(_ context.Context, _ *world, c *client) {
			for _, target := range targets() {
				c.send("telephony.outcomes."+globex, target, nil, nil)
				c.send("telephony.previews."+globex, target, nil, nil)
			}
		}},
		{user: user, what: "ask for another's outcomes", do: func(_ context.Context, _ *world, c *client) {
			c.overhear("_INBOX.>")
			for _, subject := range []string{"telephony.outcomes." + acme, "telephony.trusted.outcomes." + acme, "telephony.outcomes.*", "telephony.outcomes",
				"telephony.previews." + acme, "telephony.trusted.previews." + acme, "telephony.previews.*"} {
				c.send(subject, c.NewInbox(), nil, nil)
			}
		}},
		{user: user, what: "read its own events, which are its consumer's", may: own, first: func(ctx context.Context, w *world) error {
			w.forget(ctx, globex)
			return nil
		}, do: func(_ context.Context, _ *world, c *client) {
			for _, request := range consumerRequests("$JS.telephony.API.", consumerOf(globex), globex) {
				c.send(request.subject, c.NewInbox(), request.body, nil)
			}
		}, wants: func(ctx context.Context, w *world, _ *client) error { return w.noConsumer(ctx, globex) }},
		{user: user, what: "listen to others", do: listens, may: anything},
		{user: user, what: "use headers that change what is stored", may: own, do: func(_ context.Context, _ *world, c *client) {
			for _, header := range []nats.Header{
				{"Nats-Rollup": {"all"}}, {"Nats-Rollup": {"sub"}}, {"Nats-TTL": {"1s"}}, {"Nats-Incr": {"1"}},
				{"Nats-Schedule": {"@at 2036-01-01T00:00:00Z"}, "Nats-Schedule-Target": {commandSubject(messages.Interactive, acme)}},
				{"Nats-Batch-Id": {"b"}, "Nats-Batch-Sequence": {"1"}, "Nats-Batch-Commit": {"1"}},
			} {
				c.send(commandSubject(messages.Interactive, globex), c.NewInbox(), "changed by a header", header)
			}
		}, wants: func(ctx context.Context, w *world, _ *client) error {
			return w.notStored(ctx, messages.Interactive.Stream(), "changed by a header")
		}},
		{user: user, what: "have its messages traced", may: own, do: func(_ context.Context, _ *world, c *client) {
			c.overhear("_INBOX.>")
			for _, target := range append(targets(), c.NewInbox()) {
				c.send(commandSubject(messages.Interactive, globex), "", word(globex), nats.Header{"Nats-Trace-Dest": {target}})
				c.send(commandSubject(messages.Interactive, globex), "", word(globex), nats.Header{"Nats-Trace-Dest": {target}, "Nats-Trace-Only": {"true"}})
			}
		}, wants: func(_ context.Context, _ *world, c *client) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, m := range c.overheard {
				// it ends where it leaves the account
				if contains(m.Data, messages.Interactive.Stream()) || contains(m.Data, `"type":"eg"`) {
					return fmt.Errorf("a trace tells %s", m.Data)
				}
			}
			return nil
		}},
		reachesWorkers(user),
	}
}

// listens subscribes to what is others', while the others are at work.
func listens(ctx context.Context, w *world, c *client) {
	for _, subject := range []string{">", "*.>", "telephony.>", "$JS.>", "_R_.>", "$SRV.>", "*.*.*.*"} {
		c.overhear(subject)
	}
	role, _, _ := strings.Cut(c.user, "@")
	w.work(ctx, "producer@"+acme)
	w.work(ctx, "consumer@"+acme)
	if role != "producer" {
		w.work(ctx, "producer@"+globex)
	}
	if role != "consumer" {
		w.work(ctx, "consumer@"+globex)
	}
}

// work has a user of an organization do what it is there for.
func (w *world) work(ctx context.Context, user string) {
	c, err := w.client(user)
	if err != nil {
		return
	}
	role, token, _ := strings.Cut(user, "@")
	if role == "producer" {
		_, _ = c.ask(ctx, "telephony.outcomes."+token, nil, nil)
		_, _ = c.ask(ctx, "telephony.previews."+token, nil, nil)
		_, _ = c.ask(ctx, commandSubject(messages.Interactive, token), word(token), nil)
		return
	}
	w.forget(ctx, token)
	for _, r := range consumerRequests("$JS.telephony.API.", consumerOf(token), token)[:2] {
		_, _ = c.ask(ctx, r.subject, r.body, nil)
	}
	_ = c.take(ctx, "$JS.telephony.API.CONSUMER.MSG.NEXT.TELEPHONY_EVENTS."+consumerOf(token), 2)
	w.forget(ctx, token)
}

// reachesWorkers tries what is between workers and operators.
func reachesWorkers(user string) attack {
	a := attack{user: user, what: "wake the workers, or find their service"}
	var heard []*nats.Msg
	a.do = func(_ context.Context, w *world, c *client) {
		served, err := w.client(access.Worker)
		if err != nil {
			return
		}
		told, err := served.SubscribeSync("telephony.workers")
		if err != nil {
			return
		}
		defer told.Unsubscribe() //nolint:errcheck // the connection's end does it as well
		_ = served.FlushTimeout(c.patience)
		c.send("telephony.workers", "", "wake up", nil)
		c.send("$SRV.PING", c.NewInbox(), nil, nil)
		_ = served.FlushTimeout(c.patience)
		for {
			m, err := told.NextMsg(0)
			if err != nil {
				return
			}
			heard = append(heard, m)
		}
	}
	a.wants = func(context.Context, *world, *client) error {
		if len(heard) > 0 {
			return errors.New("the workers woke up")
		}
		return nil
	}
	return a
}

// noConsumer says whether an organization has a consumer that it did not make.
func (w *world) noConsumer(ctx context.Context, token string) error {
	_, err := w.godJS.Consumer(ctx, messages.EventsStream, consumerOf(token))
	switch {
	case err == nil:
		return fmt.Errorf("there is a consumer %s", token)
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil
	}
	return err
}

// notStored says whether a stream's last message is a certain one.
func (w *world) notStored(ctx context.Context, name, text string) error {
	stream, err := w.godJS.Stream(ctx, name)
	if err != nil {
		return err
	}
	last := stream.CachedInfo().State.LastSeq
	for sequence := last; sequence > 0 && sequence+10 > last; sequence-- {
		if m, err := stream.GetMsg(ctx, sequence); err == nil && contains(m.Data, text) {
			return fmt.Errorf("%s holds %s", name, text)
		}
	}
	return nil
}
