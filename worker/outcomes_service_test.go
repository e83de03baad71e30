package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestOutcomesAreADiscoverableService: what `nats micro ls`, `info` and `stats`
// show, and that two workers share the questions.
func TestOutcomesAreADiscoverableService(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	for range 2 {
		s.awaitReady(s.work())
	}
	const questions, wrong = 40, 3
	for range questions {
		s.ask("acme", "no-such-id")
	}
	for range wrong {
		s.askRaw("telephony.outcomes.acme", "no JSON")
	}
	pings := gather[micro.Ping](s, "$SRV.PING")
	if len(pings) != 2 || pings[0].Name != "telephony-outcomes" || pings[0].Version != "1.0.0" || pings[0].ID == pings[1].ID {
		t.Errorf("PING: %+v", pings)
	}
	infos := gather[micro.Info](s, "$SRV.INFO.telephony-outcomes")
	if len(infos) != 2 || infos[0].Description == "" || infos[0].Metadata["worker"] != t.Name() || infos[0].Metadata["release"] != "test" ||
		len(infos[0].Endpoints) != 2 || infos[0].Endpoints[0].Subject != messages.OutcomesFilter || infos[0].Endpoints[0].QueueGroup == "" ||
		infos[0].Endpoints[1].Subject != messages.PreviewsFilter || infos[0].Endpoints[1].QueueGroup == "" {
		t.Errorf("INFO: %+v", infos)
	}
	// a request is counted after it is answered
	systemtest.Eventually(t, "the statistics", func() error {
		requests, failures := 0, 0
		for _, stats := range gather[micro.Stats](s, "$SRV.STATS.telephony-outcomes") {
			for _, endpoint := range stats.Endpoints {
				requests, failures = requests+endpoint.NumRequests, failures+endpoint.NumErrors
			}
		}
		if requests != questions+wrong || failures != wrong {
			return fmt.Errorf("%d requests and %d errors, want %d and %d", requests, failures, questions+wrong, wrong)
		}
		return nil
	})
}

