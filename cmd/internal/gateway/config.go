package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

// Config is what a gateway works with. Database is asked for tokens only; one
// that NewPool has made is right. JetStream's connection has to fail at once
// while it is not connected, as those of connection.NATS.Keep do.
type Config struct {
	Database       *pgxpool.Pool
	JetStream      jetstream.JetStream
	Logger         *zap.Logger
	Registerer     prometheus.Registerer
	TracerProvider trace.TracerProvider // nil: no spans

	// Wait is how long a request waits for its outcome, from its beginning.
	Wait time.Duration
	// PublishTimeout is how long one publish waits for its acknowledgement.
	PublishTimeout time.Duration
	// DrainTimeout bounds the shutdown.
	DrainTimeout time.Duration
	// InFlight is how many requests of one organization may be in flight.
	InFlight int
}

// DefaultConfig returns the settings as they are unless somebody chooses others.
func DefaultConfig() Config {
	return Config{Wait: 15 * time.Second, PublishTimeout: 5 * time.Second, DrainTimeout: 20 * time.Second, InFlight: 256}
}

// leastDrain leaves time for the last question before a shutdown ends.
const leastDrain = answerMargin + time.Second

// Validate returns what is wrong with the settings, all of it.
func (c Config) Validate() error {
	var problems []error
	if c.Wait < 100*time.Millisecond || c.Wait > 5*time.Minute {
		problems = append(problems, fmt.Errorf("wait %s: choose between 100ms and 5m", c.Wait))
	}
	if c.PublishTimeout < 10*time.Millisecond {
		problems = append(problems, fmt.Errorf("publish timeout %s: give 10ms or more", c.PublishTimeout))
	}
	if c.DrainTimeout < leastDrain {
		problems = append(problems, fmt.Errorf("drain timeout %s: give %s or more", c.DrainTimeout, leastDrain))
	}
	if c.InFlight < 1 {
		problems = append(problems, fmt.Errorf("in flight %d: an organization needs at least one request", c.InFlight))
	}
	return errors.Join(problems...)
}
