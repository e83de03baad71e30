package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/gateway"
	"connect-provider/worker"
)

var update = flag.Bool("update", false, "write the golden files")

// What is measured, under which name and with which labels is a promise to
// whoever has made dashboards and alerts of it.
func TestMetricsAreThoseOfTheGoldenFile(t *testing.T) {
	t.Parallel()
	pool, err := worker.NewPool(t.Context(), "postgres://127.0.0.1:1/nobody", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	nc, err := nats.Connect(nowhere, nats.RetryOnFailedConnect(true))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	described := &describer{}
	config := worker.DefaultConfig()
	config.Database, config.NATS, config.Logger, config.Registerer = pool, nc, zap.NewNop(), described
	if _, err := worker.New(config); err != nil {
		t.Fatal(err)
	}
	serving := gateway.DefaultConfig()
	serving.Logger, serving.Registerer = zap.NewNop(), described
	if _, err := gateway.New(serving); err != nil {
		t.Fatal(err)
	}
	slices.Sort(described.lines)
	got := strings.Join(described.lines, "\n") + "\n"
	file := filepath.Join("testdata", "metrics.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the metrics changed; if that is meant, run: go test ./cmd/connect-provider -run Metrics -update\ngot:\n%s", got)
	}
}

var descriptionText = regexp.MustCompile(`fqName: "(.*)", help: "(.*)", unit.*variableLabels: \{([^}]*)\}`)

// describer notes the descriptions of the metrics that are registered.
type describer struct{ lines []string }

func (d *describer) Register(c prometheus.Collector) error {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		c.Describe(descriptions)
	}()
	for description := range descriptions {
		found := descriptionText.FindStringSubmatch(description.String())
		d.lines = append(d.lines, fmt.Sprintf("%s{%s} %s", found[1], found[3], found[2]))
	}
	return nil
}

func (d *describer) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		_ = d.Register(c)
	}
}

func (d *describer) Unregister(prometheus.Collector) bool { return false }
