package gateway

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// badAcks publishes, and then loses the acknowledgement, or says that it was of
// a duplicate without publishing.
type badAcks struct {
	jetstream.JetStream
	lost, duplicates int32
	tries            atomic.Int32
}

func (j *badAcks) PublishMsg(ctx context.Context, m *nats.Msg, o ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	try := j.tries.Add(1)
	if try <= j.duplicates {
		return &jetstream.PubAck{Stream: messages.Interactive.Stream(), Sequence: 1, Duplicate: true}, nil
	}
	ack, err := j.JetStream.PublishMsg(ctx, m, o...)
	if err == nil && try <= j.duplicates+j.lost {
		return nil, nats.ErrTimeout
	}
	return ack, err
}

func TestALostAcknowledgementIsNoLostCommand(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	g := b.serve(func(c *Config) { c.JetStream = &badAcks{JetStream: b.js, lost: 2} })
	answer := g.meanwhile()
	b.awaitCommands(3) // the two in doubt, and one that was acknowledged
	b.work()
	(<-answer).has(t, 200, "")
	if n := b.stored(messages.EventsStream); n != 1 {
		t.Errorf("%d events", n)
	}
}

// TestAnEventProvesAcceptance: no acknowledgement ever comes.
func TestAnEventProvesAcceptance(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	b.serve(func(c *Config) { c.JetStream = &badAcks{JetStream: b.js, lost: 1 << 30} }).ask().has(t, 200, "")
}

func TestADuplicateWasNotAccepted(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	b.serve(func(c *Config) { c.JetStream = &badAcks{JetStream: b.js, duplicates: duplicates} }).ask().has(t, 503, codeUnavailable)
	if n := b.stored(messages.Interactive.Stream()); n != 0 {
		t.Errorf("%d commands", n)
	}
	b.serve(func(c *Config) { c.JetStream = &badAcks{JetStream: b.js, duplicates: duplicates - 1} }).ask().has(t, 200, "")
}

// TestOneKeyAtTheSameMoment: calls with one key through two gateways, of which
// some have other content. One content wins, and each call with it gets the same
// answer; the others are told that the key was used.
func TestOneKeyAtTheSameMoment(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	gateways := []*running{b.serve(), b.serve()}
	for round := range 10 {
		id := key(fmt.Sprintf("round-%d", round))
		slugs := []string{"sales-bridge-001", "nowhere"}
		var answers [2][]<-chan got
		for i := range 8 {
			which := i % 2
			answers[which] = append(answers[which], gateways[i/2%2].meanwhile(id, to(slugs[which])))
		}
		if round == 0 { // all of them have to be published
			b.awaitCommands(8)
			b.work()
		}
		var told [2]got
		for which := range answers {
			for i, a := range answers[which] {
				answer := <-a
				if i > 0 && (answer.status != told[which].status || answer.body != told[which].body) {
					t.Errorf("round %d: one got %s, another %s", round, told[which].body, answer.body)
				}
				told[which] = answer
			}
		}
		switch {
		case told[0].status == 200:
			told[1].has(t, 400, messages.CommandIDReused)
		case told[1].status == 404:
			told[0].has(t, 400, messages.CommandIDReused)
		default:
			t.Errorf("round %d: %s and %s", round, told[0].body, told[1].body)
		}
	}
}

// TestWhoOnlyClaimsAnIDAnswersNobody: a message of the same organization that
// can't be understood claims the id and has the content of a call.
func TestWhoOnlyClaimsAnIDAnswersNobody(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	g := b.serve()
	body := `{"command_id":"mine","bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890","unknown":1}`
	if _, err := b.js.Publish(t.Context(), "telephony.commands.acme.connect-provider", []byte(body)); err != nil {
		t.Fatal(err)
	}
	answer := g.meanwhile(key("mine"))
	b.awaitCommands(2)
	b.work()
	(<-answer).has(t, 200, "")
}

// TestAMismatchIsNoCallsOutcome: a command with the same id and the
// same content failed for what a call does not have, so the id is used up.
func TestAMismatchIsNoCallsOutcome(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	g := b.serve()
	body := `{"command_id":"mine","org_handle":"globex","bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890"}`
	if _, err := b.js.Publish(t.Context(), "telephony.commands.acme.connect-provider", []byte(body)); err != nil {
		t.Fatal(err)
	}
	answer := g.meanwhile(key("mine"))
	b.awaitCommands(2)
	b.work()
	(<-answer).has(t, 400, messages.CommandIDReused)
	g.ask(key("mine")).has(t, 400, messages.CommandIDReused)
}

