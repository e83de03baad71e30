package worker

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"connect-provider/messages"
)

// seed is where a test's randomness begins. CONNECT_TEST_SEED replays a run.
func seed(t testing.TB) *rand.Rand {
	t.Helper()
	start := uint64(time.Now().UnixNano())
	if given := os.Getenv("CONNECT_TEST_SEED"); given != "" {
		var err error
		if start, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("CONNECT_TEST_SEED: %v", err)
		}
	}
	t.Logf("replay with CONNECT_TEST_SEED=%d", start)
	return rand.New(rand.NewPCG(start, 1))
}

// place is a stored message's: its stream and sequence.
type place struct {
	class    messages.Class
	sequence uint64
}

// honestCommands is how many commands stand among the hostile ones. The honest
// organization has as many numbers again, for others to steal.
const honestCommands = 1_000

func TestHostileMessagesChangeNothing(t *testing.T) {
	t.Parallel()
	const attacks, honest = 10_000, honestCommands
	r := seed(t)
	if messages.Partition(attacker, testLanes) != messages.Partition("honest", testLanes) {
		t.Error("the attacker's commands never share a batch with those that it is after")
	}
	s := newSystem(t)
	s.organization("honest", 10, 2*honest, "+1888")
	s.organization(attacker, 1, 0, "+1777")
	registry := prometheus.NewRegistry()
	w := s.work(func(c *Config) { c.Registerer = registry })
	client := newRawClient(t, s.server.URL())

	sent := mixInHonest(hostileMessages(r, attacks), honest)
	answers := make([]rawAnswer, 0, len(sent))
	for chunk := range slices.Chunk(sent, 200) {
		answers = append(answers, client.publishAll(t, chunk)...)
	}
	stored := checkAnswers(t, sent, answers)
	laneless := 0
	for _, m := range stored {
		if m.kind == kindWildcard {
			laneless++
		}
	}
	events := s.awaitEvents(s.countStored(t) - laneless)
	checkOutcomes(t, s, events, stored)
	s.checkHonestOnly(t, honest)
	checkDeadLetters(t, s, events, stored)
	checkNothingBroke(t, w, registry)

	t.Run("a worker takes over where the last message has no readable header", func(t *testing.T) {
		s.checkTakeover(t, client, w, len(events))
	})
}

// mixInHonest spreads an honest organization's commands among hostile messages.
func mixInHonest(hostile []rawMessage, honest int) []rawMessage {
	mixed := make([]rawMessage, 0, len(hostile)+honest)
	next := 0
	for i, m := range hostile {
		if i%(len(hostile)/honest) == 0 && next < honest {
			subject := "telephony.commands.honest.connect-provider"
			if next%2 == 1 {
				subject = "telephony.bulk.honest.connect-provider"
			}
			mixed = append(mixed, rawMessage{kind: kindHonest, subject: subject,
				body: connectCommand(fmt.Sprint("h", next), fmt.Sprint("b", next%10), 1, number("+1888", next))})
			next++
		}
		mixed = append(mixed, m)
	}
	return mixed
}

// checkAnswers sorts out what the streams took, and demands that they refused
// what is theirs to refuse.
func checkAnswers(t *testing.T, sent []rawMessage, answers []rawAnswer) map[place]rawMessage {
	t.Helper()
	stored := map[place]rawMessage{}
	refused := map[string]int{}
	for i, answer := range answers {
		m := sent[i]
		if answer.sequence == 0 {
			if m.kind == kindHonest {
				t.Errorf("the honest command %s was refused: %s", m.body, answer.refusal)
			}
			refused[m.kind]++
			continue
		}
		class := messages.Interactive
		if answer.stream == messages.Bulk.Stream() {
			class = messages.Bulk
		}
		stored[place{class, answer.sequence}] = m
		if m.kind == kindNoStream || len(m.header)+len(m.body) > messages.MaxMessage {
			t.Errorf("stream %s took a message of kind %q, %d bytes, on %q", answer.stream, m.kind, len(m.header)+len(m.body), m.subject)
		}
	}
	t.Logf("%d messages accepted, refused by kind: %v", len(stored), refused)
	return stored
}

