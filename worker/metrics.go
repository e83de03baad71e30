package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/messages"
	"connect-provider/outbox"
)

// metrics are the worker's, in the terms of the README's table. Their names
// are a promise: a golden file holds them.
type metrics struct {
	outbox       *outbox.Metrics
	outcomes     *prometheus.CounterVec
	repeats      *prometheus.CounterVec
	batchSize    *prometheus.HistogramVec
	stageSeconds *prometheus.HistogramVec
	retries      *prometheus.CounterVec
	leases       *prometheus.CounterVec
	isolations   *prometheus.CounterVec
	lost         *prometheus.CounterVec
	reopens      *prometheus.CounterVec
	early        *prometheus.CounterVec
	doubts       prometheus.Counter
	questions    *prometheus.CounterVec
	previews     *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer, w *Worker) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "connect_provider_" + name, Help: help}, labels)
	}
	m := &metrics{
		outbox:   outbox.NewMetrics(registerer),
		outcomes: counter("outcomes_total", "Commands decided, by traffic class and code: connected, unchanged, or the failure code.", "class", "code"),
		repeats:  counter("repeats_total", "Messages that repeated a command decided before: nothing was done for them.", "class"),
		batchSize: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "connect_provider_batch_size", Help: "Commands in one transaction.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
		}, []string{"class"}),
		stageSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "connect_provider_stage_duration_seconds", Help: "Time of one batch in each stage: fetch (waiting for messages that the stream has), decode, lock (waiting for the partition's), load, decide, write, commit.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 18),
		}, []string{"class", "stage"}),
		retries:    counter("retries_total", "Batches that were not applied and tried again, by the class of the error.", "class", "reason"),
		leases:     counter("lease_changes_total", "Lanes claimed, released and lost by this worker.", "change"),
		isolations: counter("isolated_commands_total", "Commands that broke their batch when they stood alone, or were skipped by an operator.", "class"),
		lost:       counter("ranges_lost_total", "Times a command stream was found cut back, replaced, or purged beyond what a restored database lacks, for each lane.", "class", "kind"),
		reopens:    counter("reader_restarts_total", "Times a lane's consumer was made anew.", "class"),
		early:      counter("early_purges_total", "Purges of applied commands inside the replay window, because the stream was nearly full.", "class"),
		questions:  counter("outcome_requests_total", "Questions for outcomes, by result: answered, bad_request, unavailable (the database), ignored (the reply subject is no inbox).", "result"),
		previews:   counter("preview_requests_total", "Questions for previews, by result, as outcome_requests_total has them.", "result"),
		doubts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "connect_provider_commits_in_doubt_total", Help: "COMMITs that were not answered, so that the database had to be asked what happened.",
		}),
	}
	for _, class := range messages.Classes() {
		name := class.String()
		for _, code := range append([]messages.Code{"connected", "unchanged"}, messages.Codes()...) {
			m.outcomes.WithLabelValues(name, string(code))
		}
		for c := classRetry; c <= classUnknown; c++ {
			m.retries.WithLabelValues(name, c.String())
		}
		for _, stage := range []string{"fetch", "decode", "lock", "load", "decide", "write", "commit"} {
			m.stageSeconds.WithLabelValues(name, stage)
		}
		for _, kind := range []string{"cut_back", "replaced", "purged"} {
			m.lost.WithLabelValues(name, kind)
		}
		for _, vector := range []*prometheus.CounterVec{m.repeats, m.isolations, m.reopens, m.early} {
			vector.WithLabelValues(name)
		}
		m.batchSize.WithLabelValues(name)
	}
	for _, change := range []string{"claimed", "released", "lost"} {
		m.leases.WithLabelValues(change)
	}
	for _, result := range []string{"answered", "bad_request", "unavailable", "ignored"} {
		m.questions.WithLabelValues(result)
		m.previews.WithLabelValues(result)
	}
	registerer.MustRegister(m.outcomes, m.repeats, m.batchSize, m.stageSeconds, m.retries, m.leases,
		m.isolations, m.lost, m.reopens, m.early, m.doubts, m.questions, m.previews, &lagCollector{worker: w})
	return m
}

func (m *metrics) decided(lane messages.Lane, decisions []decision) {
	class := lane.Class.String()
	m.batchSize.WithLabelValues(class).Observe(float64(len(decisions)))
	counts := map[string]int{}
	repeats := 0
	for i := range decisions {
		if d := &decisions[i]; d.repeat {
			repeats++
		} else {
			counts[outcomeCode(&d.outcome)]++
		}
	}
	for code, n := range counts {
		m.outcomes.WithLabelValues(class, code).Add(float64(n))
	}
	m.repeats.WithLabelValues(class).Add(float64(repeats))
}

func (m *metrics) asked(result string) { m.questions.WithLabelValues(result).Inc() }

func (m *metrics) previewed(result string) { m.previews.WithLabelValues(result).Inc() }

// read notes what reading the messages of a batch took.
func (m *metrics) read(class messages.Class, fetch, decode time.Duration) {
	m.stageSeconds.WithLabelValues(class.String(), "fetch").Observe(fetch.Seconds())
	m.stageSeconds.WithLabelValues(class.String(), "decode").Observe(decode.Seconds())
}

// stages are those of one transaction, one after another.
type stages struct {
	seconds *prometheus.HistogramVec
	class   string
	start   time.Time // of the present one
}

func (m *metrics) stages(class messages.Class) *stages {
	return &stages{seconds: m.stageSeconds, class: class.String(), start: time.Now()}
}

// within notes a stage that was part of the present one, which it shortens.
func (s *stages) within(stage string, took time.Duration) {
	s.seconds.WithLabelValues(s.class, stage).Observe(took.Seconds())
	s.start = s.start.Add(took)
}

