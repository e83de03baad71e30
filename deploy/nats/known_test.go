package nats_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	access "connect-provider/deploy/nats"
	"connect-provider/messages"
)

// TestWhoExistsIsNotTold asks for an organization that there is and for one that
// there isn't, in all ways: the answers must not tell them apart.
func TestWhoExistsIsNotTold(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	ways := map[string][]func(token string) request{
		"producer@" + globex: {
			func(token string) request { return request{commandSubject(messages.Interactive, token), "x"} },
			func(token string) request { return request{commandSubject(messages.Bulk, token), "x"} },
			func(token string) request { return request{"telephony.outcomes." + token, nil} },
			func(token string) request { return request{"telephony.trusted.outcomes." + token, nil} },
			func(token string) request { return request{"telephony.previews." + token, nil} },
			func(token string) request { return request{"telephony.trusted.previews." + token, nil} },
		},
	}
	for _, api := range []string{"$JS.API.", "$JS.telephony.API."} {
		for i := range consumerRequests(api, acme, acme) {
			ways["consumer@"+globex] = append(ways["consumer@"+globex],
				func(token string) request { return consumerRequests(api, consumerOf(token), token)[i] },
				func(token string) request { return consumerRequests(api, consumerOf(globex), token)[i] })
		}
	}
	for user, requests := range ways {
		c, err := w.client(user)
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range requests {
			told := func(token string) string {
				r := of(token)
				inbox := c.NewInbox()
				answers, err := c.SubscribeSync(inbox)
				if err != nil {
					t.Fatal(err)
				}
				defer answers.Unsubscribe() //nolint:errcheck // the connection's end does it as well
				if err := c.PublishMsg(&nats.Msg{Subject: r.subject, Reply: inbox, Data: encode(r.body)}); err != nil {
					t.Fatal(err)
				}
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
				// refusals are there already; JetStream takes its time to say that
				// this account has none
				var wait time.Duration
				if strings.HasPrefix(r.subject, "$JS.API.CONSUMER.") && !strings.Contains(r.subject, ".MSG.NEXT.") {
					wait = 10 * time.Second
				}
				answer := "nothing"
				if m, err := answers.NextMsg(wait); err == nil {
					answer = fmt.Sprintf("%v %s", m.Header, m.Data)
				} else if !errors.Is(err, nats.ErrTimeout) {
					answer = err.Error()
				}
				return strings.ReplaceAll(answer, token, "NAME")
			}
			if of(acme).subject == of(nobody).subject {
				continue
			}
			if there, not := told(acme), told(nobody); there != not {
				t.Errorf("%s learns by %s who exists: %s, but %s", user, of("NAME").subject, there, not)
			}
		}
	}
}

// TestWhatTheServerStillTells states what no setting of the server prevents
// (README.md, "What this does not prevent"). If one of these fails, a newer
// server has closed it: say so there.
func TestWhatTheServerStillTells(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := theWorld(t)
	producer, err := w.client("producer@" + globex)
	if err != nil {
		t.Fatal(err)
	}
	refusal := func(header nats.Header) string {
		_, err := producer.ask(ctx, commandSubject(messages.Interactive, globex), "probe", header)
		if err == nil {
			return "accepted"
		}
		return err.Error()
	}
	expecting := func(subject string) string {
		return refusal(nats.Header{"Nats-Expected-Last-Subject-Sequence": {"99"}, "Nats-Expected-Last-Subject-Sequence-Subject": {subject}})
	}
	if told := expecting("telephony.commands.*." + acme + ".>"); !strings.Contains(told, "wrong last sequence: 1") {
		t.Errorf("whether an organization has published can't be asked any more: %s", told)
	}
	if told := expecting("telephony.commands.*." + nobody + ".>"); !strings.Contains(told, "wrong last sequence: 0") {
		t.Errorf("that an organization has not published can't be asked any more: %s", told)
	}

	acmes, err := w.client("producer@" + acme)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acmes.ask(ctx, commandSubject(messages.Interactive, acme), "x", nats.Header{"Nats-Msg-Id": {"id-of-acme"}}); err != nil {
		t.Fatal(err)
	}
	if told := refusal(nats.Header{"Nats-Expected-Last-Msg-Id": {"?"}}); !strings.Contains(told, "id-of-acme") {
		t.Errorf("the last Nats-Msg-Id can't be asked any more: %s", told)
	}
}

// TestWhatAConsumerCanStillDo likewise: it makes consumers beside its own, and
// has its own events pushed at the workers.
func TestWhatAConsumerCanStillDo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := theWorld(t)
	served, err := w.client(access.Worker)
	if err != nil {
		t.Fatal(err)
	}
	nudged, err := served.SubscribeSync("telephony.workers")
	if err != nil {
		t.Fatal(err)
	}
	if err := served.Flush(); err != nil {
		t.Fatal(err)
	}
	consumer, err := w.client("consumer@" + globex)
	if err != nil {
		t.Fatal(err)
	}
	filter := "telephony.events.*." + globex + ".>"
	create := "$JS.telephony.API.CONSUMER.CREATE.TELEPHONY_EVENTS." + consumerOf(globex) + "." + filter
	if _, err := consumer.ask(ctx, create, pushed(filter, map[string]any{"direct": true, "sourcing": true}), nil); err != nil {
		t.Errorf("consumers beside its own can't be made any more: %v", err)
	}
	m, err := nudged.NextMsg(served.patience)
	if err != nil {
		t.Fatalf("nothing can be pushed at the workers any more: %v", err)
	}
	if !contains(m.Data, word(globex)) {
		t.Errorf("%q was pushed", m.Data)
	}
	if !strings.HasPrefix(m.Reply, "$JS.ACK.TELEPHONY_EVENTS."+consumerOf(globex)) {
		t.Errorf("an answer to what is pushed would go to %q", m.Reply)
	}
}

// TestWhatIsPushedAtTheServiceIsHarmless has a consumer's events delivered to
// the workers' service, which then goes on serving.
func TestWhatIsPushedAtTheServiceIsHarmless(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := theWorld(t)
	consumer, err := w.client("consumer@" + globex)
	if err != nil {
		t.Fatal(err)
	}
	filter := "telephony.events.*." + globex + ".>"
	create := "$JS.telephony.API.CONSUMER.CREATE.TELEPHONY_EVENTS." + consumerOf(globex) + "." + filter
	for subject, group := range map[string]string{"telephony.outcomes." + acme: "q", "telephony.outcomes." + globex: "q", "$SRV.PING": "", "$SRV.STATS.outcomes": ""} {
		for _, acks := range []jetstream.AckPolicy{jetstream.AckNonePolicy, jetstream.AckExplicitPolicy} {
			w.forget(ctx, globex)
			if _, err := consumer.ask(ctx, create, creation(consumerOf(globex), filter, func(c *jetstream.ConsumerConfig) {
				c.DeliverSubject, c.DeliverGroup, c.AckPolicy = subject, group, acks // it is what an attacker would use
			}), nil); err != nil {
				t.Fatal(err)
			}
			// it is not, where only a queue group of workers listens
			w.awaitPushed(ctx, globex)
		}
	}
	w.forget(ctx, globex)
	for _, n := range organizationNeeds(acme) {
		if err := w.meet(ctx, n); err != nil {
			t.Error(err)
		}
	}
}
