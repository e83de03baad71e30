package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"connect-provider/deploy/local"
	"connect-provider/messages"
)

// benchRows is for benchmarks with files of another size.
var benchRows = flag.Int("rows", 100_000, "rows of each file that the benchmarks of onboarding run")

// BenchmarkOnboard measures, in turns, how many commands a second the worker
// decides that are in the stream already (of one organization, so in one lane, and
// of 64), how many rows a second a file of as many rows takes from reading to
// outcome, how many when it is run again, and how many a dry run. 2% of the rows
// fail. Everything but Postgres is in this process, every write synced.
//
//	go test ./cmd/connectctl -run '^$' -bench Onboard -benchtime 3x
func BenchmarkOnboard(b *testing.B) {
	for _, organizations := range []int{1, 64} {
		b.Run(fmt.Sprintf("organizations=%d", organizations), func(b *testing.B) {
			m := newOnboardBench(b, organizations)
			var decided, onboarded, part, again, previewed []float64
			for b.Loop() {
				decided = append(decided, m.decide(m.file(*benchRows)))
				file := m.file(*benchRows)
				previewed = append(previewed, m.onboard(exitFailed, file, "--dry-run", "--json"))
				onboarded = append(onboarded, m.onboard(exitFailed, file))
				again = append(again, m.onboard(exitFailed, file))
				part = append(part, 100*onboarded[len(onboarded)-1]/decided[len(decided)-1])
				b.Logf("decided %.0f/s, onboarded %.0f/s", decided[len(decided)-1], onboarded[len(onboarded)-1])
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(decided), "decided/s")
			b.ReportMetric(median(onboarded), "onboarded/s")
			b.ReportMetric(median(part), "%-of-decided")
			b.ReportMetric(median(again), "again/s")
			b.ReportMetric(median(previewed), "previewed/s")
		})
	}
}

func newOnboardBench(b *testing.B, organizations int) *onboardBench {
	b.Helper()
	dir, remove, err := local.TempDir("connectctl-onboard")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := remove(); err != nil {
			b.Error(err)
		}
	})
	s, err := startSystem(b.Context(), local.Options{Dir: filepath.Join(dir, "data"), Logger: zap.NewNop()}, devStreams)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.close(); err != nil {
			b.Error(err)
		}
	})
	m := &onboardBench{b: b, system: s, organizations: organizations}
	m.exec(`insert into telephony.organizations select 'big-' || n from generate_series(0, $1::int - 1) n`, organizations)
	m.exec(`insert into telephony.provider_configurations select domain_handle, 1, 'twilio', true from telephony.organizations where domain_handle like 'big-%'`)
	m.exec(`insert into telephony.bridges select 'big-' || o, 'bridge-' || n from generate_series(0, $1::int - 1) o, generate_series(0, $2::int - 1) n`, organizations, benchBridges/organizations)
	m.exec(`insert into telephony.organizations values ('other')`)
	m.exec(`insert into telephony.provider_configurations values ('other', 1, 'twilio', true)`)
	m.exec(`insert into telephony.bridges values ('other', 'bridge')`)
	m.exec(`insert into telephony.phone_numbers values ('+997', 'other', 1), ('+996', 'big-0', 1)`)
	return m
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile sorts the values.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[min(len(values)-1, int(q*float64(len(values))))]
}

// onboardBench is a system with numbers that were not used yet.
type onboardBench struct {
	b             *testing.B
	system        *system
	organizations int
	used          int
}

const benchBridges = 10_000

func (m *onboardBench) handle(n int) string { return fmt.Sprintf("big-%d", n%m.organizations) }

func (m *onboardBench) exec(sql string, args ...any) {
	m.b.Helper()
	if _, err := m.system.pool.Exec(m.b.Context(), sql, args...); err != nil {
		m.b.Fatal(err)
	}
}

// benchFile is a file of rows with numbers of their own.
type benchFile struct {
	path        string
	first, rows int
}

