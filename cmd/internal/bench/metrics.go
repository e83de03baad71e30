package bench

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"connect-provider/deploy/usage"
	"connect-provider/messages"
)

// metrics is what workers have counted, all of them together.
type metrics struct {
	batches histogram
	stages  map[string]histogram
}

// stageNames are the stages of a batch, in their order.
var stageNames = []string{"fetch", "decode", "lock", "load", "decide", "write", "commit", "publish"}

// readMetrics asks workers for their metrics, and adds up those of a class. The
// outbox does not tell classes apart, so publishing is that of both.
func readMetrics(ctx context.Context, urls []string, class messages.Class) (metrics, error) {
	sum := metrics{stages: map[string]histogram{}}
	for _, url := range urls {
		families, err := scrape(ctx, url)
		if err != nil {
			return sum, err
		}
		for _, metric := range families["connect_provider_stage_duration_seconds"].GetMetric() {
			if labels := labelsOf(metric); labels["class"] == class.String() {
				sum.stages[labels["stage"]] = sum.stages[labels["stage"]].plus(metric.GetHistogram())
			}
		}
		for _, metric := range families["connect_provider_publish_duration_seconds"].GetMetric() {
			sum.stages["publish"] = sum.stages["publish"].plus(metric.GetHistogram())
		}
		for _, metric := range families["connect_provider_batch_size"].GetMetric() {
			if labelsOf(metric)["class"] == class.String() {
				sum.batches = sum.batches.plus(metric.GetHistogram())
			}
		}
	}
	return sum, nil
}

func labelsOf(metric *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, label := range metric.GetLabel() {
		labels[label.GetName()] = label.GetValue()
	}
	return labels
}

// scrape reads a page of metrics.
func scrape(ctx context.Context, url string) (map[string]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("metrics of a worker: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read only
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics of a worker: %s answers %s", url, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, fmt.Errorf("metrics of a worker: %s: %w", url, err)
	}
	return families, nil
}

// WorkerAt returns a worker elsewhere, by the address of its metrics. Its memory
// is what is resident.
func WorkerAt(url string) Process {
	return Process{Name: "worker " + url, Read: func(ctx context.Context) (usage.Reading, error) {
		families, err := scrape(ctx, url)
		if err != nil {
			return usage.Reading{}, err
		}
		cpu, memory := families["process_cpu_seconds_total"].GetMetric(), families["process_resident_memory_bytes"].GetMetric()
		if len(cpu) != 1 || len(memory) != 1 {
			return usage.Reading{}, fmt.Errorf("%s has no metrics of the process", url)
		}
		return usage.Reading{
			CPU:    time.Duration(cpu[0].GetCounter().GetValue() * float64(time.Second)),
			Memory: int64(memory[0].GetGauge().GetValue()),
		}, nil
	}}
}

// histogram is one of Prometheus', whose buckets are cumulative.
type histogram struct {
	count   float64
	sum     float64
	buckets map[float64]float64 // by upper bound
}

func (h histogram) plus(other *dto.Histogram) histogram {
	if h.buckets == nil {
		h.buckets = map[float64]float64{}
	}
	h.count += float64(other.GetSampleCount())
	h.sum += other.GetSampleSum()
	for _, bucket := range other.GetBucket() {
		h.buckets[bucket.GetUpperBound()] += float64(bucket.GetCumulativeCount())
	}
	return h
}

// since returns what has been counted after another moment.
func (h histogram) since(earlier histogram) histogram {
	later := histogram{count: h.count - earlier.count, sum: h.sum - earlier.sum, buckets: maps.Clone(h.buckets)}
	for bound, count := range earlier.buckets {
		later.buckets[bound] -= count
	}
	return later
}

func (h histogram) mean() float64 {
	if h.count == 0 {
		return 0
	}
	return h.sum / h.count
}

// quantile estimates as Prometheus' histogram_quantile does: values are spread
// evenly in their bucket, and what is above the last bound counts as that.
func (h histogram) quantile(q float64) float64 {
	rank, below, lower := q*h.count, 0.0, 0.0
	for _, upper := range slices.Sorted(maps.Keys(h.buckets)) {
		count := h.buckets[upper]
		if count >= rank && count > below {
			if math.IsInf(upper, 1) {
				return lower
			}
			return lower + (upper-lower)*(rank-below)/(count-below)
		}
		if !math.IsInf(upper, 1) {
			lower = upper
		}
		below = count
	}
	return lower
}

// LeastStage is the first bound of the workers' histograms of stages, in
// milliseconds: of a quantile below it nothing is known but that it is.
const LeastStage = 0.1

// Stage is the time that batches spent in one stage, those of all lanes and
// workers together: several are in flight at once, so the stages' sum is not the
// time that passed.
type Stage struct {
	Stage      string  `json:"stage"`
	Batches    int     `json:"batches"`
	Seconds    float64 `json:"seconds"`
	PerCommand float64 `json:"per_command_us"`
	Mean       float64 `json:"mean_ms"`
	// P50 and P99 are estimated from the buckets of the workers' histograms.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

// Batches is how commands came together in transactions. The quantiles are
// estimated from the buckets of the workers' histograms.
type Batches struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean_commands"`
	P50   float64 `json:"p50_commands"`
	P90   float64 `json:"p90_commands"`
}

// between tells what workers did from one moment to another, for a number of
// commands.
func between(before, after metrics, commands int) (*Batches, []Stage) {
	sizes := after.batches.since(before.batches)
	batches := &Batches{Count: int(sizes.count), Mean: sizes.mean(), P50: math.Ceil(sizes.quantile(0.5)), P90: math.Ceil(sizes.quantile(0.9))}
	var stages []Stage
	for _, name := range stageNames {
		h, measured := after.stages[name]
		if !measured {
			continue
		}
		h = h.since(before.stages[name])
		stages = append(stages, Stage{
			Stage: name, Batches: int(h.count), Seconds: h.sum, PerCommand: h.sum / float64(commands) * 1e6,
			Mean: h.mean() * 1e3, P50: h.quantile(0.5) * 1e3, P99: h.quantile(0.99) * 1e3,
		})
	}
	return batches, stages
}
