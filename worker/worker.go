package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"connect-provider/deploy/migrations"
	"connect-provider/messages"
)

// Config is what a Worker works with. Zero durations and numbers take the
// defaults that DefaultConfig has.
type Config struct {
	// Database is a pool made by NewPool; the worker does not close it.
	Database *pgxpool.Pool
	// NATS is a connection that reconnects without limit; the worker does not
	// close it.
	NATS *nats.Conn
	// Name identifies the process to people: host and process id, for instance.
	Name    string
	Version string
	Logger  *zap.Logger
	// Registerer takes the worker's metrics.
	Registerer prometheus.Registerer
	// TracerProvider takes the worker's spans; nil: none are made.
	TracerProvider trace.TracerProvider

	// LeaseTTL is how long a lane stays with a worker that gives no sign of life.
	LeaseTTL time.Duration
	// BatchSize is the most commands in one transaction, at most 1,000.
	BatchSize int
	// InFlight is how many batches of different lanes are in the database at
	// once, for each traffic class.
	InFlight int
	// PublishTimeout bounds the wait for the events stream's answer.
	PublishTimeout time.Duration
	// DrainTimeout bounds an orderly shutdown.
	DrainTimeout time.Duration
	// ReplayWindow is how long applied commands stay in the stream, for a
	// database that is restored from a backup.
	ReplayWindow time.Duration
	// InboxRetention is how long a command may be published again without
	// being decided again. It must be longer than ReplayWindow.
	InboxRetention time.Duration
	// DeadLetterRetention is how long dead letters are kept.
	DeadLetterRetention time.Duration
	// UpkeepInterval is how often streams are purged and tables pruned.
	UpkeepInterval time.Duration
	// HoldAfter is how long an error that nobody classified may last, while
	// others commit, before the command that has it is looked for and its lane
	// held there.
	HoldAfter time.Duration
}

// DefaultConfig returns the settings that the README's table names.
func DefaultConfig() Config {
	return Config{
		LeaseTTL: 5 * time.Second, BatchSize: 1000, InFlight: 2,
		PublishTimeout: 5 * time.Second, DrainTimeout: 20 * time.Second,
		ReplayWindow: 72 * time.Hour, InboxRetention: 30 * 24 * time.Hour, DeadLetterRetention: 90 * 24 * time.Hour,
		UpkeepInterval: time.Minute, HoldAfter: time.Minute,
	}
}

// Validate returns every setting that can't work, joined, each with what to do.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.LeaseTTL >= time.Second && c.LeaseTTL <= 5*time.Minute, "lease TTL %s: choose between 1s and 5m", c.LeaseTTL)
	check(c.BatchSize >= 1 && c.BatchSize <= 1000, "batch size %d: choose between 1 and 1000", c.BatchSize)
	check(c.InFlight >= 1 && c.InFlight <= 16, "batches in flight %d: choose between 1 and 16", c.InFlight)
	check(c.PublishTimeout > 0, "publish timeout %s: choose more than 0", c.PublishTimeout)
	check(c.DrainTimeout > 0, "drain timeout %s: choose more than 0", c.DrainTimeout)
	check(c.ReplayWindow >= 0, "replay window %s: choose 0 or more", c.ReplayWindow)
	check(c.InboxRetention > c.ReplayWindow,
		"inbox retention %s: choose more than the replay window %s, or commands that are read again would be applied again", c.InboxRetention, c.ReplayWindow)
	check(c.DeadLetterRetention > 0, "dead letter retention %s: choose more than 0", c.DeadLetterRetention)
	check(c.UpkeepInterval > 0, "upkeep interval %s: choose more than 0", c.UpkeepInterval)
	check(c.HoldAfter >= 0, "hold after %s: choose 0, which is the default, or more", c.HoldAfter)
	return errors.Join(errs...)
}

// Worker works lanes. See the package's documentation.
type Worker struct {
	config  Config
	id      uuid.UUID
	pool    *pgxpool.Pool
	js      jetstream.JetStream
	logger  *zap.Logger
	metrics *metrics
	tracing *tracing
	slots   map[messages.Class]chan struct{}
	// what all lanes hold together: messages that wait, events to be published
	queued, unpublished budget
	nudged              chan struct{}
	// pauseCheck is the constant; tests that mean the nudge make it long.
	pauseCheck time.Duration
	// decide is the deciding function; tests put a panicking one here.
	decide func(*state, []*messages.Received, map[uint64]string, time.Time) []decision

	lanesCtx   context.Context // ends when lanes must be dropped
	lastCommit atomic.Int64    // unix nanoseconds, of any lane or lease
	laneLost   atomic.Bool     // since the lanes were last recorded
	readiness  atomic.Pointer[error]
	fills      sync.Map // by stream: how full upkeep found it, float64; not there if it could not look

	mu      sync.Mutex
	lanes   map[*laneRun]struct{}
	numbers map[messages.Class]int
}

var errStarting = errors.New("starting")

