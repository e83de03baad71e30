package processtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// publishers is how many publish at once.
const publishers = 4

func TestKillsLoseAndRepeatNothing(t *testing.T) {
	total, kills := 50_000, 20
	if testing.Short() {
		total, kills = 5_000, 6
	}
	r := seed(t)
	s := newService(t)
	s.loadPlatform()
	s.work()
	s.work()

	m := newModel()
	read := map[messages.Class]uint64{}
	var published []command
	for half := range 2 {
		commands := makeCommands(r, fmt.Sprintf("half-%d", half), total/2, m.moved)
		published = append(published, commands...)
		s.publishAndKill(commands, r, kills/2)
		s.awaitConnection() // the last kill may have been that of NATS
		s.replayInto(m, read)
		s.awaitGrowth(messages.EventsStream, len(m.verdicts))
		if half == 0 {
			s.moveNumbers()
			m.moved = true
		}
	}
	s.awaitEmptyOutbox()
	for _, w := range s.workers {
		w.stop()
	}
	s.checkEvents(m, published)
	s.checkDatabase(m)
}

// kill is one of a run's: when so many commands have been acknowledged, and
// how many more have to be until what was killed is started again.
type kill struct {
	after  int64
	victim int
	down   int64
}

const (
	victimNATS = iota
	victimPostgres
	victimFirstWorker
	victimSecondWorker
	victims
)

func planKills(r *rand.Rand, total, kills int) []kill {
	plan := make([]kill, kills)
	for i := range plan {
		plan[i] = kill{after: int64(r.IntN(total)), victim: i % victims, down: int64(r.IntN(total / 10))}
	}
	slices.SortFunc(plan, func(a, b kill) int { return int(a.after - b.after) })
	return plan
}

// publishAndKill publishes commands and kills as planned meanwhile.
func (s *service) publishAndKill(commands []command, r *rand.Rand, kills int) {
	s.t.Helper()
	plan := planKills(r, len(commands), kills)
	var acknowledged atomic.Int64
	ended := make(chan error, publishers)
	for part := range slices.Chunk(commands, (len(commands)+publishers-1)/publishers) {
		js, err := jetstream.New(s.nc)
		if err != nil {
			s.t.Fatal(err)
		}
		go func() { ended <- publishAll(js, part, &acknowledged) }()
	}
	reached := func(n int64) {
		systemtest.Eventually(s.t, fmt.Sprintf("%d commands acknowledged", n), func() error {
			if have := acknowledged.Load(); have < min(n, int64(len(commands))) {
				return fmt.Errorf("%d are", have)
			}
			return nil
		})
	}
	for _, k := range plan {
		reached(k.after)
		s.t.Logf("after %d commands: kill -9 of %s", acknowledged.Load(), [...]string{"NATS", "Postgres", "the first worker", "the second worker"}[k.victim])
		switch k.victim {
		case victimNATS:
			s.nats.Kill()
			s.nats.Start()
		case victimPostgres:
			s.postgres.Kill()
			reached(k.after + k.down)
			s.postgres.Start()
		default:
			w := s.workers[k.victim-victimFirstWorker]
			w.kill()
			reached(k.after + k.down)
			w.start()
		}
	}
	for range publishers {
		if err := <-ended; err != nil {
			s.t.Fatalf("publish: %v", err)
		}
	}
}

// replayInto has the model decide what the streams have got since the last time.
func (s *service) replayInto(m *model, read map[messages.Class]uint64) {
	s.t.Helper()
	organizationOf := map[string]int{}
	for organization := range organizations {
		organizationOf[handle(organization)] = organization
	}
	for _, class := range messages.Classes() {
		before := read[class]
		s.read(class.Stream(), func(message jetstream.Msg, sequence uint64) {
			if sequence <= before {
				return
			}
			read[class] = sequence
			subject, err := messages.ParseStoredSubject(message.Subject())
			if err != nil {
				s.t.Fatal(err)
			}
			m.take(place{class, sequence}, organizationOf[subject.Organization.Handle], subject.Organization.Token, message.Data())
		})
	}
}

