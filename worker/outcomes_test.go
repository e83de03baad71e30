package worker

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

func organizationOf(t testing.TB, handle string) messages.Organization {
	t.Helper()
	organization, err := messages.OrganizationFromHandle(handle)
	if err != nil {
		t.Fatal(err)
	}
	return organization
}

// ask asks for the outcomes of an organization's commands.
func (s *system) ask(handle string, ids ...string) messages.OutcomesAnswer {
	s.t.Helper()
	answer, err := messages.AskOutcomes(context.Background(), s.nc, organizationOf(s.t, handle), ids)
	if err != nil {
		s.t.Fatalf("ask for %d outcomes of %s: %v", len(ids), handle, err)
	}
	return answer
}

// askRaw sends one request as it is.
func (s *system) askRaw(subject, body string) *nats.Msg {
	s.t.Helper()
	reply, err := s.nc.Request(subject, []byte(body), 10*time.Second)
	if err != nil {
		s.t.Fatalf("ask on %s: %v", subject, err)
	}
	return reply
}

// TestAskersLearnWhatTheEventsTold: every kind of outcome is told as its event
// told it, but for the metadata.
func TestAskersLearnWhatTheEventsTold(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 2, 5, "+1555")
	s.platform(`insert into telephony.phone_numbers values ('+15559', 'acme', 3, true)`)
	s.refuse("broken", "22003")
	command := func(id, bridge string, configuration int64, phone string, more ...any) []byte {
		members := map[string]any{"command_id": id, "bridge_slug": bridge, "provider_config_id": configuration, "phone_number": phone}
		for i := 0; i < len(more); i += 2 {
			members[more[i].(string)] = more[i+1]
		}
		return body(members)
	}
	publish := func(handle string, payload []byte) { s.publish(messages.Interactive, handle, payload) }
	publish("acme", command("connected", "b0", 1, number("+1555", 0), "metadata", map[string]string{"row": "1"}))
	publish("acme", command("unchanged", "b0", 1, number("+1555", 0)))
	publish("acme", command("phone_number_invalid", "b0", 1, "(123) 456"))
	publish("nobody", command("organization_unknown", "b0", 1, number("+1555", 0)))
	publish("acme", command("organization_mismatch", "b0", 1, number("+1555", 0), "org_handle", "globex"))
	publish("acme", command("bridge_not_found", "nowhere", 1, number("+1555", 0)))
	publish("acme", command("provider_config_not_found", "b0", 99, number("+1555", 0)))
	publish("acme", command("provider_config_inactive", "b0", 5, number("+1555", 0)))
	publish("acme", command("phone_number_not_linked", "b0", 2, number("+1555", 0)))
	publish("acme", command("phone_number_in_use", "b1", 1, number("+1555", 0)))
	publish("acme", command("bridge_has_other_provider", "b0", 3, "+15559"))
	publish("acme", command("broken", "b0", 1, number("+1555", 1)))
	s.publish(messages.Bulk, "acme", command("bulk", "b1", 1, number("+1555", 2)))
	// these leave no row of their own id
	publish("acme", command("connected", "b1", 1, number("+1555", 3)))
	last := s.publish(messages.Interactive, "acme", command("malformed", "b0", 1, number("+1555", 4), "surprise", 1))
	s.work()
	events := s.awaitEvents(15)

	seen := map[messages.Code]bool{messages.MalformedCommand: true, messages.CommandIDReused: true}
	for _, event := range events {
		if code := codeOf(event.Event); code == "malformed_command" || code == "command_id_reused" {
			continue
		}
		answer := s.ask(event.Organization.Handle, event.CommandID)
		if len(answer.Outcomes) != 1 || len(answer.Unknown) != 0 || answer.OrgHandle != event.Organization.Handle {
			t.Errorf("%s: %+v", event.CommandID, answer)
			continue
		}
		got, want := answer.Outcomes[0], event.Data
		want.Metadata, want.OrgHandle = nil, ""
		if !reflect.DeepEqual(got.Data, want) {
			t.Errorf("%s: told %#v, the event %#v", event.CommandID, got.Data, want)
			t.Logf("%+v %+v", got.Data.Error, want.Error)
		}
		if got.Lane != event.Lane || got.Sequence != event.Sequence || got.Generation != event.Generation {
			t.Errorf("%s: told to be command %d of %s, the event says %d of %s", event.CommandID, got.Sequence, got.Lane, event.Sequence, event.Lane)
		}
		if d := got.DecidedAt.Sub(event.Time); d < -time.Minute || d > time.Minute {
			t.Errorf("%s: decided at %s, the event at %s", event.CommandID, got.DecidedAt, event.Time)
		}
		if got.Data.Error != nil {
			seen[got.Data.Error.Code] = true
		}
	}
	for _, code := range messages.Codes() {
		if !seen[code] {
			t.Errorf("%s was not asked for", code)
		}
	}
	malformed := s.ask("acme", "malformed")
	lane, _ := malformed.Lane(messages.Interactive)
	if len(malformed.Unknown) != 1 || lane.Cursor < last {
		t.Errorf("an id that a malformed command claims: %+v", malformed)
	}
}