// countStored is the number of messages that both command streams hold.
func (s *system) countStored(t *testing.T) int {
	t.Helper()
	total := 0
	for _, class := range messages.Classes() {
		stream, err := s.js.Stream(context.Background(), class.Stream())
		if err != nil {
			t.Fatal(err)
		}
		total += int(stream.CachedInfo().State.Msgs)
	}
	return total
}

// checkOutcomes demands one event for every stored message: connected for the
// honest ones, a failure for all others.
func checkOutcomes(t *testing.T, s *system, events []storedEvent, stored map[place]rawMessage) {
	t.Helper()
	checkOrder(t, events)
	seen := map[place]bool{}
	for _, event := range events {
		at := place{event.Lane.Class, event.Sequence}
		if seen[at] {
			t.Errorf("two events for message %v", at)
		}
		seen[at] = true
		m, known := stored[at]
		switch connected := event.Type == messages.EventConnected; {
		case known && m.kind == kindHonest && !connected:
			t.Errorf("the honest command %s failed: %v", m.body, event.Data.Error)
		case (!known || m.kind != kindHonest) && connected:
			t.Errorf("a message of kind %q connected a number: %s", m.kind, m.body)
		case !connected && event.Data.Error.Code == messages.InternalError:
			t.Errorf("a message of kind %q on %q broke its batch: %q", m.kind, m.subject, m.body)
		}
	}
	for at, m := range stored {
		if !seen[at] && m.kind != kindWildcard {
			t.Errorf("message %v of kind %q has no event: subject %q, header %q, body %q", at, m.kind, m.subject, m.header, m.body)
		}
	}
	t.Logf("outcomes: %v", codes(events))
}

// checkHonestOnly demands that the connections are those that the honest
// organization asked for, and no others.
func (s *system) checkHonestOnly(t *testing.T, honest int) {
	t.Helper()
	if n := s.count(`select count(*) from connect_provider.connections`); n != honest {
		t.Errorf("%d connections, want %d", n, honest)
	}
	if n := s.count(`select count(*) from connect_provider.connections where domain_handle = 'honest' and connection_version = 1
		and provider_config_id = 1 and bridge_slug = 'b' || (right(phone_number, 1))`); n != honest {
		t.Errorf("%d connections are as asked for, want %d", n, honest)
	}
	s.awaitCount("empty outbox", 0, `select count(*) from connect_provider.outbox`)
}