// gather asks both workers.
func gather[T any](s *system, subject string) []T {
	s.t.Helper()
	inbox := s.nc.NewRespInbox()
	subscription, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		s.t.Fatal(err)
	}
	defer subscription.Unsubscribe() //nolint:errcheck // the connection's end does it as well
	if err := s.nc.PublishRequest(subject, inbox, nil); err != nil {
		s.t.Fatal(err)
	}
	var answers []T
	for range 2 {
		message, err := subscription.NextMsg(10 * time.Second)
		if err != nil {
			s.t.Fatalf("%s: %v", subject, err)
		}
		var answer T
		if err := json.Unmarshal(message.Data, &answer); err != nil {
			s.t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	return answers
}

// TestWrongQuestionsAreRefused with the code 400 and a sentence, and the next
// one is answered.
func TestWrongQuestionsAreRefused(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	registry := prometheus.NewRegistry()
	s.awaitReady(s.work(func(c *Config) { c.Registerer = registry }))
	wrong := map[string]string{
		``: "empty", `{}`: "missing", `no JSON`: "not valid JSON", `{"command_ids":["@1/2/3"]}`: "no command id",
		`{"command_ids":["a"],"lanes":true}`: "no member", `{"command_ids":[` + strings.TrimSuffix(strings.Repeat(`"a",`, 1001), ",") + `]}`: "at most 1000",
	}
	for body, says := range wrong {
		reply := s.askRaw("telephony.outcomes.acme", body)
		if code, sentence := reply.Header.Get(micro.ErrorCodeHeader), reply.Header.Get(micro.ErrorHeader); code != "400" || !strings.Contains(sentence, says) {
			t.Errorf("%.40q: %s %q", body, code, sentence)
		}
	}
	_, err := messages.AskOutcomes(context.Background(), s.nc, organizationOf(t, "acme"), []string{"@1/2/3"})
	if err == nil {
		t.Error("the client asks for a position")
	}
	if answer := s.ask("acme"); len(answer.Lanes) != 2 || len(answer.Outcomes)+len(answer.Unknown) != 0 {
		t.Errorf("a question without ids: %+v", answer)
	}
	if n := measured(t, registry, "outcome_requests_total", "bad_request"); int(n) != len(wrong) {
		t.Errorf("%v wrong questions counted, want %d", n, len(wrong))
	}
}

// TestNobodyIsAnsweredElsewhere: who asks chooses the subject of the answer, and
// the worker may publish where the asker may not.
func TestNobodyIsAnsweredElsewhere(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	registry := prometheus.NewRegistry()
	s.awaitReady(s.work(func(c *Config) { c.Registerer = registry }))
	s.publish(messages.Interactive, "acme", connectCommand("a", "b0", 1, number("+1555", 1)))
	s.awaitEvents(1)
	elsewhere := []string{
		"telephony.events.c1.evil.provider-connected", "telephony.commands.evil.connect-provider", "$JS.API.STREAM.PURGE.TELEPHONY_EVENTS",
		"telephony.workers", "billing.invoices", "",
	}
	anywhere, err := s.nc.SubscribeSync("billing.>")
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range elsewhere {
		for _, body := range []string{`{"command_ids":[]}`, `no JSON`} {
			if err := s.nc.PublishMsg(&nats.Msg{Subject: "telephony.outcomes.acme", Reply: reply, Data: []byte(body)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.ask("acme", "a") // comes after them, on the same connections
	if n := measured(t, registry, "outcome_requests_total", "ignored"); int(n) != 2*len(elsewhere) {
		t.Errorf("%v questions ignored, want %d", n, 2*len(elsewhere))
	}
	for name, want := range map[string]uint64{messages.EventsStream: 1, interactiveStream: 1} {
		stream, err := s.js.Stream(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		if n := stream.CachedInfo().State.Msgs; n != want {
			t.Errorf("%s has %d messages, want %d", name, n, want)
		}
	}
	if n, _, err := anywhere.Pending(); n != 0 || err != nil {
		t.Errorf("%d answers went elsewhere (%v)", n, err)
	}
}

// TestOutcomesWhilePostgresIsAway: 503 and a sentence, and answers again when it
// is back.
func TestOutcomesWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	s, postgres := newPrivateSystem(t)
	s.organization("acme", 1, 1, "+1555")
	s.publish(messages.Interactive, "acme", connectCommand("a", "b0", 1, number("+1555", 0)))
	s.awaitReady(s.work())
	s.awaitEvents(1)
	s.ask("acme", "a")
	postgres.Stop()
	_, err := messages.AskOutcomes(context.Background(), s.nc, organizationOf(t, "acme"), []string{"a"})
	if refused, ok := errors.AsType[*messages.OutcomesRefused](err); !ok || refused.Code != "503" || !strings.Contains(refused.Message, "ask again") {
		t.Errorf("without a database: %v", err)
	}
	postgres.Start()
	systemtest.Eventually(t, "an answer", func() error {
		answer, err := messages.AskOutcomes(context.Background(), s.nc, organizationOf(t, "acme"), []string{"a"})
		if err == nil && len(answer.Outcomes) != 1 {
			t.Errorf("%+v", answer)
		}
		return err
	})
}

// TestOutcomesSurviveAReconnect of the worker and of the asker.
func TestOutcomesSurviveAReconnect(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	w := s.work()
	s.awaitReady(w)
	s.server.Stop()
	_ = s.awaitUnready(w) // it fails the test if that does not happen
	s.server.Start()
	s.awaitReady(w)
	systemtest.Eventually(t, "an answer", func() error {
		_, err := messages.AskOutcomes(context.Background(), s.nc, organizationOf(t, "acme"), nil)
		return err
	})
}

// TestQuestionsHoldOneConnection: questions that the database does not answer
// keep nothing else from it.
func TestQuestionsHoldOneConnection(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newTenants(t)
	w := s.work()
	s.awaitReady(w)
	s.ask("acme")
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, `lock table connect_provider.inbox in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			_, _ = messages.AskOutcomes(ctx, s.nc, organizationOf(t, "acme"), []string{"a"})
		})
	}
	const waiting = `select count(*) from pg_locks where not granted and relation = 'connect_provider.inbox'::regclass`
	s.awaitCount("a question to wait", 1, waiting)
	// the worker renews its leases all the same, and renews them again
	for range 2 {
		before := s.count(`select extract(epoch from min(lease_expires_at))::bigint * 1000 + extract(milliseconds from min(lease_expires_at))::bigint from connect_provider.lanes`)
		s.awaitCount("renewed leases", 1, `select (extract(epoch from min(lease_expires_at))::bigint * 1000 + extract(milliseconds from min(lease_expires_at))::bigint <> $1)::int from connect_provider.lanes`, before)
	}
	if n := s.count(waiting); n > 1 {
		t.Errorf("%d questions are in the database at once", n)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	group.Wait()
}

// TestQuestionsDoNotStopCommands: while many ask as fast as they can, commands
// are decided, and the worker keeps its lanes.
func TestQuestionsDoNotStopCommands(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	registry := prometheus.NewRegistry()
	s.awaitReady(s.work(func(c *Config) { c.Registerer, c.LeaseTTL = registry, time.Minute }))
	ids := make([]string, messages.MaxOutcomes)
	for i := range ids {
		ids[i] = fmt.Sprint("c", i)
	}
	asking, enough := context.WithCancel(context.Background())
	defer enough()
	var group sync.WaitGroup
	for range 32 {
		nc := connectNATS(t, s.server.URL())
		group.Go(func() {
			for asking.Err() == nil {
				_, err := messages.AskOutcomes(asking, nc, organizationOf(t, "acme"), ids)
				_, refused := errors.AsType[*messages.OutcomesRefused](err) // the database is busy with commands
				if err != nil && asking.Err() == nil && !refused && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			}
		})
	}
	const commands = 500
	for i := range commands {
		s.publish(messages.Classes()[i%2], "acme", connectCommand(ids[i], "b0", 1, number("+1555", i%50)))
	}
	events := s.awaitEvents(commands)
	enough()
	group.Wait()
	checkOrder(t, events)
	if n := measured(t, registry, "lease_changes_total", "lost"); n != 0 {
		t.Errorf("%v lanes lost", n)
	}
	if answer := s.ask("acme", ids...); len(answer.Outcomes) != commands || len(answer.Unknown) != len(ids)-commands {
		t.Errorf("%d outcomes, %d unknown", len(answer.Outcomes), len(answer.Unknown))
	}
}

// TestQuestionsOutliveAWorker: when a worker ends, the others answer, and no
// question is lost; when the last one has ended, askers learn so at once.
func TestQuestionsOutliveAWorker(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	workers := []*running{s.work(), s.work()}
	for _, w := range workers {
		s.awaitReady(w)
	}
	ending := make(chan struct{})
	asked := make(chan int)
	go func() {
		n := 0
		defer func() { asked <- n }()
		for {
			select {
			case <-ending:
				return
			default:
			}
			_, err := messages.AskOutcomes(context.Background(), s.nc, organizationOf(t, "acme"), []string{"a"})
			if _, refused := errors.AsType[*messages.OutcomesRefused](err); err != nil && !refused {
				t.Errorf("after %d questions: %v", n, err)
				<-ending
				return
			}
			n++
		}
	}()
	workers[0].stop()
	close(ending)
	if n := <-asked; n == 0 {
		t.Error("nobody asked")
	}
	workers[1].stop()
	if _, err := messages.AskOutcomes(context.Background(), s.nc, organizationOf(t, "acme"), []string{"a"}); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("without a worker: %v", err)
	}
}

// TestAskingThroughAStrangeInbox says why there would be no answer.
func TestAskingThroughAStrangeInbox(t *testing.T) {
	t.Parallel()
	nc, err := nats.Connect(systemtest.NATS(t).URL(), nats.CustomInboxPrefix("acme.inbox"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := messages.AskOutcomes(context.Background(), nc, organizationOf(t, "acme"), nil); err == nil || !strings.Contains(err.Error(), "_INBOX") {
		t.Errorf("%v", err)
	}
}