// TestWhatHasNoIDCantBeAskedFor: rows that stand under a position are nobody's
// to ask for; the id made for a command without one is its id.
func TestWhatHasNoIDCantBeAskedFor(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	s.publish(messages.Interactive, "acme", []byte("no JSON"))
	s.publish(messages.Interactive, "acme", body(map[string]any{"bridge_slug": "b0", "provider_config_id": 1, "phone_number": number("+1555", 1)}))
	s.work()
	events := s.awaitEvents(2)
	var key string
	if err := s.pool.QueryRow(context.Background(), `select key from connect_provider.inbox where key like '@%'`).Scan(&key); err != nil {
		t.Fatal(err)
	}
	reply := s.askRaw("telephony.outcomes.acme", `{"command_ids":["`+key+`"]}`)
	if reply.Header.Get(micro.ErrorCodeHeader) != "400" || len(reply.Data) != 0 {
		t.Errorf("%s: %v %s", key, reply.Header, reply.Data)
	}
	made := events[1].CommandID
	if answer := s.ask("acme", made); !strings.HasPrefix(made, "stream:") || len(answer.Outcomes) != 1 {
		t.Errorf("%s: %+v", made, answer)
	}
}

// TestNobodyAsksForAnother: another organization's commands look like those
// that do not exist, and an organization that does not exist like one that has
// none, to the letter.
func TestNobodyAsksForAnother(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	s.work()
	s.publish(messages.Interactive, "acme", connectCommand("secret", "b0", 1, number("+1555", 1)))
	s.awaitEvents(1)
	long := strings.Repeat("acme", 100)
	for _, token := range []string{
		"evil", "%61cme", "acm%65", "ACME", "acme%00", "acme%20", "аcme", "~acme", long, messages.OrganizationFromToken(long).Token, "nobody",
	} {
		reply := s.askRaw("telephony.outcomes."+token, `{"command_ids":["secret","no-such-id"]}`)
		answer, err := messages.DecodeOutcomesAnswer(reply.Data)
		if err != nil || len(answer.Outcomes) != 0 || !slices.Equal(answer.Unknown, []string{"secret", "no-such-id"}) {
			t.Errorf("%q: %v %s (%v)", token, reply.Header, reply.Data, err)
		}
		// the lane that the server would put its commands into
		if lane, _ := answer.Lane(messages.Interactive); lane.Lane.Number != messages.Partition(token, testLanes) {
			t.Errorf("%q: told of lane %s", token, lane.Lane)
		}
	}
	for _, subject := range []string{"telephony.outcomes", "telephony.outcomes.acme.evil"} {
		if _, err := s.nc.Request(subject, []byte(`{"command_ids":[]}`), 10*time.Second); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("%s: %v", subject, err)
		}
	}
	// two organizations of one lane, of which only one exists
	there, none := "", ""
	for i := 0; none == ""; i++ {
		handle := fmt.Sprint("org-", i)
		switch {
		case there == "":
			there = handle
			s.platform(`insert into telephony.organizations values ($1)`, there)
		case messages.Partition(handle, testLanes) == messages.Partition(there, testLanes):
			none = handle
		}
	}
	told := func(handle string) string {
		return strings.ReplaceAll(string(s.askRaw("telephony.outcomes."+handle, `{"command_ids":["secret"]}`).Data), handle, "?")
	}
	if a, b := told(there), told(none); a != b {
		t.Errorf("one that exists is told\n%s\none that does not\n%s", a, b)
	}
}

// TestAskersTellNotYetFromNever: the cursor beside an unknown id says whether
// it will still be decided.
func TestAskersTellNotYetFromNever(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	w := s.work()
	s.awaitReady(w)
	s.publish(messages.Bulk, "acme", connectCommand("first", "b0", 1, number("+1555", 0)))
	s.awaitEvents(1)
	// somebody has acme's bulk lane, and does nothing
	lane := messages.Lane{Class: messages.Bulk, Number: messages.Partition("acme", testLanes)}.String()
	s.platform(`update connect_provider.lanes set owner = gen_random_uuid(), owner_token = gen_random_uuid(), lease_expires_at = 'infinity' where lane = $1`, lane)

	waits := s.publish(messages.Bulk, "acme", connectCommand("waits", "b0", 1, number("+1555", 1)))
	answer := s.ask("acme", "first", "waits")
	at, ok := answer.Lane(messages.Bulk)
	if !ok || at.Lane.String() != lane || at.Cursor >= waits || at.Generation != 1 {
		t.Errorf("the lane stands at %+v, the command is %d", at, waits)
	}
	if len(answer.Outcomes) != 1 || !slices.Equal(answer.Unknown, []string{"waits"}) {
		t.Errorf("%+v", answer)
	}
	stream, err := s.js.Stream(context.Background(), messages.Bulk.Stream())
	if err != nil {
		t.Fatal(err)
	}
	if !at.StreamCreated.Equal(stream.CachedInfo().Created) {
		t.Errorf("the cursor counts in a stream of %s, the stream is of %s", at.StreamCreated, stream.CachedInfo().Created)
	}
	never := s.publish(messages.Bulk, "acme", []byte(`{"command_id":"never"}`))
	s.platform(`update connect_provider.lanes set owner = null, owner_token = null, lease_expires_at = null where lane = $1`, lane)
	systemtest.Eventually(t, "the lane to go on", func() error {
		answer = s.ask("acme", "waits", "never")
		if at, _ = answer.Lane(messages.Bulk); at.Cursor < never {
			return fmt.Errorf("it stands at %d", at.Cursor)
		}
		return nil
	})
	if len(answer.Outcomes) != 1 || answer.Outcomes[0].Sequence != waits || !slices.Equal(answer.Unknown, []string{"never"}) {
		t.Errorf("%+v", answer)
	}
}

