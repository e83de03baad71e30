package onboard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

const header = "bridge_slug,provider_config_id,phone_number,org_handle,command_id,note\n"

// rows draws rows of which many say the same, or contradict each other.
func rows(t *rapid.T) string {
	var text strings.Builder
	text.WriteString(header)
	for i := range rapid.IntRange(0, 40).Draw(t, "rows") {
		bridge := rapid.SampledFrom([]string{"a", "a", "b", "none", ""}).Draw(t, "bridge")
		phone := rapid.SampledFrom([]string{"+15550001", "+15550002", "+15550003", "+15550004", "555"}).Draw(t, "phone")
		org := rapid.SampledFrom([]string{"", "", "", "globex"}).Draw(t, "org")
		id := rapid.SampledFrom([]string{"", "", "", "own-1", "own-2", "no id"}).Draw(t, "id")
		fmt.Fprintf(&text, "%s,1,%s,%s,%s,note %d\n", bridge, phone, org, id, i)
	}
	return text.String()
}

// TestEveryRowIsReportedOnce, with the outcome that the platform decided, however
// often a run is interrupted or fails, wherever its state file is cut or lost,
// and whatever faults there are meanwhile; and each command is decided once.
func TestEveryRowIsReportedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trial := 0
	rapid.Check(t, func(rt *rapid.T) {
		trial++
		f := newFake()
		f.unread = rapid.Bool().Draw(rt, "unread")
		r := newTestRun(t, fmt.Sprintf("%s/%d", dir, trial), rows(rt))
		if err := os.Mkdir(r.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		r.options.MaxInFlight = rapid.IntRange(1, 50).Draw(rt, "in flight")
		faults := rapid.Uint64().Draw(rt, "faults")
		next := func() uint64 { // whatever goes on at once must not draw from rt
			faults = faults*6364136223846793005 + 1442695040888963407
			return faults >> 33
		}
		f.chance = func(percent int, _ string) bool { return int(next()%100) < percent }
		for range rapid.IntRange(0, 4).Draw(rt, "ends") {
			ctx, interrupt := context.WithCancel(context.Background())
			last := rapid.IntRange(1, 30).Draw(rt, "calls until it ends")
			hard := rapid.Bool().Draw(rt, "hard")
			begin := f.calls
			f.fail = func(call int) error {
				if call-begin < last {
					return nil
				}
				if hard {
					return &Hopeless{errors.New("the end")}
				}
				interrupt()
				return nil
			}
			r.options.DrainTimeout = 50 * time.Millisecond
			if _, _, err := r.do(ctx, f); err != nil && !errors.Is(err, ErrUndecided) && err.Error() != "the end" {
				rt.Fatal(err)
			}
			interrupt()
			f.mu.Lock()
			f.fail = func(int) error { return nil }
			f.mu.Unlock()
			cut(rt, r.options.StateFile)
		}
		reports, counts, err := r.do(context.Background(), f)
		if err != nil {
			rt.Fatal(err)
		}
		r.check(rt, f, reports, &counts)
	})
}

// cut leaves any beginning of the state file, as a killed process, or a lost
// disk, would.
func cut(rt *rapid.T, path string) {
	size := int64(0)
	if info, err := os.Stat(path); err == nil {
		size = info.Size()
	}
	switch rapid.IntRange(0, 3).Draw(rt, "state file") {
	case 0:
	case 1:
		_ = os.Remove(path)
	default:
		if err := os.Truncate(path, rapid.Int64Range(0, size).Draw(rt, "cut")); err != nil {
			rt.Fatal(err)
		}
	}
}

// check compares reports with what was decided.
func (r *testRun) check(rt *rapid.T, f *fakePlatform, reports []reported, counts *Counts) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, n := range f.applied {
		if n != 1 {
			rt.Errorf("command %s was decided %d times", key, n)
		}
	}
	in, survey, err := r.input()
	if err != nil {
		rt.Fatal(err)
	}
	if int64(len(reports)) != survey.Rows || counts.Undecided() != 0 || counts.Decided() != survey.Rows {
		rt.Fatalf("%d rows reported, %+v, of %d", len(reports), counts, survey.Rows)
	}
	again, err := in.rows()
	if err != nil {
		rt.Fatal(err)
	}
	for i, line := range reports {
		record, err := again.next()
		if err != nil {
			rt.Fatal(err)
		}
		want := r.wanted(f, record)
		if line.number != int64(i)+1 || line.cells != strings.Join(record.cells, "|") || line.outcome != want {
			rt.Errorf("row %d: reported %+v, want %s", i+1, line, want)
		}
	}
}