// checkDeadLetters demands the exact bytes of every message that could not be
// understood, without credentials, and of no other.
func checkDeadLetters(t *testing.T, s *system, events []storedEvent, stored map[place]rawMessage) {
	t.Helper()
	malformed := map[place]bool{}
	for _, event := range events {
		if codeOf(event.Event) == string(messages.MalformedCommand) {
			malformed[place{event.Lane.Class, event.Sequence}] = true
		}
	}
	rows, err := s.pool.Query(context.Background(), `select lane, sequence, headers, body from connect_provider.dead_letters`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	letters := 0
	for rows.Next() {
		var lane string
		var sequence int64
		var header, body []byte
		if err := rows.Scan(&lane, &sequence, &header, &body); err != nil {
			t.Fatal(err)
		}
		letters++
		at := place{messages.Class(lane[0]), uint64(sequence)}
		m, known := stored[at]
		if !malformed[at] {
			t.Errorf("message %v has a dead letter and no outcome malformed_command", at)
		}
		if known && !bytes.Equal(body, m.body) {
			t.Errorf("dead letter of message %v: body %q, published %q", at, body, m.body)
		}
		if want := keptHeader(m.header); known && string(header) != want {
			t.Errorf("dead letter of message %v: header %q, want %q", at, header, want)
		}
		if bytes.Contains(header, []byte(secret)) {
			t.Errorf("dead letter of message %v holds a credential: %q", at, header)
		}
	}
	if letters != len(malformed) || rows.Err() != nil {
		t.Errorf("%d dead letters for %d malformed messages (%v)", letters, len(malformed), rows.Err())
	}
	t.Logf("%d dead letters", letters)
}

// keptHeader is a header block as a dead letter should have it: what can be
// read of it, sorted by name, without credentials.
func keptHeader(block string) string {
	if strings.HasPrefix(block, "NATS/1.0 ") {
		// the server itself takes a status out of the first line
		block = "NATS/1.0" + block[strings.Index(block, "\r\n"):]
	}
	header, err := nats.DecodeHeadersMsg([]byte(block))
	if err != nil {
		return ""
	}
	var kept []string
	for name, values := range header {
		for _, value := range values {
			if value != secret {
				kept = append(kept, name+": "+value+"\r\n")
			}
		}
	}
	slices.Sort(kept)
	return strings.Join(kept, "")
}

// checkNothingBroke demands that the worker has kept its connection, its lanes
// and its readers.
func checkNothingBroke(t *testing.T, w *running, registry *prometheus.Registry) {
	t.Helper()
	if n := w.nc.Stats().Reconnects; n != 0 || !w.nc.IsConnected() {
		t.Errorf("the worker's NATS connection was lost %d times, is %s", n, w.nc.Status())
	}
	if err := w.Ready(); err != nil {
		t.Errorf("the worker is not ready: %v", err)
	}
	for _, name := range []string{"isolated_commands_total", "ranges_lost_total", "reader_restarts_total", "commits_in_doubt_total", "lanes_held"} {
		if n := metricSum(t, registry, "connect_provider_"+name, nil); n != 0 {
			t.Errorf("%s is %v", name, n)
		}
	}
	for _, reason := range []string{"data", "unknown"} {
		if n := metricSum(t, registry, "connect_provider_retries_total", map[string]string{"reason": reason}); n != 0 {
			t.Errorf("%v batches failed for reason %q", n, reason)
		}
	}
	if n := metricSum(t, registry, "connect_provider_lease_changes_total", map[string]string{"change": "lost"}); n != 0 {
		t.Errorf("%v lanes were lost", n)
	}
}

// metricSum adds up a metric's values over all labels but those given.
func metricSum(t *testing.T, registry *prometheus.Registry, name string, labels map[string]string) (sum float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			if hasLabels(metric, labels) {
				sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			}
		}
		return sum
	}
	t.Errorf("no metric %s", name)
	return 0
}

func hasLabels(metric *dto.Metric, labels map[string]string) bool {
	matching := 0
	for _, pair := range metric.GetLabel() {
		if value, ok := labels[pair.GetName()]; ok && value == pair.GetValue() {
			matching++
		}
	}
	return matching == len(labels)
}

// checkTakeover leaves a message without a readable header as the last of
// every lane, changes workers, and demands that the lanes go on.
func (s *system) checkTakeover(t *testing.T, client *rawClient, w *running, events int) {
	var last, next []rawMessage
	for _, class := range []string{"telephony.commands.", "telephony.bulk."} {
		for lane := range testLanes {
			token := tokenOf(lane)
			last = append(last, rawMessage{subject: class + token + ".connect-provider", header: "NATS/1.0\r\nno colon\r\n\r\n", body: []byte(wellFormed(len(last)))})
			next = append(next, rawMessage{subject: class + token + ".connect-provider", body: []byte(wellFormed(1000 + len(next)))})
		}
	}
	client.publishAll(t, last)
	s.awaitEvents(events + len(last))
	w.stop()
	s.work()
	client.publishAll(t, next)
	checkOrder(t, s.awaitEvents(events+len(last)+len(next)))
}

// tokenOf is some organization's whose commands go to a lane.
func tokenOf(lane int) string {
	for i := 0; ; i++ {
		if token := fmt.Sprint("o", i); messages.Partition(token, testLanes) == lane {
			return token
		}
	}
}