// TestCursorsAreReadBeforeOutcomes holds a question up between its two reads
// and decides the command meanwhile: the answer may not say that the lane has
// passed the command and left nothing.
func TestCursorsAreReadBeforeOutcomes(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"lanes", "inbox"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			s := newSystem(t)
			d := newDriver(t, s)
			lane := messages.Lane{Class: messages.Interactive, Number: messages.Partition("acme", testLanes)}.String()
			s.platform(`update connect_provider.lanes set stream_created = 1, generation = 1, cursor = 1, cursor_time = 1 where lane = $1`, lane)
			lookUp := func() (messages.OutcomesAnswer, error) {
				return d.w.lookUp(ctx, organizationOf(t, "acme"), "acme", messages.OutcomesRequest{CommandIDs: []string{"a"}})
			}
			if _, err := lookUp(); err != nil { // prepares the statements
				t.Fatal(err)
			}
			tx, err := s.pool.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(ctx)
			if _, err := tx.Exec(ctx, `lock table connect_provider.`+table+` in access exclusive mode`); err != nil {
				t.Fatal(err)
			}
			type result struct {
				answer messages.OutcomesAnswer
				err    error
			}
			answered := make(chan result, 1)
			go func() {
				answer, err := lookUp()
				answered <- result{answer, err}
			}()
			s.awaitCount("the question to be held up", 1, `select count(*) from pg_locks where not granted and relation = 'connect_provider.`+table+`'::regclass`)
			for _, sql := range []string{
				`insert into connect_provider.inbox (org_token, key, digest, lane, stream_created, generation, sequence, message_time, decided_at, changed, failure_code, failure)
					values ('acme', 'a', '0123456789abcdef', '` + lane + `', 1, 1, 2, 2, now(), false, 'internal_error', '{}')`,
				`update connect_provider.lanes set cursor = 2, cursor_time = 2 where lane = '` + lane + `'`,
				`commit`,
			} {
				if _, err := tx.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
			got := <-answered
			at, _ := got.answer.Lane(messages.Interactive)
			if got.err != nil || at.Cursor >= 2 && len(got.answer.Outcomes) == 0 {
				t.Errorf("%+v, %v", got.answer, got.err)
			}
		})
	}
}

// TestLargeAnswersAreAskedForAgain: more than one question may name, and more
// than one answer holds.
func TestLargeAnswersAreAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	registry := prometheus.NewRegistry()
	s.work(func(c *Config) { c.Registerer = registry })
	const large, more = 300, 1500
	var ids []string
	var bodies [][]byte
	for i := range large {
		id := fmt.Sprint("large-", i)
		ids, bodies = append(ids, id), append(bodies, connectCommand(id, strings.Repeat("\n", 3500), 1, number("+1555", 0)))
	}
	s.publishAll(messages.Interactive, "acme", bodies)
	s.awaitEvents(large)
	for i := range more {
		ids = append(ids, fmt.Sprint("unknown-", i))
	}
	answer := s.ask("acme", append(ids, ids...)...)
	if len(answer.Outcomes) != large || len(answer.Unknown) != more || len(answer.Unanswered) != 0 || len(answer.Lanes) != 2 {
		t.Errorf("%d outcomes, %d unknown, %d unanswered, %d lanes", len(answer.Outcomes), len(answer.Unknown), len(answer.Unanswered), len(answer.Lanes))
	}
	for _, outcome := range answer.Outcomes {
		if len(outcome.Data.BridgeSlug) != 3500 {
			t.Errorf("%s: a slug of %d bytes", outcome.Data.CommandID, len(outcome.Data.BridgeSlug))
		}
	}
	// two requests can name them; 300 outcomes of 7 kB need three answers of 1 MiB
	// (a worker counts an answer when it has sent it)
	systemtest.Eventually(t, "three answers", func() error {
		if n := measured(t, registry, "outcome_requests_total", "answered"); n < 3 {
			return fmt.Errorf("%v were enough", n)
		}
		return nil
	})
}
