package worker

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"connect-provider/deploy/local"
	"connect-provider/deploy/migrations"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// The workload of the measurements: every number of 100 organizations is to be
// connected once, and one command in fifty names an unknown bridge.
const (
	workloadOrganizations = 100
	workloadBridges       = 200 // of one organization
	workloadNumbers       = 5   // of one bridge
	workloadCommands      = workloadOrganizations * workloadBridges * workloadNumbers
)

// newSyncedSystem is a system whose servers sync every write, with the
// platform's side of the workload. Programs of Postgres are needed: a
// container's disk is not comparable.
func newSyncedSystem(t testing.TB) *system {
	t.Helper()
	dir, remove, err := local.TempDir("connect-provider-load")
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := local.StartPostgres(context.Background(), local.PostgresOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Close(); err != nil {
			t.Error(err)
		}
		if err := remove(); err != nil {
			t.Error(err)
		}
	})
	if err := migrations.Up(context.Background(), postgres.URL()); err != nil {
		t.Fatal(err)
	}
	s := &system{t: t, databaseURL: postgres.URL(), server: systemtest.NATSProcess(t)}
	s.pool, s.nc = openPool(t, s.databaseURL), connectNATS(t, s.server.URL())
	if s.js, err = jetstream.New(s.nc); err != nil {
		t.Fatal(err)
	}
	if _, _, err := EnsureStreams(context.Background(), s.js, messages.StreamOptions{}, false); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := s.pool.QueryRow(context.Background(), "select current_setting($1)", setting).Scan(&value); err != nil || value != "on" {
			t.Fatalf("%s is %q (%v), the measurement needs it on", setting, value, err)
		}
	}
	s.loadPlatform()
	return s
}

func workloadHandle(organization int) string { return "org-" + strconv.Itoa(organization) }

func workloadNumber(n int) string { return fmt.Sprintf("+1555%07d", n) }

// loadPlatform writes the organizations, bridges and numbers.
func (s *system) loadPlatform() {
	s.t.Helper()
	s.platform(`insert into telephony.organizations select 'org-' || o from generate_series(0, $1::int - 1) o`, workloadOrganizations)
	s.platform(`insert into telephony.provider_configurations select 'org-' || o, 1, 'twilio', true from generate_series(0, $1::int - 1) o`, workloadOrganizations)
	s.platform(`insert into telephony.bridges select 'org-' || o, 'bridge-' || b from generate_series(0, $1::int - 1) o, generate_series(0, $2::int - 1) b`, workloadOrganizations, workloadBridges)
	s.platform(`insert into telephony.phone_numbers select '+1555' || lpad(n::text, 7, '0'), 'org-' || n % $2::int, 1, true from generate_series(0, $1::int - 1) n`, workloadCommands, workloadOrganizations)
	s.platform(`vacuum analyze telephony.bridges, telephony.phone_numbers`)
}

// publishLoad puts the first n commands of the workload into the bulk stream,
// in atomic batches, which sync once each.
func (s *system) publishLoad(n int) {
	s.t.Helper()
	const batch = 1000
	for first := 0; first < n; first += batch {
		id := nuid.Next()
		last := min(n, first+batch) - 1
		for i := first; i <= last; i++ {
			organization := i % workloadOrganizations
			bridge := "bridge-" + strconv.Itoa(i/workloadOrganizations%workloadBridges)
			if i%50 == 49 {
				bridge = "unknown"
			}
			message := &nats.Msg{Subject: "telephony.bulk." + workloadHandle(organization) + ".connect-provider",
				Data:   connectCommand("load-"+strconv.Itoa(i), bridge, 1, workloadNumber(i)),
				Header: nats.Header{"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {strconv.Itoa(i - first + 1)}}}
			if i < last {
				if err := s.nc.PublishMsg(message); err != nil {
					s.t.Fatal(err)
				}
				continue
			}
			message.Header.Set("Nats-Batch-Commit", "1")
			if reply, err := s.nc.RequestMsg(message, 10*time.Second); err != nil || readRawAnswer(false, reply.Data).sequence == 0 {
				s.t.Fatalf("publish a batch: %v %s", err, reply.Data)
			}
		}
	}
}

// awaitLoad waits until the events stream holds n events.
func (s *system) awaitLoad(n int) {
	s.t.Helper()
	stream, err := s.js.Stream(context.Background(), messages.EventsStream)
	if err != nil {
		s.t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		info, err := stream.Info(context.Background())
		if err != nil {
			s.t.Fatal(err)
		}
		if info.State.Msgs >= uint64(n) {
			return
		}
	}
}

// checkLoad demands the outcomes of the first n commands of the workload.
func (s *system) checkLoad(n int) {
	s.t.Helper()
	unknown := n / 50
	if connected := s.count(`select count(*) from connect_provider.connections`); connected != n-unknown {
		s.t.Errorf("%d connections, want %d", connected, n-unknown)
	}
	if decided := s.count(`select count(*) from connect_provider.inbox`); decided != n {
		s.t.Errorf("%d commands decided, want %d", decided, n)
	}
}