// wanted is what a row's report has to say.
func (r *testRun) wanted(f *fakePlatform, record *Record) string {
	made, failure := r.options.Job.row(record)
	if failure != nil {
		return string(failure.Code)
	}
	d := f.decided[made.organization.Token+" "+made.id]
	switch {
	case d == nil:
		return "never decided"
	case !made.says(&d.Data):
		return string(messages.CommandIDReused)
	case d.Data.Error != nil:
		return string(d.Data.Error.Code)
	}
	return "connected"
}

func file(lines ...string) string { return header + strings.Join(lines, "\n") + "\n" }

// TestTheSameFileAgain costs questions and no commands, and says what was decided
// earlier.
func TestTheSameFileAgain(t *testing.T) {
	t.Parallel()
	f := newFake()
	r := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,", "none,1,+15550002,,,", "a,1,+15550004,globex,,"))
	first, counts, err := r.do(t.Context(), f)
	if err != nil || counts.ConnectedEarlier+counts.FailedEarlier != 0 || counts.Accepted != 3 {
		t.Fatalf("%+v, %v", counts, err)
	}
	if err := os.Remove(r.options.StateFile); err != nil {
		t.Fatal(err)
	}
	published := f.published
	again, counts, err := r.do(t.Context(), f)
	if err != nil || !slices.Equal(outcomesOf(first), outcomesOf(again)) {
		t.Errorf("%v and then %v, %v", first, again, err)
	}
	if f.published != published || counts.ConnectedEarlier != 2 || counts.FailedEarlier != 1 || counts.Accepted != 0 {
		t.Errorf("%d more commands published, %+v", f.published-published, counts)
	}
}

// TestRetryFailed sends what failed earlier as another attempt; a row's outcome is
// that of its last one, also for who does not retry.
func TestRetryFailed(t *testing.T) {
	t.Parallel()
	f := newFake()
	r := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,", "b,1,+15550001,,,", "none,1,+15550002,,own-1,"))
	run := func(retry bool, want ...string) Counts {
		t.Helper()
		r.options.RetryFailed = retry
		_ = os.Remove(r.options.StateFile)
		reports, counts, err := r.do(t.Context(), f)
		if err != nil || !slices.Equal(outcomesOf(reports), want) {
			t.Fatalf("%v, %v; want %v", outcomesOf(reports), err, want)
		}
		return counts
	}
	run(false, "connected", "phone_number_in_use", "bridge_not_found")
	run(true, "connected", "phone_number_in_use", "bridge_not_found")
	delete(f.onBridge, "+15550001") // somebody has mended it
	if counts := run(true, "connected", "connected", "bridge_not_found"); counts.Accepted != 2 || counts.FailedEarlier != 0 {
		t.Errorf("%+v", counts)
	}
	if counts := run(false, "connected", "connected", "bridge_not_found"); counts.Accepted != 0 || counts.ConnectedEarlier != 2 || counts.FailedEarlier != 1 {
		t.Errorf("%+v", counts)
	}
	if f.decided["acme own-1:3"] == nil || f.decided["acme own-1:4"] != nil {
		t.Error("the third attempt of a row with its own id has no id that says so, or there is a fourth")
	}
}

// TestInterrupted publishes nothing more and waits for what is in flight.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.away = true // nothing is decided
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("a,1,+1556%04d,,,", i))
	}
	r := newTestRun(t, t.TempDir(), file(lines...))
	r.options.MaxInFlight, r.options.DrainTimeout = 10, time.Minute
	ctx, interrupt := context.WithCancel(t.Context())
	asked := make(chan struct{}, 1)
	f.fail = func(int) error {
		if f.published == 10 {
			select {
			case asked <- struct{}{}:
			default:
			}
		}
		return nil
	}
	f.away = false
	rested := true
	f.chance = func(_ int, what string) bool { return rested && what == "worker rests" }
	go func() {
		<-asked
		interrupt()
		f.mu.Lock()
		defer f.mu.Unlock()
		rested = false
	}()
	_, counts, err := r.do(ctx, f)
	if !errors.Is(err, ErrUndecided) || counts.Decided() != 10 || f.published != 10 {
		t.Errorf("%v, %+v, %d published", err, counts, f.published)
	}
	published := f.published
	if _, counts, err = r.do(t.Context(), f); err != nil || counts.Connected != 40 || f.published-published != 30 {
		t.Errorf("and then %v, %+v, %d published", err, counts, f.published-published)
	}
}

