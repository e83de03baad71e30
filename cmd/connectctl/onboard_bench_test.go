package main

import (
	"context"
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
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// BenchmarkOnboard measures, in turns, how many commands a second the worker
// decides that are in the stream already (of one organization, so in one lane, and
// of 64), how many rows a second a file of as many
// rows takes from reading to outcome, how many when it is run again, and how many
// a dry run; and how long one interactive command of the same organization, and of
// another one, takes while a file is run. 2% of the rows fail. Everything but
// Postgres is in this process, every write synced.
//
//	go test ./cmd/connectctl -run '^$' -bench Onboard -benchtime 3x
func BenchmarkOnboard(b *testing.B) {
	for _, organizations := range []int{1, 64} {
		b.Run(fmt.Sprintf("organizations=%d", organizations), func(b *testing.B) { benchmarkOnboard(b, organizations) })
	}
}

func benchmarkOnboard(b *testing.B, organizations int) {
	const rows = 50_000
	s, err := startSystem(b.Context(), local.Options{Dir: b.TempDir(), DatabaseURL: systemtest.Database(b), Logger: zap.NewNop()}, devStreams)
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
	m.exec(`insert into telephony.phone_numbers values ('+997', 'other', 1)`)

	var decided, onboarded, again, previewed []float64
	for b.Loop() {
		decided = append(decided, m.decide(m.file(rows)))
		file := m.file(rows)
		previewed = append(previewed, m.onboard(exitFailed, file.path, "--dry-run", "--json"))
		onboarded = append(onboarded, m.onboard(exitFailed, file.path))
		again = append(again, m.onboard(exitFailed, file.path))
	}
	latencies := m.meanwhile(m.file(2 * rows))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(decided), "decided/s")
	b.ReportMetric(median(onboarded), "onboarded/s")
	b.ReportMetric(100*median(onboarded)/median(decided), "%-of-decided")
	b.ReportMetric(median(again), "again/s")
	b.ReportMetric(median(previewed), "previewed/s")
	for organization, took := range latencies {
		b.ReportMetric(1000*median(took), "ms-"+organization+"-p50")
		b.ReportMetric(1000*slices.Max(took), "ms-"+organization+"-max")
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
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

// decide has the worker decide a file's commands, all in the stream before it
// begins, until their events are.
func (m *onboardBench) decide(f benchFile) float64 {
	m.b.Helper()
	ctx := m.b.Context()
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
			organization, err := messages.OrganizationFromHandle(m.handle(f.first + n))
			if err != nil {
				m.b.Fatal(err)
			}
			batch = append(batch, &nats.Msg{Subject: messages.CommandSubject(messages.Bulk, organization, messages.VerbConnectProvider), Data: body})
		}
		if _, err := messages.PublishBatch(ctx, m.system.nc, messages.Bulk.Stream(), batch); err != nil {
			m.b.Fatal(err)
		}
	}
	before, err := lastEvent(ctx, m.system.js)
	if err != nil {
		m.b.Fatal(err)
	}
	start := time.Now()
	if err := m.system.startWorker(ctx); err != nil {
		m.b.Fatal(err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range ticker.C {
		last, err := lastEvent(ctx, m.system.js)
		if err != nil {
			m.b.Fatal(err)
		}
		if last-before >= uint64(f.rows) {
			break
		}
	}
	return float64(f.rows) / time.Since(start).Seconds()
}

func (m *onboardBench) onboard(wantCode int, path string, more ...string) float64 {
	m.b.Helper()
	rows := 0
	start := time.Now()
	if code := run(m.b.Context(), append([]string{"onboard", path, "--server", m.system.natsURL}, more...), io.Discard, io.Discard); code != wantCode {
		m.b.Fatalf("onboard ended with %d", code)
	}
	took := time.Since(start)
	text, err := os.ReadFile(path)
	if err != nil {
		m.b.Fatal(err)
	}
	rows = strings.Count(string(text), "\n") - 1
	return float64(rows) / took.Seconds()
}

// meanwhile publishes interactive commands, one after another, while a file is
// run, and returns how many seconds each took until its outcome.
func (m *onboardBench) meanwhile(f benchFile) map[string][]float64 {
	m.b.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(m.b.Context(), []string{"onboard", f.path, "--server", m.system.natsURL}, io.Discard, io.Discard)
	}()
	took := map[string][]float64{}
	commands := map[string]messages.Command{
		"own":   {BridgeSlug: "none", ProviderConfigID: 1, PhoneNumber: "+998000000000"},
		"other": {BridgeSlug: "bridge", ProviderConfigID: 1, PhoneNumber: "+997"},
	}
	handles := map[string]string{"own": "big-0", "other": "other"}
	feed, err := follow(m.b.Context(), m.system.js)
	if err != nil {
		m.b.Fatal(err)
	}
	defer feed.close()
	for n := 0; ; n++ {
		for whose, command := range commands {
			select {
			case <-ended:
				return took
			default:
			}
			command.ID = fmt.Sprintf("meanwhile-%d", n)
			organization, err := messages.OrganizationFromHandle(handles[whose])
			if err != nil {
				m.b.Fatal(err)
			}
			took[whose] = append(took[whose], m.one(feed, organization, command))
		}
	}
}

func (m *onboardBench) one(feed *feed, o messages.Organization, command messages.Command) float64 {
	m.b.Helper()
	body, err := messages.EncodeCommand(command)
	if err != nil {
		m.b.Fatal(err)
	}
	start := time.Now()
	ack, err := m.system.js.Publish(m.b.Context(), messages.CommandSubject(messages.Interactive, o, messages.VerbConnectProvider), body)
	if err != nil {
		m.b.Fatal(err)
	}
	came, err := feed.awaitOne(context.WithoutCancel(m.b.Context()), place{messages.Interactive, ack.Sequence})
	if err != nil {
		m.b.Fatal(err)
	}
	return came.Sub(start).Seconds()
}