// end ends the present stage and begins the next.
func (s *stages) end(stage string) {
	now := time.Now()
	s.seconds.WithLabelValues(s.class, stage).Observe(now.Sub(s.start).Seconds())
	s.start = now
}

func (m *metrics) retried(traffic messages.Class, reason class) {
	m.retries.WithLabelValues(traffic.String(), reason.String()).Inc()
}

func (m *metrics) leaseChanged(change string) { m.leases.WithLabelValues(change).Inc() }
func (m *metrics) isolated(traffic messages.Class) {
	m.isolations.WithLabelValues(traffic.String()).Inc()
}
func (m *metrics) reopened(traffic messages.Class)   { m.reopens.WithLabelValues(traffic.String()).Inc() }
func (m *metrics) earlyPurge(traffic messages.Class) { m.early.WithLabelValues(traffic.String()).Inc() }
func (m *metrics) lostRange(traffic messages.Class, kind string) {
	m.lost.WithLabelValues(traffic.String(), kind).Inc()
}

// lagCollector reads the lanes of this worker when it is asked.
type lagCollector struct{ worker *Worker }

var (
	lagMessages = prometheus.NewDesc("connect_provider_lane_lag_messages", "Messages of an owned lane that are not applied yet.", []string{"lane"}, nil)
	lagSeconds  = prometheus.NewDesc("connect_provider_lane_lag_seconds", "Age of the oldest message of an owned lane that has been read and not applied, 0 without one and while the lane is paused.", []string{"lane"}, nil)
	oldestAge   = prometheus.NewDesc("connect_provider_oldest_undecided_seconds", "Age of the oldest undecided command over all owned lanes of a class that are not paused.", []string{"class"}, nil)
	lanes       = prometheus.NewDesc("connect_provider_lanes", "Lanes that a class has, as the database has it recorded; not there until the worker knows.", []string{"class"}, nil)
	ownedLanes  = prometheus.NewDesc("connect_provider_lanes_owned", "Lanes that this worker owns.", []string{"class"}, nil)
	readLanes   = prometheus.NewDesc("connect_provider_lanes_reading", "Owned lanes that are reading their stream; the others are being taken over, or can't.", []string{"class"}, nil)
	heldLanes   = prometheus.NewDesc("connect_provider_lanes_held", "Owned lanes that stand still at a command which can't be applied.", []string{"class"}, nil)
	pausedLanes = prometheus.NewDesc("connect_provider_lanes_paused", "Owned lanes that wait because an operator has paused the organization or class of their next command.", []string{"class"}, nil)
	depth       = prometheus.NewDesc("connect_provider_outbox_depth", "Outcome events of owned lanes that are committed and not published yet.", []string{"class"}, nil)
	fill        = prometheus.NewDesc("connect_provider_stream_fill_ratio", "How full a command stream is, from 0 to 1; reported by the owner of its lane 0.", []string{"class"}, nil)
	eventsFill  = prometheus.NewDesc("connect_provider_events_stream_fill_ratio", "How full the events stream is, from 0 to 1; reported by the owner of lane c0.", nil, nil)
	ready       = prometheus.NewDesc("connect_provider_ready", "1 if the worker can work, 0 if it can't.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *lagCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lagMessages, lagSeconds, oldestAge, lanes, ownedLanes, readLanes, heldLanes, pausedLanes, depth, fill, eventsFill, ready} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (c *lagCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	type sum struct{ owned, reading, held, paused, unpublished, oldest float64 }
	sums := map[messages.Class]*sum{messages.Interactive: {}, messages.Bulk: {}}
	now := time.Now()
	seen := map[messages.Lane]bool{}
	for _, run := range c.worker.runs() {
		if seen[run.lane] {
			continue // lost and claimed again a moment ago
		}
		seen[run.lane] = true
		waiting, age := run.lag(now)
		if run.paused.Load() {
			age = 0 // it waits on purpose, and must not hide, or look like, one that does not
		}
		gauge(lagMessages, float64(waiting), run.lane.String())
		gauge(lagSeconds, age.Seconds(), run.lane.String())
		s := sums[run.lane.Class]
		s.owned++
		s.oldest = max(s.oldest, age.Seconds())
		s.unpublished += float64(run.unpublished.Load())
		if run.reader.Load() != nil {
			s.reading++
		}
		if run.held.Load() {
			s.held++
		}
		if run.paused.Load() {
			s.paused++
		}
		if run.lane.Number == 0 {
			c.collectFill(run.lane.Class, gauge)
		}
	}
	for class, s := range sums {
		name := class.String()
		if n := c.worker.lanesOf(class); n > 0 {
			gauge(lanes, float64(n), name)
		}
		gauge(ownedLanes, s.owned, name)
		gauge(readLanes, s.reading, name)
		gauge(heldLanes, s.held, name)
		gauge(pausedLanes, s.paused, name)
		gauge(oldestAge, s.oldest, name)
		gauge(depth, s.unpublished, name)
	}
	working := 1.0
	if c.worker.Ready() != nil {
		working = 0
	}
	gauge(ready, working)
}

// collectFill tells how full the streams are that the owner of a class's lane 0
// looks after, as far as its upkeep could see them the last time.
func (c *lagCollector) collectFill(class messages.Class, gauge func(*prometheus.Desc, float64, ...string)) {
	if ratio, ok := c.worker.fills.Load(class.Stream()); ok {
		gauge(fill, ratio.(float64), class.String())
	}
	if ratio, ok := c.worker.fills.Load(messages.EventsStream); ok && class == messages.Interactive {
		gauge(eventsFill, ratio.(float64))
	}
}