// New returns a worker that Run starts. It dials nothing.
func New(config Config) (*Worker, error) {
	if config.HoldAfter == 0 {
		config.HoldAfter = DefaultConfig().HoldAfter
	}
	if err := config.Validate(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(config.NATS)
	if err != nil {
		return nil, err
	}
	w := &Worker{
		config: config, id: uuid.New(), pool: config.Database, js: js, logger: config.Logger, tracing: newTracing(config),
		queued: budget{most: queuedBudget}, unpublished: budget{most: unpublishedBudget},
		slots: map[messages.Class]chan struct{}{}, nudged: make(chan struct{}, 1), decide: decide, pauseCheck: pauseCheck,
		lanes: map[*laneRun]struct{}{}, numbers: map[messages.Class]int{},
	}
	for _, class := range messages.Classes() {
		w.slots[class] = make(chan struct{}, config.InFlight)
	}
	w.setUnready(errStarting)
	w.metrics = newMetrics(config.Registerer, w)
	return w, nil
}

// Run works until ctx ends, then drains: lanes finish the batch at hand,
// publish its events and are released, so that others take them over at once.
// It returns nil after an orderly end, and at once with an error where no
// retry can help: a schema or streams that do not fit (errors that wrap
// migrations.ErrSchema or ErrStreams). A database or a NATS server that is
// away is waited for.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	lanesCtx, drop := context.WithCancel(context.WithoutCancel(ctx))
	defer drop()
	w.lanesCtx = lanesCtx
	subscription, err := w.config.NATS.Subscribe(workersSubject, func(m *nats.Msg) {
		if string(m.Data) == w.id.String() {
			return
		}
		tell(w.nudged)
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", workersSubject, err)
	}
	defer subscription.Unsubscribe() //nolint:errcheck // the connection's end does it as well
	outcomes, err := w.answerOutcomes()
	if err != nil {
		return err
	}
	defer outcomes.close()
	var group sync.WaitGroup
	group.Go(func() { _ = w.keepLeases(ctx) })
	group.Go(func() { w.upkeep(ctx) })
	group.Go(func() { w.watchLag(ctx) })
	<-ctx.Done()
	outcomes.stop()
	group.Wait()
	return w.shutDown(drop)
}

// prepare waits until the database and the streams can be used.
func (w *Worker) prepare(ctx context.Context) error {
	retry := newBackOff()
	for {
		err := migrations.Check(ctx, w.pool)
		if err == nil {
			err = w.reachNATS(ctx)
		}
		if err == nil {
			var lanes map[messages.Class]int
			lanes, err = checkStreams(ctx, w.js)
			if err == nil {
				err = w.recordLanes(ctx, lanes)
			}
		}
		if err == nil || errors.Is(err, migrations.ErrSchema) || errors.Is(err, ErrStreams) || ctx.Err() != nil {
			return err
		}
		w.setUnready(err)
		pause := retry.NextBackOff()
		w.logger.Warn("not ready to start, will retry", zap.Duration("retry_in", pause), zap.Error(err))
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// shutDown drains the lanes within the drain timeout and signs off.
func (w *Worker) shutDown(drop func()) error {
	w.setUnready(errors.New("shutting down"))
	ctx, cancel := context.WithTimeout(context.Background(), w.config.DrainTimeout)
	defer cancel()
	// the leases must last while the lanes drain
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		for sleep(ctx, w.config.LeaseTTL/3) == nil {
			_, _ = w.renew(ctx)
		}
	}()
	var late int
	runs := w.runs()
	for _, run := range runs {
		run.handBack()
	}
	for _, run := range runs {
		select {
		case <-run.ended:
		case <-ctx.Done():
			late++
		}
	}
	cancel()
	<-renewed
	drop()
	for _, run := range runs {
		<-run.ended
	}
	signOff, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	err := w.leave(signOff)
	if late > 0 {
		return fmt.Errorf("%d lanes did not finish within %s; nothing is lost, another worker has them when their lease is over", late, w.config.DrainTimeout)
	}
	return err
}

// Ready returns nil when the worker can work: connected to both servers, fit
// schema and streams, leases renewed lately. Else it says what is wrong.
func (w *Worker) Ready() error { return *w.readiness.Load() }

func (w *Worker) setReady() {
	var none error
	w.readiness.Store(&none)
}

func (w *Worker) setUnready(err error) { w.readiness.Store(&err) }

func (w *Worker) startLane(run *laneRun) {
	w.mu.Lock()
	w.lanes[run] = struct{}{}
	w.mu.Unlock()
	go func() {
		run.run()
		w.mu.Lock()
		delete(w.lanes, run)
		w.mu.Unlock()
		if err := w.tellWorkers(); err == nil {
			w.logger.Debug("told the other workers that a lane is free", zap.Stringer("lane", run.lane))
		}
	}()
}

// runs returns the lanes at work, in no particular order.
func (w *Worker) runs() []*laneRun {
	w.mu.Lock()
	defer w.mu.Unlock()
	runs := make([]*laneRun, 0, len(w.lanes))
	for run := range w.lanes {
		runs = append(runs, run)
	}
	return runs
}

// laneNumbers returns the number of lanes of each class.
func (w *Worker) laneNumbers() map[messages.Class]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.numbers)
}

func (w *Worker) lanesOf(class messages.Class) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.numbers[class]
}

// slot waits for a place among the batches in flight.
func (w *Worker) slot(ctx context.Context, class messages.Class) (release func(), err error) {
	slots := w.slots[class]
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *Worker) committed() { w.lastCommit.Store(time.Now().UnixNano()) }

// committedSince tells whether anything else has been committed since a time:
// then the database works, and a batch that does not is to blame itself.
func (w *Worker) committedSince(t time.Time) bool { return w.lastCommit.Load() > t.UnixNano() }
