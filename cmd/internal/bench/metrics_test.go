package bench

import (
	"math"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"connect-provider/deploy/usage"
	"connect-provider/messages"
)

// TestWorkersAreAddedUp: what two workers have counted in a class between two
// moments is one sum; the other class and what was before are not in it.
func TestWorkersAreAddedUp(t *testing.T) {
	t.Parallel()
	one, other := newFakeWorker(t), newFakeWorker(t)
	urls := []string{one.url, other.url}
	one.stages.WithLabelValues("bulk", "load").Observe(4)
	one.sizes.WithLabelValues("bulk").Observe(7)
	before, err := readMetrics(t.Context(), urls, messages.Bulk)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		one.stages.WithLabelValues("bulk", "load").Observe(0.0004)
		other.stages.WithLabelValues("bulk", "load").Observe(0.0002)
		other.stages.WithLabelValues("interactive", "load").Observe(9)
		one.sizes.WithLabelValues("bulk").Observe(100)
		other.sizes.WithLabelValues("bulk").Observe(1)
	}
	other.publish.Observe(0.5)
	after, err := readMetrics(t.Context(), urls, messages.Bulk)
	if err != nil {
		t.Fatal(err)
	}
	batches, stages := between(before, after, 300)
	if batches.Count != 6 || batches.Mean != 50.5 || batches.P90 <= 10 || batches.P90 > 100 {
		t.Errorf("batches: %+v", *batches)
	}
	if len(stages) != 2 || stages[0].Stage != "load" || stages[1].Stage != "publish" {
		t.Fatalf("stages: %+v", stages)
	}
	load := stages[0]
	if load.Batches != 6 || !near(load.Seconds, 0.0018) || !near(load.PerCommand, 6) || !near(load.Mean, 0.3) || load.P99 <= 0.2 || load.P99 > 0.4 {
		t.Errorf("load: %+v", load)
	}
	if stages[1].Batches != 1 || stages[1].Seconds != 0.5 {
		t.Errorf("publish: %+v", stages[1])
	}
}

func TestWorkersElsewhereTellWhatTheyUse(t *testing.T) {
	t.Parallel()
	worker := newFakeWorker(t)
	worker.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "process_cpu_seconds_total"}, func() float64 { return 1.5 }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "process_resident_memory_bytes"}, func() float64 { return 1 << 25 }))
	reading, err := WorkerAt(worker.url).Read(t.Context())
	if err != nil || reading != (usage.Reading{CPU: 1500 * time.Millisecond, Memory: 1 << 25}) {
		t.Errorf("%+v, %v", reading, err)
	}
	if _, err := WorkerAt(newFakeWorker(t).url).Read(t.Context()); err == nil {
		t.Error("a page without the process's metrics was read")
	}
}

func TestQuantilesAreEstimatedInTheirBucket(t *testing.T) {
	t.Parallel()
	h := histogram{count: 100, buckets: map[float64]float64{1: 0, 2: 50, 4: 90, math.Inf(1): 100}}
	for q, want := range map[float64]float64{0.25: 1.5, 0.5: 2, 0.7: 3, 0.9: 4, 0.99: 4} {
		if got := h.quantile(q); !near(got, want) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := (histogram{}).quantile(0.5); got != 0 {
		t.Errorf("of nothing it is %v", got)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// fakeWorker serves metrics as a worker does.
type fakeWorker struct {
	url           string
	registry      *prometheus.Registry
	stages, sizes *prometheus.HistogramVec
	publish       prometheus.Histogram
}

func newFakeWorker(t *testing.T) *fakeWorker {
	w := &fakeWorker{
		registry: prometheus.NewRegistry(),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "connect_provider_stage_duration_seconds",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 10)}, []string{"class", "stage"}),
		sizes: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "connect_provider_batch_size",
			Buckets: []float64{1, 10, 100, 1000}}, []string{"class"}),
		publish: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "connect_provider_publish_duration_seconds"}),
	}
	w.registry.MustRegister(w.stages, w.sizes, w.publish)
	server := httptest.NewServer(promhttp.HandlerFor(w.registry, promhttp.HandlerOpts{}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}