// TestInterruptedWhileItAsks: what was asked about is not published.
func TestInterruptedWhileItAsks(t *testing.T) {
	t.Parallel()
	f := newFake()
	ctx, interrupt := context.WithCancel(t.Context())
	f.fail = func(int) error {
		interrupt()
		return nil
	}
	r := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,", "a,1,+15550002,,,"))
	r.options.MaxInFlight = 1
	if _, counts, err := r.do(ctx, f); !errors.Is(err, ErrUndecided) || f.published != 0 || counts.Undecided() != 2 {
		t.Errorf("%v, %+v, %d published", err, counts, f.published)
	}
}

// TestTimeout ends a run that waits for nothing, with what it waits for.
func TestTimeout(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.full = true
	r := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,", "a,1,bad,,,"))
	r.options.Timeout = 50 * time.Millisecond
	if _, counts, err := r.do(t.Context(), f); !errors.Is(err, ErrUndecided) || counts.Undecided() != 1 || counts.Unsent != 1 {
		t.Errorf("%v, %+v", err, counts)
	}
	f.full = false
	if _, counts, err := r.do(t.Context(), f); err != nil || counts.Connected != 1 {
		t.Errorf("%v, %+v", err, counts)
	}
}

// TestStreamThatLosesCommands has them published again.
func TestStreamThatLosesCommands(t *testing.T) {
	t.Parallel()
	f := newFake()
	lost := false
	r := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,", "a,1,+15550002,,,"))
	f.chance = func(_ int, what string) bool {
		if what == "worker rests" && !lost && len(f.stream) == 2 {
			// the lane has passed them, and nobody has decided them
			lost, f.cursor = true, 2
			return true
		}
		return false
	}
	if _, counts, err := r.do(t.Context(), f); err != nil || counts.Connected != 2 || f.published != 4 {
		t.Errorf("%v, %+v, %d published", err, counts, f.published)
	}
}

