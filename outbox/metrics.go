package outbox

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what relays do. One serves all lanes of a process.
type Metrics struct {
	events   prometheus.Counter
	duration prometheus.Histogram
	refusals *prometheus.CounterVec
	replays  *prometheus.CounterVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "connect_provider_events_published_total",
			Help: "Outcome events that the events stream has accepted.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "connect_provider_publish_duration_seconds",
			Help:    "Time to publish one batch of outcome events, until the stream's acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "connect_provider_publish_refusals_total",
			Help: "Publishes of outcome events that were not acknowledged, by reason: JetStream's error code, timeout, no_responders or other.",
		}, []string{"reason"}),
		replays: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "connect_provider_replayed_events_total",
			Help: "Events compared with those in the stream, after a restore or a publish in doubt, by what became of them: equal (not sent again), corrected, late (were missing).",
		}, []string{"result"}),
	}
	for _, result := range []string{"equal", "corrected", "late"} {
		m.replays.WithLabelValues(result)
	}
	registerer.MustRegister(m.events, m.duration, m.refusals, m.replays)
	return m
}

func (m *Metrics) published(events int, took time.Duration) {
	m.events.Add(float64(events))
	m.duration.Observe(took.Seconds())
}

func (m *Metrics) replayed(result string) { m.replays.WithLabelValues(result).Inc() }

func (m *Metrics) refused(err error) { m.refusals.WithLabelValues(reason(err)).Inc() }

// reason says in a word why a publish was not acknowledged.
func reason(err error) string {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return strconv.Itoa(r.code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return "timeout"
	case errors.Is(err, nats.ErrNoResponders):
		return "no_responders"
	}
	return "other"
}
