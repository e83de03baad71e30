package prometheus

import (
	"bufio"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

const golden = "../../cmd/connect-provider/testdata/metrics.golden"

// histograms are the metrics whose series have a suffix.
var histograms = []string{
	"connect_provider_batch_size", "connect_provider_publish_duration_seconds", "connect_provider_stage_duration_seconds",
	"connect_provider_gateway_request_duration_seconds",
}

// targetLabels are those that Prometheus gives each series of a target.
var targetLabels = []string{"job", "instance"}

// series returns the labels of each series that a query may name.
var series = sync.OnceValues(func() (map[string]labels, error) {
	found := map[string]labels{
		"up":     setOf(targetLabels...),
		"ALERTS": setOf("alertname", "alertstate", "severity"),
	}
	file, err := os.Open(golden)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	line := regexp.MustCompile(`^(\w+)\{([\w,]*)\} `)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			found[m[1]] = setOf(append(splitLabels(m[2]), targetLabels...)...)
		}
	}
	for _, name := range histograms {
		own, ok := found[name]
		if !ok {
			return nil, os.ErrNotExist
		}
		delete(found, name)
		found[name+"_sum"], found[name+"_count"] = own, own
		found[name+"_bucket"] = own.with("le")
	}
	// what the service serves of its process and of Go's runtime
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}).Describe(descriptions)
		collectors.NewGoCollector().Describe(descriptions)
	}()
	description := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: \{([\w,]*)\}`)
	for d := range descriptions {
		if m := description.FindStringSubmatch(d.String()); m != nil {
			found[m[1]] = setOf(append(splitLabels(m[2]), targetLabels...)...)
		}
	}
	return found, nil
})

func splitLabels(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// labels is a set of label names.
type labels map[string]bool

func setOf(names ...string) labels { return labels{}.with(names...) }

func (l labels) with(names ...string) labels {
	sum := labels{}
	for name := range l {
		sum[name] = true
	}
	for _, name := range names {
		sum[name] = true
	}
	return sum
}

func (l labels) union(other labels) labels {
	sum := l.with()
	for name := range other {
		sum[name] = true
	}
	return sum
}

func TestTheGoldenFileIsRead(t *testing.T) {
	found, err := series()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"connect_provider_ready":                         {"job", "instance"},
		"connect_provider_outcomes_total":                {"class", "code"},
		"connect_provider_stage_duration_seconds_bucket": {"class", "stage", "le"},
		"process_start_time_seconds":                     nil,
	} {
		have, ok := found[name]
		if !ok {
			t.Errorf("there is no %s", name)
		}
		for _, label := range want {
			if !have[label] {
				t.Errorf("%s has no label %s", name, label)
			}
		}
	}
}
