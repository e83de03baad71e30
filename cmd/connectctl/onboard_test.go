package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"connect-provider/cmd/internal/onboard"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// onboard runs a file against the system, as who calls connectctl would.
func (o *operated) onboard(wantCode int, args ...string) (stdout, stderr string) {
	o.t.Helper()
	return runs(o.t, wantCode, append([]string{"onboard"}, append(args, "--server", o.natsURL)...)...)
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func summaryOf(t *testing.T, stdout string) (s onboard.Summary) {
	t.Helper()
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	return s
}

// TestOnboardTheExample: what the README shows. The file is predicted and run, its
// failed row corrected and fed in again; the job is told of.
func TestOnboardTheExample(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	example := read(t, "../../deploy/examples/onboard/numbers.csv")
	file := write(t, "numbers.csv", example)
	predicted, _ := o.onboard(exitFailed, file, "--org", "acme", "--dry-run")
	if n := o.count(`select count(*) from connect_provider.inbox`); n != 0 {
		t.Errorf("a dry run has decided %d commands", n)
	}
	out, _ := o.onboard(exitFailed, file, "--org", "acme", "--json", "--job", "move")
	s := summaryOf(t, out)
	if s.Rows != 4 || s.Connected.Total != 3 || s.Failed.Total != 1 || s.Failed.Codes[messages.BridgeNotFound] != 1 || s.Accepted != 4 || s.Undecided != 0 {
		t.Errorf("%+v", s)
	}
	failed := read(t, file+".failed.csv")
	if failed != predicted {
		t.Errorf("predicted\n%s\nand came out\n%s", predicted, failed)
	}
	corrected := write(t, "corrected.csv", strings.Replace(failed, "sales-brige", "sales-bridge", 1))
	o.onboard(0, corrected, "--org", "acme", "--job", "move")
	if n := o.count(`select count(*) from connect_provider.connections`); n != 4 {
		t.Errorf("%d connections", n)
	}
	if _, err := os.Stat(file + ".onboard"); err == nil {
		t.Error("the state file of a complete run is still there")
	}
	out, stderr := o.onboard(exitFailed, file, "--org", "acme", "--json", "--job", "move")
	if s := summaryOf(t, out); s.Accepted != 0 || s.Connected.Earlier != 3 || s.Failed.Earlier != 1 || s.EarlierFrom.IsZero() {
		t.Errorf("the same file again: %+v", s)
	}
	contains(t, stderr, "4 rows were decided by an earlier run, between 20")
	out, _ = o.onboard(0, "list", "--org", "acme")
	contains(t, out, "JOB", "move", " 4 ", " 1")
	out, _ = o.onboard(0, "show", "move", "--org", "acme")
	contains(t, out, "connected  4", "failed     1", "1 bridge_not_found")
	out, _ = o.onboard(0, "show", "move", "--org", "acme", "--json")
	contains(t, out, `"bridge_not_found": 1`)
	_, stderr = o.onboard(1, "show", "move", "never", "--org", "acme")
	contains(t, stderr, "names the job never")
	out, _ = o.onboard(0, "list", "--org", "globex")
	contains(t, out, "No command of globex names a job.")
}

// TestOnboardRetriesWhatWasMended on the platform's side.
func TestOnboardRetriesWhatWasMended(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	file := write(t, "numbers.csv", "bridge_slug,provider_config_id,phone_number\nsales-bridge-001,42,+1234567893\n")
	o.onboard(exitFailed, file, "--org", "acme")
	o.exec(`update telephony.phone_numbers set active = true where phone_number = '+1234567893'`)
	o.onboard(exitFailed, file, "--org", "acme")
	o.onboard(0, file, "--org", "acme", "--retry-failed", "--dry-run")
	out, _ := o.onboard(0, file, "--org", "acme", "--retry-failed", "--json")
	if s := summaryOf(t, out); s.Accepted != 1 || s.Connected.Total != 1 || s.Connected.Earlier != 0 {
		t.Errorf("%+v", s)
	}
	out, _ = o.onboard(0, file, "--org", "acme", "--json")
	if s := summaryOf(t, out); s.Accepted != 0 || s.Connected.Earlier != 1 {
		t.Errorf("%+v", s)
	}
}

// TestOnboardSaysWhatIsWrong before it connects, with the exit code for that.
func TestOnboardSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := write(t, "good.csv", "bridge_slug,provider_config_id,phone_number\na,1,+1555\n")
	jsonl := write(t, "good.jsonl", "{}\n")
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"no such file", []string{filepath.Join(t.TempDir(), "none.csv")}},
		{"is empty", []string{write(t, "empty.csv", "")}},
		{"no column is named", []string{write(t, "wrong.csv", "a,b\n")}},
		{"line 2", []string{write(t, "quote.csv", "bridge_slug,provider_config_id,phone_number\na,\"1,+1555\n")}},
		{"--report", []string{good, "--report", "some"}},
		{"--format", []string{good, "--format", "xlsx"}},
		{"no common columns", []string{jsonl, "--format", "csv"}},
		{"--map", []string{good, "--map", "number=x"}},
		{"no column is named Telefon", []string{good, "--map", "phone_number=Telefon"}},
		{"--rate", []string{good, "--rate", "-1"}},
		{"--max-in-flight", []string{good, "--max-in-flight", "0"}},
		{"--timeout", []string{good, "--timeout", "-1s"}},
		{"--job", []string{good, "--job", "a\nb"}},
	} {
		_, stderr := runs(t, 2, append([]string{"onboard"}, tt.args...)...)
		contains(t, stderr, tt.says)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var stdout, stderr output
	if code := run(ctx, []string{"onboard", good, "--server", "nats://127.0.0.1:1"}, &stdout, &stderr); code != 1 {
		t.Errorf("without a server it ends with %d", code)
	}
	contains(t, stderr.String(), "waiting for NATS at nats://127.0.0.1:1", "is it running?")
}

