package gateway

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the gateway's. Their names are a promise: a golden file holds them.
type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	publishes *prometheus.CounterVec
	lookups   *prometheus.CounterVec
	questions *prometheus.CounterVec
	events    prometheus.Counter
	restarts  prometheus.Counter
	inFlight  prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer, g *Gateway) *metrics {
	const prefix = "connect_provider_gateway_"
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	}
	m := &metrics{
		requests: counter("requests_total", "Requests answered, by route (connect, command, openapi, none) and HTTP status; 499 where the caller had gone.", "route", "status"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "request_duration_seconds", Help: "Time from a request's beginning to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}, []string{"route"}),
		publishes: counter("publishes_total", "Commands published, by result: accepted, not_accepted, in_doubt (no acknowledgement came).", "result"),
		lookups:   counter("token_lookups_total", "Tokens looked up, by result: cached, found, unknown, failed (the database).", "result"),
		questions: counter("outcome_questions_total", "Questions to the workers for outcomes, by result: answered, failed.", "result"),
		events:    prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "events_read_total", Help: "Outcome events read."}),
		restarts:  prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "reader_restarts_total", Help: "Times the reading of events was interrupted."}),
		inFlight:  prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "requests_in_flight", Help: "Requests that are being answered."}),
	}
	for _, a := range []acceptance{inDoubt, notAccepted, accepted} {
		m.publishes.WithLabelValues(a.String())
	}
	for _, result := range []string{"cached", "found", "unknown", "failed"} {
		m.lookups.WithLabelValues(result)
	}
	for _, result := range []string{"answered", "failed"} {
		m.questions.WithLabelValues(result)
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "requests_waiting", Help: "Requests that wait for an outcome."},
		func() float64 { return float64(g.waiting.count()) })
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "ready", Help: "1 if the gateway can work, 0 if it can't."}, func() float64 {
		if g.Ready() != nil {
			return 0
		}
		return 1
	})
	registerer.MustRegister(m.requests, m.seconds, m.publishes, m.lookups, m.questions, m.events, m.restarts, m.inFlight, waiting, ready)
	return m
}

func (m *metrics) answered(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) published(a acceptance) { m.publishes.WithLabelValues(a.String()).Inc() }

func (m *metrics) lookedUp(cached bool, err error) {
	result := "found"
	switch {
	case cached:
		result = "cached"
	case errors.Is(err, errUnknownToken):
		result = "unknown"
	case err != nil:
		result = "failed"
	}
	m.lookups.WithLabelValues(result).Inc()
}

func (m *metrics) asked(err error) {
	result := "answered"
	if err != nil {
		result = "failed"
	}
	m.questions.WithLabelValues(result).Inc()
}
