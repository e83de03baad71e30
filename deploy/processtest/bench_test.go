package processtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// benchReport is what a test reads of connectctl bench --json.
type benchReport struct {
	Comparable bool
	Durability struct {
		Fsync         string
		JetStreamSync string `json:"jetstream_sync"`
	}
	Runs []struct {
		Rate              int `json:"rate_per_second"`
		Commands, Failed  int
		Seconds           float64
		CommandsPerSecond float64 `json:"commands_per_second"`
		Latency           struct {
			Count int
			P50ms float64 `json:"p50_ms"`
			Maxms float64 `json:"max_ms"`
		}
		Processes []struct {
			Process    string
			CPUSeconds *float64 `json:"cpu_seconds"`
			PeakMemory *int64   `json:"peak_memory_bytes"`
		}
		Batches struct {
			Count int
			Mean  float64 `json:"mean_commands"`
		}
		Stages []struct {
			Stage   string
			Batches int
		}
		WAL *float64 `json:"wal_bytes_per_command"`
	}
	Stays []string
}

// TestBenchMeasuresAnEmbeddedSystem: what it reports agrees with what it was asked
// for, and it leaves nothing.
func TestBenchMeasuresAnEmbeddedSystem(t *testing.T) {
	t.Parallel()
	temporary := t.TempDir()
	if err := os.Chmod(filepath.Dir(temporary), 0o755); err != nil { // Postgres' account passes through
		t.Fatal(err)
	}
	plot := filepath.Join(t.TempDir(), "plot.html")
	report := bench(t, 0, func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(filepath.Dir(program(t)), "connectctl"), args...)
		cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
		return cmd
	}, "throughput", "--commands", "500", "--organizations", "7", "--workers", "2", "--rounds", "2", "--plot", plot)
	if !report.Comparable || report.Durability.Fsync != "on" || report.Durability.JetStreamSync != "always" {
		t.Errorf("durability: %+v, comparable %v", report.Durability, report.Comparable)
	}
	if len(report.Runs) != 2 {
		t.Fatalf("%d rounds", len(report.Runs))
	}
	for _, run := range report.Runs {
		if run.Commands != 500 || run.Failed != 10 || run.Latency.Count != 500 || run.Seconds <= 0 || run.CommandsPerSecond <= 0 || run.Latency.Maxms < run.Latency.P50ms {
			t.Errorf("a round of 500 commands: %+v", run)
		}
		if decided := float64(run.Batches.Count) * run.Batches.Mean; decided < 499.5 || decided > 500.5 {
			t.Errorf("batches hold %v commands, want 500", decided)
		}
		var stages []string
		for _, stage := range run.Stages {
			stages = append(stages, stage.Stage)
		}
		if got := strings.Join(stages, " "); got != "fetch decode lock load decide write commit publish" {
			t.Errorf("stages: %s", got)
		}
		if run.WAL == nil || *run.WAL < 100 {
			t.Errorf("WAL: %v", run.WAL)
		}
		var names []string
		for _, process := range run.Processes {
			names = append(names, process.Process)
			if runtime.GOOS == "linux" && (process.CPUSeconds == nil || process.PeakMemory == nil || *process.PeakMemory < 1<<20) {
				t.Errorf("%s: its usage is not known", process.Process)
			}
		}
		if len(names) != 5 {
			t.Errorf("processes: %s", names)
		}
	}
	page, err := os.ReadFile(plot)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`aria-label="Throughput over time`, "<polyline", `aria-label="Latency`, "<rect", "commands per second"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page has no %s", want)
		}
	}
	if bytes.Contains(page, []byte("http")) {
		t.Error("the page names something elsewhere")
	}
	left, err := filepath.Glob(filepath.Join(temporary, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %s, %v", left, err)
	}
}