func (s *service) awaitEmptyOutbox() {
	s.t.Helper()
	systemtest.Eventually(s.t, "an empty outbox", func() error {
		if n := s.count(`select count(*)::int from connect_provider.outbox`); n != 0 {
			return fmt.Errorf("%d rows", n)
		}
		return nil
	})
}

// checkEvents holds the events stream against the model and the publishers.
func (s *service) checkEvents(m *model, published []command) {
	s.t.Helper()
	ids := map[string]bool{}
	last := map[messages.Lane]messages.Position{}
	versions := map[string]int64{}
	outcomes := map[string]int{} // by subject and command id
	codes := map[string]int{}
	decided := map[place]bool{}
	s.read(messages.EventsStream, func(message jetstream.Msg, _ uint64) {
		event, err := messages.DecodeEvent(message.Data())
		if err != nil {
			s.t.Fatal(err)
		}
		lane, owner, _, err := messages.ParseEventSubject(message.Subject())
		if err != nil {
			s.t.Fatal(err)
		}
		if ids[event.ID.String()] {
			s.t.Errorf("event %s is in the stream twice", event.ID)
		}
		ids[event.ID.String()] = true
		position := messages.Position{Generation: event.Generation, Sequence: event.Sequence}
		if position.Compare(last[lane]) <= 0 || position.Generation != 1 {
			s.t.Errorf("lane %s: the event of command %s comes after that of %s", lane, position, last[lane])
		}
		last[lane] = position
		at := place{lane.Class, event.Sequence}
		decided[at] = true
		told := verdict{code: "unchanged", version: event.Data.ConnectionVersion}
		switch {
		case event.Data.Error != nil:
			told.code = string(event.Data.Error.Code)
		case event.Data.Changed:
			told.code = "connected"
			if versions[event.Data.PhoneNumber]++; versions[event.Data.PhoneNumber] != told.version {
				s.t.Errorf("version %d of a connection comes at place %d", told.version, versions[event.Data.PhoneNumber])
			}
		}
		if want, ok := m.verdicts[at]; !ok || want != told {
			s.t.Errorf("message %v: outcome %v, the model's is %v", at, told, want)
		}
		if told.code != string(messages.CommandIDReused) && told.code != string(messages.MalformedCommand) {
			outcomes[messages.CommandSubject(lane.Class, owner, messages.VerbConnectProvider)+" "+event.CommandID]++
		}
		codes[told.code]++
	})
	if len(decided) != len(m.verdicts) {
		s.t.Errorf("%d messages have an outcome, of %d", len(decided), len(m.verdicts))
	}
	for _, c := range published {
		if n := outcomes[c.subject+" "+c.id]; c.id != "" && n != 1 {
			s.t.Errorf("command %s has %d outcomes", c.id, n)
		}
	}
	s.t.Logf("%d commands, %d events: %v", len(published), len(ids), codes)
}

// checkDatabase holds the tables against the model.
func (s *service) checkDatabase(m *model) {
	s.t.Helper()
	var phone, slug string
	var configuration, version int64
	found := 0
	s.onDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select phone_number, bridge_slug, provider_config_id, connection_version from connect_provider.connections`)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&phone, &slug, &configuration, &version}, func() error {
			found++
			if have := (link{slug, configuration, version}); m.connections[phone] != have {
				s.t.Errorf("a connection is %v, the model's %v", have, m.connections[phone])
			}
			return nil
		})
		return err
	})
	if found != len(m.connections) {
		s.t.Errorf("%d connections, the model has %d", found, len(m.connections))
	}
	if n := s.count(`select count(*)::int from connect_provider.inbox`); n != len(m.verdicts) {
		s.t.Errorf("%d inbox rows, want %d", n, len(m.verdicts))
	}
}
