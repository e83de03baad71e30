package nats_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/demo"
	access "connect-provider/deploy/nats"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

// TestARealWorkerNeedsItsPermissionsAndNoOthers runs workers as the worker's
// user through what a worker meets: commands of both classes by the
// organizations' users, questions, a database that was restored, upkeep. Nothing
// is refused, and each of the worker's permissions is used.
func TestARealWorkerNeedsItsPermissionsAndNoOthers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w, err := buildEmpty(ctx, t.TempDir(), shipped(), "nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	record := &recorder{}

	first := w.runWorker(t, record, systemtest.MigratedDatabase(t), func(c *worker.Config) {})
	connected := map[string]string{
		acme:   `{"command_id":"%s","bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890"}`,
		dotted: `{"command_id":"%s","bridge_slug":"none","provider_config_id":1,"phone_number":"+1"}`,
	}
	for token, body := range connected {
		producer, err := w.client("producer@" + token)
		if err != nil {
			t.Fatal(err)
		}
		for _, class := range messages.Classes() {
			for i := range 10 {
				if _, err := producer.ask(ctx, commandSubject(class, token), fmt.Sprintf(body, fmt.Sprintf("%s-%d", class, i)), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		if events := w.readEvents(t, token, 20); !slices.ContainsFunc(events, func(e messages.Event) bool { return e.Organization.Token == token }) {
			t.Errorf("%s got %v", token, events)
		}
		answer, err := messages.AskOutcomes(withDeadline(t), producer.Conn, messages.OrganizationFromToken(token), []string{"bulk-3", "never"})
		if err != nil || len(answer.Outcomes) != 1 || len(answer.Unknown) != 1 {
			t.Errorf("%s: the workers answer %+v, %v", token, answer, err)
		}
	}
	first()

	// the database is from before all that, and what is decided is purged
	second := w.runWorker(t, record, systemtest.MigratedDatabase(t), func(c *worker.Config) {
		c.ReplayWindow, c.UpkeepInterval = 0, 50*time.Millisecond
	})
	for _, class := range messages.Classes() {
		systemtest.Eventually(t, "the purge of "+class.Stream(), func() error {
			stream, err := w.godJS.Stream(ctx, class.Stream())
			if err == nil && stream.CachedInfo().State.Msgs > 0 {
				err = fmt.Errorf("%d messages", stream.CachedInfo().State.Msgs)
			}
			return err
		})
	}
	second()

	published, heard := record.did()
	rules := workerRules(t)
	// a worker asks this only while a lane is behind for seconds
	unseen := regexp.MustCompile(`^\$JS\.API\.CONSUMER\.INFO\.`)
	for _, rule := range rules.Publish.Allow {
		if !unseen.MatchString(rule) && !slices.ContainsFunc(published, func(s string) bool { return covers(rule, s) }) {
			t.Errorf("no worker published to %s: %v", rule, published)
		}
	}
	for _, rule := range rules.Subscribe.Allow {
		if !slices.ContainsFunc(heard, func(s string) bool { return covers(rule, s) }) {
			t.Errorf("no worker subscribed to %s: %v", rule, heard)
		}
	}
	for _, subject := range published {
		answer := strings.HasPrefix(subject, "_R_.") || strings.HasPrefix(subject, "_INBOX.")
		if !answer && !slices.ContainsFunc(rules.Publish.Allow, func(rule string) bool { return covers(rule, subject) }) {
			t.Errorf("a worker published to %s", subject)
		}
	}
}

// runWorker starts a worker as the worker's user, on a database with the demo's
// organizations. The function that it returns ends it, and fails the test where
// the server has refused it anything.
func (w *world) runWorker(t *testing.T, record *recorder, database string, change func(*worker.Config)) (stop func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Load(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := w.second(access.Worker, nats.SetCustomDialer(record))
	if err != nil {
		t.Fatal(err)
	}
	config := worker.DefaultConfig()
	pool, err := worker.NewPool(t.Context(), database, config.InFlight)
	if err != nil {
		t.Fatal(err)
	}
	config.Database, config.NATS, config.Name = pool, c.Conn, "worker"
	config.Logger, config.Registerer = systemtest.Logger(t), prometheus.NewRegistry()
	change(&config)
	running, err := worker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- running.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the worker ended with %v", err)
		}
		if err := c.LastError(); err != nil {
			t.Errorf("the worker was refused: %v", err)
		}
		c.Close()
		pool.Close()
	}
}

// readEvents reads an organization's events as its consumer.
func (w *world) readEvents(t *testing.T, token string, count int) (events []messages.Event) {
	t.Helper()
	c, err := w.client("consumer@" + token)
	if err != nil {
		t.Fatal(err)
	}
	js, err := c.jetStream()
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.CreateOrUpdateConsumer(t.Context(), messages.EventsStream, ownConsumer(token))
	if err != nil {
		t.Fatal(err)
	}
	systemtest.Eventually(t, "the events of "+token, func() error {
		batch, err := consumer.Fetch(count, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return err
		}
		for m := range batch.Messages() {
			event, err := messages.DecodeEvent(m.Data())
			if err != nil {
				return err
			}
			if event.Lane, event.Organization, event.Type, err = messages.ParseEventSubject(m.Subject()); err != nil {
				return err
			}
			events = append(events, event)
			if err := m.Ack(); err != nil {
				return err
			}
		}
		return counted(len(events), count, batch.Error())
	})
	return events
}

// workerRules are the permissions of the worker as the server reads them.
func workerRules(t *testing.T) *server.Permissions {
	t.Helper()
	options, err := shipped().options(t.TempDir(), "nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range options.Nkeys {
		if user.Permissions != nil {
			return user.Permissions
		}
	}
	t.Fatal("no user has permissions")
	return nil
}

// covers tells whether a subject with wildcards takes another.
func covers(rule, subject string) bool { return server.SubjectMatchesFilter(subject, rule) }

func withDeadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