// TestTwoRunsAtOnce: the second one is refused.
func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	r := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,"))
	first := r.open(t)
	in, survey, err := r.input()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewRun(in, survey, newFake(), r.options); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("%v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDryRunPredicts what a run then comes to, whatever rows contradict each other.
func TestDryRunPredicts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trial := 0
	rapid.Check(t, func(rt *rapid.T) {
		trial++
		f := newFake()
		r := newTestRun(t, fmt.Sprintf("%s/%d", dir, trial), rows(rt))
		if err := os.Mkdir(r.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(rt, "something was decided before") {
			before := newTestRun(t, r.dir, rows(rt))
			if _, _, err := before.do(context.Background(), f); err != nil {
				rt.Fatal(err)
			}
			if err := os.Remove(before.options.StateFile); err != nil {
				rt.Fatal(err)
			}
		}
		in, survey, err := r.input()
		if err != nil {
			rt.Fatal(err)
		}
		maxBytes := rapid.Int64Range(100, 5000).Draw(rt, "bytes of a question")
		published := f.published
		dry := NewDryRun(in, survey, f, maxBytes, r.options)
		var predicted strings.Builder
		if err := dry.Do(context.Background(), &predicted, JSONL, true, func(Counts) {}); err != nil {
			rt.Fatal(err)
		}
		if f.published != published {
			rt.Fatal("a dry run publishes")
		}
		reports, _, err := r.do(context.Background(), f)
		if err != nil {
			rt.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(predicted.String(), "\n"), "\n")
		if survey.Rows == 0 {
			lines = nil
		}
		if len(lines) != len(reports) {
			rt.Fatalf("%d predictions of %d rows", len(lines), len(reports))
		}
		for i, line := range reports {
			want := `"onboard_outcome":"connected"`
			if line.outcome != "connected" {
				want = `"failure_code":"` + line.outcome + `"`
			}
			if !strings.Contains(lines[i], want) {
				rt.Errorf("row %d: predicted %s, came out %s\n%s", i+1, lines[i], line.outcome, r.text)
			}
		}
	})
}

// TestFileThatChanges while it is run ends the run: what is read is not what the
// survey has seen.
func TestFileThatChanges(t *testing.T) {
	t.Parallel()
	for name, changed := range map[string]string{
		"another row": file("a,1,+15550001,,,", "a,1,+15550003,,,"), "a row more": file("a,1,+15550001,,,", "a,1,+15550002,,,", "a,1,+15550003,,,"),
		"a row less": file("a,1,+15550001,,,"),
	} {
		r := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,", "a,1,+15550002,,,"))
		run := r.open(t)
		run.input.file = strings.NewReader(changed)
		if err := run.Do(t.Context()); !errors.Is(err, errChanged) {
			t.Errorf("%s: %v", name, err)
		}
		if err := run.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPausedLane: where commands wait and nobody decides them, it is said where the
// lane stands.
func TestPausedLane(t *testing.T) {
	t.Parallel()
	f := newFake()
	resting := true
	f.chance = func(_ int, what string) bool { return resting && what == "worker rests" }
	r := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,", "a,1,+15550002,,,"))
	in, survey, err := r.input()
	if err != nil {
		t.Fatal(err)
	}
	run, err := NewRun(in, survey, f, r.options)
	if err != nil {
		t.Fatal(err)
	}
	run.pause, run.patience, run.quiet = time.Millisecond, time.Millisecond, 10*time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- run.Do(t.Context()) }()
	systemtest.Eventually(t, "what is waited for", func() error {
		if waiting := run.Progress().Waiting; !strings.Contains(waiting, "lane b1 stands at 0, the next row's command is 1") {
			return errors.New(waiting)
		}
		return nil
	})
	f.mu.Lock()
	resting = false
	f.mu.Unlock()
	if err := <-ended; err != nil || run.Progress().Waiting != "" {
		t.Errorf("%v, waiting: %q", err, run.Progress().Waiting)
	}
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOverdueByLane: however many organizations wait for outcomes, one question
// tells where their lane stands, and not again at once.
func TestOverdueByLane(t *testing.T) {
	t.Parallel()
	run := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,")).open(t)
	defer run.Close() //nolint:errcheck // it has written nothing
	for handle, number := range map[string]int{"acme": 1, "globex": 1, "initech": 2, "umbrella": 3} {
		o := messages.OrganizationFromKey(handle)
		answer := messages.OutcomesAnswer{Lanes: []messages.LaneCursor{{Lane: messages.Lane{Class: messages.Bulk, Number: number}, Generation: 1}}}
		if err := run.heard(o, &answer); err != nil {
			t.Fatal(err)
		}
		f := &flight{row: row{organization: o}, sequence: 1, since: time.Now().Add(-time.Hour), landed: handle == "umbrella"}
		run.accountOf(f).accepted = []*flight{f}
	}
	got := map[int]int{}
	for l, organizations := range run.overdue() {
		got[l.Lane.Number] = len(organizations)
	}
	if want := map[int]int{1: 2, 2: 1}; !maps.Equal(got, want) {
		t.Errorf("organizations by lane: %v, want %v", got, want)
	}
	if again := run.overdue(); len(again) != 0 {
		t.Errorf("asked again at once: %v", again)
	}
}

// TestNothingIsPublishedWithoutAStateFile: what can't be noted ends the run, before
// anything of the organization is sent.
func TestNothingIsPublishedWithoutAStateFile(t *testing.T) {
	t.Parallel()
	run := newTestRun(t, t.TempDir(), file("a,1,+15550001,,,")).open(t)
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	working, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	batch := []*flight{{row: row{organization: messages.OrganizationFromKey("acme"), id: "one"}}}
	if publish := run.resolve(working, stop, batch); len(publish) > 0 || !errors.Is(context.Cause(working), os.ErrClosed) {
		t.Errorf("%d rows to publish, ended by %v", len(publish), context.Cause(working))
	}
}
