package onboard

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"connect-provider/messages"
)

// leanPlatform connects whatever is published and remembers nothing, but for how
// much memory was in use.
type leanPlatform struct {
	mu        sync.Mutex
	published uint64
	take      func(*messages.Event)
	inUse     []uint64
}

func (p *leanPlatform) Publish(_ context.Context, batch []Message) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, m := range batch {
		received := messages.Decode(messages.Message{Subject: "telephony.bulk.1.acme.connect-provider", Body: m.Body, Sequence: p.published + uint64(i) + 1})
		outcome := messages.Outcome{Provider: "twilio", Changed: true, ConnectionVersion: 1}
		if i%10 == 0 {
			outcome = messages.Outcome{Failure: &messages.Failure{Code: messages.BridgeNotFound, Message: "The organization has no bridge with this slug."}}
		}
		event := messages.NewEvent(&received, 1, outcome, received.Command.ID, received.Time)
		p.take(&event)
	}
	p.published += uint64(len(batch))
	if p.published%5000 == 0 {
		p.measure()
	}
	return p.published, nil
}

func (p *leanPlatform) measure() {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	p.inUse = append(p.inUse, stats.HeapAlloc)
}

func (p *leanPlatform) Ask(_ context.Context, o messages.Organization, ids []string) (messages.OutcomesAnswer, error) {
	return messages.OutcomesAnswer{OrgHandle: o.Handle, Lanes: []messages.LaneCursor{{Lane: messages.Lane{Class: messages.Bulk, Number: 1}, Generation: 1}}, Unknown: ids}, nil
}

func (p *leanPlatform) Preview(_ context.Context, _ messages.Organization, q messages.PreviewRequest) (messages.PreviewAnswer, error) {
	p.measure()
	answer := messages.PreviewAnswer{Previews: make([]messages.Preview, len(q.Commands))}
	for i := range answer.Previews {
		answer.Previews[i] = messages.Preview{Changed: true, Provider: "twilio"}
	}
	return answer, nil
}

func (p *leanPlatform) Events(ctx context.Context, _ []messages.Organization, ready func(), take func(*messages.Event)) error {
	p.take = take
	ready()
	<-ctx.Done()
	return nil
}

// TestMemoryDoesNotGrowWithTheFile: what is held at the end of a long file is what
// was held near its beginning. Nothing else runs meanwhile.
func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	const rows, mayGrow = 60_000, 2 << 20
	path := filepath.Join(t.TempDir(), "numbers.csv")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(file, "bridge_slug,provider_config_id,phone_number,note")
	for i := range rows {
		fmt.Fprintf(file, "bridge-%d,1,+1555%07d,a note that is not sent\n", i%100, i)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	in, err := OpenInput(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // it was read only
	survey, err := in.Survey("acme")
	if err != nil {
		t.Fatal(err)
	}
	grown := func(what string, inUse []uint64) {
		t.Helper()
		if len(inUse) < 10 {
			t.Fatalf("%s: measured %d times", what, len(inUse))
		}
		early, late := inUse[len(inUse)/10], inUse[len(inUse)-1]
		if late > early+mayGrow {
			t.Errorf("%s: %d KiB in use near the beginning, %d KiB at the end", what, early>>10, late>>10)
		}
	}
	r := newTestRun(t, t.TempDir(), "")
	r.options.MaxInFlight = 20_000
	platform := &leanPlatform{}
	run, err := NewRun(in, survey, platform, r.options)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close() //nolint:errcheck // the test is over
	if err := run.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if counts := run.Progress().Counts; counts.Decided() != rows || counts.Failed != rows/10 {
		t.Errorf("%+v", counts)
	}
	grown("a run", platform.inUse)
	if _, err := run.Report(ReportTo{Path: r.dir + "/all", All: true, Form: CSV}); err != nil {
		t.Fatal(err)
	}
	dry := &leanPlatform{}
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close() //nolint:errcheck // nothing was kept there
	if err := NewDryRun(in, survey, dry, 1<<20, r.options).Do(t.Context(), nowhere, CSV, true, func(Counts) {}); err != nil {
		t.Fatal(err)
	}
	grown("a dry run", dry.inUse)
}
