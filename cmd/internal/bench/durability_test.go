package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var durable = Durability{SynchronousCommit: "on", Fsync: "on", FullPageWrites: "on", JetStreamSync: SyncsAlways}

// TestNoThroughputIsToldOfWhatCouldBeLost: neither as text nor in JSON nor on the page.
func TestNoThroughputIsToldOfWhatCouldBeLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change     func(*Durability)
		comparable bool
	}{
		"all on":                     {func(*Durability) {}, true},
		"fsync off":                  {func(d *Durability) { d.Fsync = "off" }, false},
		"torn pages":                 {func(d *Durability) { d.FullPageWrites = "off" }, false},
		"JetStream syncs later":      {func(d *Durability) { d.JetStreamSync = "every 2m0s" }, false},
		"in memory":                  {func(d *Durability) { d.Storage = "tmpfs" }, false},
		"nobody knows of JetStream":  {func(d *Durability) { d.JetStreamSync = "" }, true},
		"workers turn the commit on": {func(d *Durability) { d.SynchronousCommit = "off" }, true},
	} {
		d := durable
		test.change(&d)
		report := &Report{Mode: Throughput, Durability: d, Runs: []*Run{{Round: 1, Commands: 10, Seconds: 1, CommandsPerSecond: 12345}}}
		report.judge()
		document, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		page, err := Plot(report)
		if err != nil {
			t.Fatal(err)
		}
		if report.Comparable != test.comparable {
			t.Errorf("%s: comparable is %v", name, report.Comparable)
		}
		if told := strings.Contains(string(document), "12345"); told != test.comparable {
			t.Errorf("%s: in JSON the throughput is told: %v", name, told)
		}
		if told := strings.Contains(string(page), "12345"); told != test.comparable {
			t.Errorf("%s: on the page the throughput is told: %v", name, told)
		}
		if warns := strings.Contains(string(page), "Not comparable"); warns == test.comparable {
			t.Errorf("%s: the page warns: %v", name, warns)
		}
	}
}

func TestJetStreamsMonitoringTellsWhetherItSyncs(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"config":{"sync_always":true,"sync_interval":120000000000}}`: SyncsAlways,
		`{"config":{"sync_interval":120000000000}}`:                    "every 2m0s",
		`{"disabled":true}`: "",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/jsz" {
				http.NotFound(w, r)
			}
			fmt.Fprint(w, answer)
		}))
		got, err := readJetStreamSync(t.Context(), server.URL+"/")
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", answer, got, err, want)
		}
		if _, err := readJetStreamSync(t.Context(), server.URL+"/elsewhere"); err == nil {
			t.Errorf("%s: an answer of another address was taken", answer)
		}
		server.Close()
	}
}

func TestTheRoundInTheMiddleIsTold(t *testing.T) {
	t.Parallel()
	report := &Report{Runs: []*Run{{Round: 1, Seconds: 3}, {Round: 2, Seconds: 1}, {Round: 3, Seconds: 2}}}
	if got := report.Median(); got.Round != 3 {
		t.Errorf("of three it is round %d", got.Round)
	}
	report.Runs = report.Runs[:2]
	if got := report.Median(); got.Round != 1 {
		t.Errorf("of two it is round %d, want the slower one", got.Round)
	}
}

func TestTheCurveHoldsEveryOutcome(t *testing.T) {
	t.Parallel()
	var offsets []time.Duration
	for n := range 1000 {
		offsets = append(offsets, time.Duration(n)*4*time.Millisecond)
	}
	c := curveOf(offsets, 4*time.Second)
	outcomes := 0.0
	for _, p := range c.points {
		outcomes += p.PerSecond * c.interval.Seconds()
	}
	if len(c.points) != 40 || c.interval != 100*time.Millisecond || !near(outcomes, 1000) {
		t.Errorf("%d points of %s hold %v outcomes", len(c.points), c.interval, outcomes)
	}
}