func (m *onboardBench) file(rows int) benchFile {
	m.b.Helper()
	f := benchFile{path: filepath.Join(m.b.TempDir(), "numbers.csv"), first: m.used, rows: rows}
	m.used += rows
	m.exec(`insert into telephony.phone_numbers select '+998' || lpad(n::text, 9, '0'), 'big-' || n % $3::int, 1 from generate_series($1::int, $2::int - 1) n`, f.first, m.used, m.organizations)
	m.exec(`analyze telephony.phone_numbers`)
	var text strings.Builder
	text.WriteString("org_handle,bridge_slug,provider_config_id,phone_number\n")
	for n := range rows {
		command := m.command(f, n)
		fmt.Fprintf(&text, "%s,%s,1,%s\n", m.handle(f.first+n), command.BridgeSlug, command.PhoneNumber)
	}
	if err := os.WriteFile(f.path, []byte(text.String()), 0o600); err != nil {
		m.b.Fatal(err)
	}
	return f
}

func (m *onboardBench) command(f benchFile, n int) messages.Command {
	bridge := fmt.Sprintf("bridge-%d", (f.first+n)/m.organizations/5%(benchBridges/m.organizations))
	if n%50 == 0 {
		bridge = "none"
	}
	return messages.Command{ID: fmt.Sprintf("onboard:0123456789abcdef-%05d", f.first+n), BridgeSlug: bridge, ProviderConfigID: 1,
		PhoneNumber: fmt.Sprintf("+998%09d", f.first+n), Metadata: map[string]string{"job": "0123456789abcdef", "row": fmt.Sprint(n + 1)}}
}

// enqueue puts a file's commands into the stream, with no worker at work.
func (m *onboardBench) enqueue(f benchFile) {
	m.b.Helper()
	if err := m.system.stopWorker(); err != nil {
		m.b.Fatal(err)
	}
	for first := 0; first < f.rows; first += messages.MaxBatch {
		var batch []*nats.Msg
		for n := first; n < min(first+messages.MaxBatch, f.rows); n++ {
			body, err := messages.EncodeCommand(m.command(f, n))
			if err != nil {
				m.b.Fatal(err)
			}
			batch = append(batch, &nats.Msg{Subject: messages.CommandSubject(messages.Bulk, m.organization(m.handle(f.first+n)), messages.VerbConnectProvider), Data: body})
		}
		if _, err := messages.PublishBatch(m.b.Context(), m.system.nc, messages.Bulk.Stream(), batch); err != nil {
			m.b.Fatal(err)
		}
	}
}

func (m *onboardBench) organization(handle string) messages.Organization {
	m.b.Helper()
	o, err := messages.OrganizationFromHandle(handle)
	if err != nil {
		m.b.Fatal(err)
	}
	return o
}

// decide has the worker decide a file's commands, all in the stream before it
// begins, until their events are.
func (m *onboardBench) decide(f benchFile) float64 {
	m.b.Helper()
	m.enqueue(f)
	start := time.Now()
	m.begin(f)()
	return float64(f.rows) / time.Since(start).Seconds()
}

// begin starts the worker on what was enqueued. Who calls await waits for its
// events.
func (m *onboardBench) begin(f benchFile) (await func()) {
	m.b.Helper()
	before := m.lastEvent()
	if err := m.system.startWorker(m.b.Context()); err != nil {
		m.b.Fatal(err)
	}
	return func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for m.lastEvent() < before+uint64(f.rows) {
			<-ticker.C
		}
	}
}

func (m *onboardBench) lastEvent() uint64 {
	m.b.Helper()
	last, err := lastEvent(m.b.Context(), m.system.js)
	if err != nil {
		m.b.Fatal(err)
	}
	return last
}

// onboard runs a file, and returns how many rows a second that were.
func (m *onboardBench) onboard(wantCode int, f benchFile, more ...string) float64 {
	m.b.Helper()
	start := time.Now()
	if code := run(m.b.Context(), append([]string{"onboard", f.path, "--server", m.system.natsURL}, more...), io.Discard, io.Discard); code != wantCode {
		m.b.Fatalf("onboard ended with %d", code)
	}
	return float64(f.rows) / time.Since(start).Seconds()
}