// TestBenchLeavesASystemAsItWas: it measures one that runs, and removes what it
// has made there, also when it is interrupted or was killed.
func TestBenchLeavesASystemAsItWas(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.exec(`insert into telephony.organizations values ('somebody')`)
	s.exec(`insert into connect_provider.pauses (class, org_token, reason) values ('b', 'somebody', 'stays')`)
	w := s.work()
	w.awaitReady()
	address, err := w.address()
	if err != nil {
		t.Fatal(err)
	}
	connectctl := func(args ...string) *exec.Cmd {
		return s.commandOf(filepath.Join(filepath.Dir(s.binary), "connectctl"), args...)
	}
	untouched := s.rows()
	wantCode := 0
	if s.setting("fsync") != "on" {
		wantCode = 3
	}

	if out, err := connectctl("bench", "throughput").CombinedOutput(); err == nil || !strings.Contains(string(out), "give --yes if that is meant") {
		t.Errorf("without --yes: %v\n%s", err, out)
	}
	const organizations = 7
	elsewhere := []string{"--organizations", fmt.Sprint(organizations), "--yes", "--metrics-url", "http://" + address + "/metrics"}
	report := bench(t, wantCode, connectctl, append([]string{"throughput", "--commands", "500"}, elsewhere...)...)
	if run := report.Runs[0]; run.Commands != 500 || run.Failed != 10 || run.Batches.Count == 0 || (run.CommandsPerSecond > 0) != (wantCode == 0) {
		t.Errorf("throughput: %+v", run)
	}
	if len(report.Stays) != 2 {
		t.Errorf("what stays: %q", report.Stays)
	}
	s.demandRows("after the throughput", untouched)
	if n := s.size(messages.EventsStream); n != organizations {
		t.Errorf("%d events are left, want the last one of each organization", n)
	}

	report = bench(t, wantCode, connectctl, append([]string{"latency", "--commands", "50", "--rate", "100,200", "--duration", "500ms"}, elsewhere...)...)
	for i, want := range []struct{ rate, commands int }{{0, 50}, {100, 50}, {200, 100}} {
		if run := report.Runs[i]; run.Rate != want.rate || run.Commands != want.commands || run.Latency.Count != want.commands || run.Latency.P50ms <= 0 {
			t.Errorf("latency: %+v, want %+v", run, want)
		}
	}
	s.demandRows("after the latency", untouched)

	s.interrupt(connectctl(append([]string{"bench", "latency", "--commands", "20000"}, elsewhere...)...), syscall.SIGINT)
	s.demandRows("after an interrupt", untouched)

	said := s.interrupt(connectctl(append([]string{"bench", "latency", "--commands", "20000"}, elsewhere...)...), syscall.SIGKILL)
	_, name, _ := strings.Cut(said, "bench remove ")
	name, _, _ = strings.Cut(name, "`")
	s.awaitDecided()
	if out, err := connectctl("bench", "remove", name).CombinedOutput(); err != nil || !strings.Contains(string(out), "removed 7 organizations") {
		t.Errorf("remove: %v\n%s", err, out)
	}
	s.demandRows("after what was killed was removed", untouched)
	w.stop()
}

// bench runs connectctl bench and reads its report.
func bench(t *testing.T, wantCode int, connectctl func(args ...string) *exec.Cmd, args ...string) (report benchReport) {
	t.Helper()
	cmd := connectctl(append(append([]string{"bench"}, args...), "--json")...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != wantCode {
		t.Fatalf("%q ended with %d, want %d\n%s%s", args, code, wantCode, said.String(), out)
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return report
}

// interrupt starts a benchmark, sends it a signal when some of its commands are
// decided, and returns what it has said.
func (s *service) interrupt(cmd *exec.Cmd, signal syscall.Signal) string {
	s.t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	systemtest.Eventually(s.t, "decided commands", func() error {
		if s.count(`select count(*) from connect_provider.inbox`) < 20 {
			return errors.New("too few")
		}
		return nil
	})
	if err := cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		s.t.Errorf("it ended well\n%s", said.String())
	}
	if signal == syscall.SIGINT && !strings.Contains(said.String(), "interrupted before the end") {
		s.t.Errorf("it says nothing of the interrupt:\n%s", said.String())
	}
	return said.String()
}

// awaitDecided waits until all lanes have applied what the command streams hold.
func (s *service) awaitDecided() {
	s.t.Helper()
	systemtest.Eventually(s.t, "nothing undecided", func() error {
		waiting, err := s.measured("lane_lag_messages")
		if err == nil && waiting > 0 {
			err = fmt.Errorf("%v wait", waiting)
		}
		if unpublished := s.count(`select count(*) from connect_provider.outbox`); unpublished > 0 {
			err = errors.Join(err, fmt.Errorf("%d rows in the outbox", unpublished))
		}
		return err
	})
}

// rows says how many rows each table has in which a benchmark may leave none.
func (s *service) rows() (counts string) {
	s.t.Helper()
	s.onDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select string_agg(t.name || ' ' || (xpath('/row/n/text()', query_to_xml('select count(*) as n from ' || t.name, false, true, '')))[1], ', ' order by t.name)
			from (select format('%I.%I', schemaname, tablename) as name from pg_tables
			      where schemaname in ('telephony', 'connect_provider') and tablename not in ('lanes', 'workers', 'purge_marks')) as t`).Scan(&counts)
	})
	return counts
}

func (s *service) demandRows(when, want string) {
	s.t.Helper()
	if have := s.rows(); have != want {
		s.t.Errorf("%s there are %s, want %s", when, have, want)
	}
}

func (s *service) setting(name string) (value string) {
	s.t.Helper()
	s.onDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select current_setting($1)", name).Scan(&value)
	})
	return value
}