// TestAnInterruptedReadingMissesNobody: the outcome is published while the
// gateway is cut off.
func TestAnInterruptedReadingMissesNobody(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	line := systemtest.Proxy(t, b.server.URL())
	g := b.serve(func(c *Config) { _, c.JetStream = b.connect(line.URL()) })
	answer, other := g.meanwhile(), g.meanwhile(key("other"), to("nowhere"))
	b.awaitCommands(2)
	line.Block()
	systemtest.Eventually(t, "the gateway to notice", func() error { return notYet(g.Ready() != nil) })
	b.work()
	systemtest.Eventually(t, "the events", func() error { return notYet(b.stored(messages.EventsStream) == 2) })
	if err := line.Unblock(); err != nil {
		t.Fatal(err)
	}
	(<-answer).has(t, 200, "")
	(<-other).has(t, 404, messages.BridgeNotFound)
}

// TestTheLastQuestionFindsWhatNoEventTold: the id is decided meanwhile by a bulk
// command, whose lanes are not read, and the call's own is a repeat.
func TestTheLastQuestionFindsWhatNoEventTold(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	b.pause("acme")
	g := b.serve(func(c *Config) { c.Wait = 8 * time.Second })
	answer := g.meanwhile(key("both"))
	b.awaitCommands(1)
	body := `{"command_id":"both","bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890"}`
	if _, err := b.js.Publish(t.Context(), "telephony.bulk.acme.connect-provider", []byte(body)); err != nil {
		t.Fatal(err)
	}
	(<-answer).has(t, 200, "")
}

func notYet(so bool) error {
	if !so {
		return fmt.Errorf("not yet")
	}
	return nil
}

// TestReadingBeginsAnew after whatever can happen to the consumer and its stream.
func TestReadingBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*bed, *running){
		"the consumer deleted": func(b *bed, _ *running) {
			for _, name := range b.consumers() {
				if err := b.js.DeleteConsumer(t.Context(), messages.EventsStream, name); err != nil {
					t.Fatal(err)
				}
			}
		},
		"the stream replaced": func(b *bed, _ *running) {
			if err := b.js.DeleteStream(t.Context(), messages.EventsStream); err != nil {
				t.Fatal(err)
			}
			b.makeStreams()
		},
		"NATS restarted": func(b *bed, _ *running) {
			b.server.Stop()
			b.server.Start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.work()
			g := b.serve()
			g.ask().has(t, 200, "")
			before := strings.Join(b.consumers(), " ")
			harm(b, g)
			systemtest.Eventually(t, "another reading", func() error {
				now := strings.Join(b.consumers(), " ")
				return notYet(now != "" && now != before && g.Ready() == nil)
			})
			g.ask(key("again")).has(t, 200, "")
		})
	}
}

// consumers are the gateways' of the events stream.
func (b *bed) consumers() (names []string) {
	b.t.Helper()
	stream, err := b.js.Stream(b.t.Context(), messages.EventsStream)
	if err != nil {
		return nil // there is none at the moment
	}
	listed := stream.ConsumerNames(b.t.Context())
	for name := range listed.Name() {
		if strings.HasPrefix(name, "gateway-") {
			names = append(names, name)
		}
	}
	return names
}

// TestOneReadingServesAll: requests have no consumer of their own, and no
// connection to the database.
func TestOneReadingServesAll(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	g := b.serve()
	const calls = 50
	var answers []<-chan got
	for i := range calls {
		answers = append(answers, g.meanwhile(key(fmt.Sprint("call-", i))))
	}
	g.awaitWaiting(calls)
	b.awaitCommands(calls)
	if have := b.consumers(); len(have) != 1 {
		t.Errorf("consumers: %v", have)
	}
	if have := g.config.Database.Stat().AcquiredConns(); have != 0 {
		t.Errorf("%d connections to the database are in use", have)
	}
	b.work()
	for _, answer := range answers {
		(<-answer).has(t, 200, "")
	}
	g.awaitWaiting(0)
}