// TestOnboardAsTheUsersThatAreShipped: an operator, and an organization's producer,
// which reads no events; and a producer can't run rows of another organization.
func TestOnboardAsTheUsersThatAreShipped(t *testing.T) {
	t.Parallel()
	server := systemtest.Guarded(t, "tls.conf", "acme", "globex")
	workAs(t, server, systemtest.MigratedDatabase(t))
	as := func(user string, args ...string) []string {
		return append(append([]string{"onboard"}, args...), "--server", server.URL, "--nats-tls-ca", filepath.Join(server.Credentials, "ca.crt"), "--nats-nkey", server.User(user), "--nats-js-domain", "telephony")
	}
	example := read(t, "../../deploy/examples/onboard/numbers.csv")
	file := write(t, "numbers.csv", example)
	runs(t, exitFailed, as("producer@acme", file, "--org", "acme", "--dry-run")...)
	out, _ := runs(t, exitFailed, as("producer@acme", file, "--org", "acme", "--json")...)
	if s := summaryOf(t, out); s.Connected.Total != 3 || s.Accepted != 4 || s.Connected.Unchanged != 0 {
		t.Errorf("%+v", s)
	}
	out, _ = runs(t, exitFailed, as("operator", file, "--org", "acme", "--json")...)
	if s := summaryOf(t, out); s.Connected.Earlier != 3 || s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
	out, _ = runs(t, exitFailed, as("operator", file, "--org", "acme", "--json", "--job", "again")...)
	if s := summaryOf(t, out); s.Connected.Unchanged != 3 || s.Accepted != 4 {
		t.Errorf("%+v", s)
	}
	runs(t, exitFailed, as("operator", file, "--org", "acme", "--dry-run", "--job", "once more")...)
	out, _ = runs(t, 0, as("producer@acme", "show", "again", "--org", "acme")...)
	contains(t, out, "3 of them as they were already")
	_, stderr := runs(t, exitUndecided, as("producer@globex", file, "--org", "acme", "--timeout", "2s")...)
	contains(t, stderr, "telephony.outcomes.acme", "this user may not ask there", "4 rows are undecided")
}

// TestOnboardHasTheServerFilterBySubject: events of one organization by its subject,
// those of several without a filter, which the server reads faster.
func TestOnboardHasTheServerFilterBySubject(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	for want, handles := range map[string][]string{"telephony.events.*.acme.>": {"acme"}, "": nil} {
		var of []messages.Organization
		for _, handle := range handles {
			of = append(of, messages.OrganizationFromKey(handle))
		}
		before := b.consumers()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- newPlatform(b.js, zap.NewNop()).Events(ctx, of, func() {}, func(*messages.Event) {}) }()
		consumer, err := b.js.Consumer(t.Context(), messages.EventsStream, b.otherConsumer(before))
		if err != nil {
			t.Fatal(err)
		}
		if got := consumer.CachedInfo().Config.FilterSubject; got != want {
			t.Errorf("%q: filter %q, want %q", handles, got, want)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestOnboardWaits for workers, a full stream and NATS, says so, and goes on.
func TestOnboardWaits(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	var text strings.Builder
	text.WriteString("bridge_slug,provider_config_id,phone_number\n")
	for i := range 3000 {
		fmt.Fprintf(&text, "none-%d,42,+1234567890\n", i)
	}
	file := write(t, "numbers.csv", text.String())
	if err := o.stopWorker(); err != nil {
		t.Fatal(err)
	}
	stream, err := o.js.Stream(t.Context(), messages.Bulk.Stream())
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	whole := config.MaxBytes
	config.MaxBytes = 200_000 // of about 600,000
	if _, err := o.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr output
	ended := make(chan int, 1)
	go func() {
		ended <- run(t.Context(), []string{"onboard", file, "--org", "acme", "--json", "--server", o.natsURL}, &stdout, &stderr)
	}()
	says := func(text string) {
		t.Helper()
		systemtest.Eventually(t, "onboard saying "+text, func() error {
			if !strings.Contains(stderr.String(), text) {
				return fmt.Errorf("it says\n%s", stderr.String())
			}
			return nil
		})
	}
	says("waiting: no worker answers on telephony.outcomes.acme")
	if err := o.startWorker(t.Context()); err != nil {
		t.Fatal(err)
	}
	says("TELEPHONY_BULK takes nothing more, perhaps it is full")
	config.MaxBytes = whole
	if _, err := o.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != exitFailed {
		t.Fatalf("ended with %d\n%s", code, stderr.String())
	}
	if s := summaryOf(t, stdout.String()); s.Failed.Total != 3000 || s.Accepted != 3000 {
		t.Errorf("%+v", s)
	}
}

// TestOnboardInterrupted ends with what is known, and says how to go on.
func TestOnboardInterrupted(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	file := write(t, "numbers.csv", read(t, "../../deploy/examples/onboard/numbers.csv"))
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var stdout, stderr output
	if code := run(ctx, []string{"onboard", file, "--org", "acme", "--json", "--server", o.natsURL}, &stdout, &stderr); code != exitUndecided {
		t.Fatalf("ended with %d\n%s", code, stderr.String())
	}
	if s := summaryOf(t, stdout.String()); !s.Interrupted || s.Undecided+s.Connected.Total+s.Failed.Total != 4 {
		t.Errorf("%+v", s)
	}
	contains(t, stderr.String(), "run the same command line again")
	o.onboard(exitFailed, file, "--org", "acme")
}

func TestGoldenOnboardProgress(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	p := onboard.Progress{Since: begin, Counts: onboard.Counts{
		Rows: 1_000_000, Read: 250_000, Accepted: 240_000, Connected: 200_000, ConnectedEarlier: 1000, Failed: 20_000, InFlight: 20_000,
		EarlierFrom: begin.Add(-24 * time.Hour), EarlierUntil: begin.Add(-23 * time.Hour),
		Codes: map[messages.Code]int64{messages.BridgeNotFound: 19_000, messages.PhoneNumberInUse: 1000},
	}}
	lines := []string{firstLine("friday", &p), progressLine(&p, begin.Add(10*time.Second))}
	p.Waiting = "NATS is away"
	lines = append(lines, progressLine(&p, begin.Add(20*time.Second)))
	p.Waiting, p.Stopping, p.Resumed = "", true, 200_000
	lines = append(lines, firstLine("friday", &p), progressLine(&p, begin.Add(30*time.Second)))
	o := onboarding{}
	summary := p.Summarize("friday", "numbers.csv")
	summary.Seconds, summary.Reports = 30, map[string]string{"failed": "numbers.csv.failed.csv", "all": "numbers.csv.outcomes.csv"}
	lines = append(lines, o.lastLines(&p.Counts, summary)...)
	golden(t, "onboard/progress.txt", strings.Join(lines, "\n")+"\n")
	document, err := json.MarshalIndent(summary, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "onboard/summary.json", string(document)+"\n")
}

// TestOnboardShowsBars on a terminal.
func TestOnboardShowsBars(t *testing.T) {
	t.Parallel()
	var out output
	p := onboard.Progress{Since: time.Now(), Counts: onboard.Counts{Rows: 10, Connected: 4, Codes: map[messages.Code]int64{}}, Waiting: "NATS is away"}
	end := make(chan struct{})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		showBars(&out, "friday", func() onboard.Progress { return p }, end)
	}()
	plain := regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)
	systemtest.Eventually(t, "bars", func() error {
		text := plain.ReplaceAllString(out.String(), "")
		for _, want := range []string{"friday 4 of 10", "connected 4, failed 0", "waiting: NATS is away"} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("%q does not say %q", text, want)
			}
		}
		return nil
	})
	close(end)
	<-shown
}