func TestACallerWhoHangsUpIsForgotten(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	g := b.serve()
	ctx, hangUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := g.try(ctx, example(key("gone")))
		failed <- err
	}()
	b.awaitCommands(1)
	g.awaitWaiting(1)
	hangUp()
	if err := <-failed; err == nil {
		t.Error("an answer came")
	}
	g.awaitWaiting(0)
	systemtest.Eventually(t, "the line in the log", func() error {
		return notYet(strings.Contains(g.log.String(), `"status":499`))
	})
	b.work() // the command is decided all the same
	systemtest.Eventually(t, "the event", func() error { return notYet(b.stored(messages.EventsStream) == 1) })
	g.ask(key("gone")).has(t, 200, "")
	if n := b.stored(messages.Interactive.Stream()); n != 1 {
		t.Errorf("%d commands", n)
	}
}

func TestDrainAnswersWhatIsInFlight(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	g := b.serve(func(c *Config) { c.DrainTimeout = leastDrain })
	undecided := g.meanwhile(key("undecided"))
	b.awaitCommands(1)
	g.drain()
	systemtest.Eventually(t, "the end of new requests", func() error {
		if g.Ready() == nil {
			return notYet(false)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err == nil {
			_ = conn.Close() // it is only to be refused
		}
		return notYet(err != nil)
	})
	(<-undecided).has(t, 202, codeUndecided)
	if err := <-g.ended; err != nil {
		t.Error(err)
	}
	g.ended <- nil

	decided := b.serve()
	answer := decided.meanwhile()
	b.awaitCommands(2)
	decided.drain()
	systemtest.Eventually(t, "the drain", func() error { return notYet(decided.Ready() != nil) })
	b.work()
	(<-answer).has(t, 200, "")
}

// TestWithoutNATSNothingIsAccepted: 503 means what it says.
func TestWithoutNATSNothingIsAccepted(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	g := b.serve()
	b.server.Stop()
	for range 3 {
		g.ask(key("one")).has(t, 503, codeUnavailable)
	}
	b.server.Start()
	systemtest.Eventually(t, "the gateway", g.Ready)
	if n := b.stored(messages.Interactive.Stream()); n != 0 {
		t.Errorf("%d commands", n)
	}
	b.work()
	g.ask(key("one")).has(t, 200, "")
}

// TestAFullStreamRefuses: the command was not accepted, and the answer says so.
func TestAFullStreamRefuses(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	stream, err := b.js.Stream(t.Context(), messages.Interactive.Stream())
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxMsgs = 1
	if _, err := b.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	g := b.serve()
	first := g.meanwhile()
	b.awaitCommands(1)
	g.ask(key("second")).has(t, 503, codeUnavailable)
	b.work()
	(<-first).has(t, 200, "")
}

// TestPostgresAway: the tokens that are known do, and what they ask for is
// accepted.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	postgres := systemtest.PrivatePostgres(t)
	b := &bed{t: t, database: postgres.URL(), server: systemtest.NATS(t)}
	b.nc, b.js = b.connect(b.server.URL())
	b.migrate()
	b.prepare()
	b.work()
	g := b.serve(func(c *Config) { c.Wait = time.Second })
	g.ask().has(t, 200, "")
	postgres.Stop()
	g.ask(key("known")).has(t, 202, codeUndecided)
	g.ask(from(globexToken, "globex")).has(t, 503, codeUnavailable)
	if g.Ready() != nil {
		t.Errorf("not ready: %v", g.Ready())
	}
	postgres.Start()
	systemtest.Eventually(t, "the outcome", func() error { return g.ask(about("known")).want(200) })
	g.ask(key("known")).has(t, 200, "")
}

// TestEveryLaneIsRead: organizations of all lanes get their answers.
func TestEveryLaneIsRead(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	b.exec(func(ctx context.Context, conn *pgx.Conn) error {
		for i := range 20 {
			if _, err := conn.Exec(ctx, `insert into telephony.organizations values ($1)`, fmt.Sprint("org-", i)); err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, `insert into telephony.api_tokens (token_sha256, domain_handle) values ($1, $2)`, sum(fmt.Sprint("token-", i)), fmt.Sprint("org-", i)); err != nil {
				return err
			}
		}
		return nil
	})
	g := b.serve()
	for i := range 20 {
		g.ask(from(fmt.Sprint("token-", i), fmt.Sprint("org-", i))).has(t, 404, messages.BridgeNotFound)
	}
}
