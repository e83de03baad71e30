package arena

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"connect-provider/deploy/chaos/judge"
	"connect-provider/deploy/chaos/load"
	"connect-provider/deploy/migrations"
	"connect-provider/messages"
)

// Options say which system is to be attacked.
type Options struct {
	// Dir keeps everything. It must be one that Postgres' account can enter.
	Dir string
	// Binary is the service's program.
	Binary string
	// Workers is how many processes of it work, Gateways how many serve REST.
	Workers, Gateways int
	// Lanes is into how many lanes each class is cut.
	Lanes int
	// Lease is the workers' lease time.
	Lease time.Duration
	// Intent tells what was meant by a message, if that is known.
	Intent func(*messages.Message) (load.Intent, bool)
}

// Arena is a running system.
type Arena struct {
	Journal   *Journal
	Database  *Database
	Broker    *Broker
	Workers   []*Worker
	Gateways  []*Gateway
	Producers *Producers

	options                Options
	settings               []string // of workers started from here on
	archive                *archive
	watcher                *watcher
	published              chan struct{} // closed when the act's commands are all in their streams
	createdAt              map[messages.Class]*atomic.Int64
	wentBack               atomic.Bool // in this act, as far as it has come
	wentBackAt, cameBackAt atomic.Int64

	background sync.WaitGroup
	stop       context.CancelFunc

	mu   sync.Mutex
	ends []judge.Finding
}

// ErrNoStart says that the service has not begun to work, with nothing done to
// it. That is its fault and not the attack's.
var ErrNoStart = errors.New("the system does not start to work")

// Start brings a system up: migrated, with streams, and workers that work. When
// it returns an error, nothing keeps running.
func Start(ctx context.Context, journal *Journal, platform *load.Platform, options Options) (*Arena, error) {
	a := &Arena{Journal: journal, options: options, createdAt: map[messages.Class]*atomic.Int64{}}
	if err := a.start(ctx, platform); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *Arena) start(ctx context.Context, platform *load.Platform) (err error) {
	if a.Database, err = startDatabase(ctx, a.options.Dir); err != nil {
		return err
	}
	if err := migrations.Up(ctx, a.Database.current().URL()); err != nil {
		return err
	}
	conn, err := a.Database.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := platform.Create(ctx, conn); err != nil {
		return err
	}
	if a.Broker, err = startBroker(ctx, a.options.Dir, a.options.Lanes); err != nil {
		return err
	}
	for _, class := range messages.Classes() {
		a.createdAt[class] = &atomic.Int64{}
		if err := a.noteCreated(ctx, class); err != nil {
			return err
		}
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	a.archive = a.newArchive(background)
	a.watcher = a.newWatcher(background)
	if a.Producers, err = a.newProducers(); err != nil {
		return err
	}
	for n := range a.options.Workers {
		w, err := a.newWorker(n)
		if err != nil {
			return err
		}
		a.Workers = append(a.Workers, w)
		if err := w.Start(); err != nil {
			return err
		}
	}
	for n := range a.options.Gateways {
		g, err := a.newGateway(n)
		if err != nil {
			return err
		}
		a.Gateways = append(a.Gateways, g)
		if err := g.Start(); err != nil {
			return err
		}
	}
	_, findings := a.settle(ctx)
	if len(findings) > 0 {
		return fmt.Errorf("%w: %s", ErrNoStart, findings[0])
	}
	return ctx.Err()
}

// Close ends everything.
func (a *Arena) Close() error {
	var errs []error
	if a.Database != nil && a.Database.current() != nil {
		// whoever was stopped in the middle of a pause
		_ = a.Database.Resume(context.Background())
	}
	for _, g := range a.Gateways {
		errs = append(errs, g.close())
	}
	for _, w := range a.Workers {
		errs = append(errs, w.close())
	}
	if a.Producers != nil {
		errs = append(errs, a.Producers.close())
	}
	if a.stop != nil {
		a.stop()
	}
	a.background.Wait()
	if a.Broker != nil {
		if a.Broker.NC != nil {
			a.Broker.NC.Close()
		}
		errs = append(errs, a.Broker.Kill())
	}
	if a.Database != nil {
		errs = append(errs, a.Database.close())
	}
	return errors.Join(errs...)
}

// Lease is the workers' lease time.
func (a *Arena) Lease() time.Duration { return a.options.Lease }

// Published is closed when all commands of the act are in their streams.
func (a *Arena) Published() <-chan struct{} { return a.published }

// GoesBack says that the database is about to go back in time. What it returns
// says that it is there again.
func (a *Arena) GoesBack() (cameBack func()) {
	a.wentBackAt.Store(time.Now().UnixNano())
	a.wentBack.Store(true)
	return func() { a.cameBackAt.Store(time.Now().UnixNano()) }
}

// Destroy has a stream destroyed by the function given, while producers wait
// and, if it is that of events, workers stand still. Whatever was in it by then
// is noted. kept is the last sequence that a CutBack leaves.
func (a *Arena) Destroy(ctx context.Context, stream string, loss Loss, kept uint64, destroy func() error) error {
	release := a.Quiet(stream)
	defer release()
	if err := a.archive.destroy(ctx, stream, loss, kept, destroy); err != nil {
		return fmt.Errorf("destroy %s: %w", stream, err)
	}
	for _, class := range messages.Classes() {
		if class.Stream() == stream {
			return a.noteCreated(ctx, class)
		}
	}
	return nil
}

// HoldWorkers keeps workers from being killed or started until release is called.
func (a *Arena) HoldWorkers() (release func()) {
	for _, w := range a.Workers {
		w.Mu.Lock()
	}
	return func() {
		for _, w := range a.Workers {
			w.Mu.Unlock()
		}
	}
}

// Quiet sees to it that nobody writes to a stream until release is called.
func (a *Arena) Quiet(stream string) (release func()) {
	var undo []func()
	if stream == messages.EventsStream {
		undo = append(undo, a.HoldWorkers())
		for _, w := range a.Workers {
			_ = w.Pause() // one that is down does not write either
			undo = append(undo, func() { _ = w.Resume() })
		}
		slices.Reverse(undo)
	} else {
		undo = append(undo, a.Producers.Hold())
	}
	// what was sent before arrives
	_ = Rest(context.Background(), 150*time.Millisecond)
	return func() {
		for _, f := range undo {
			f()
		}
	}
}

// created is when the stream of a class was made, as far as producers know.
func (a *Arena) created(class messages.Class) time.Time {
	return time.Unix(0, a.createdAt[class].Load()).UTC()
}

func (a *Arena) noteCreated(ctx context.Context, class messages.Class) error {
	info, err := a.Broker.Stream(ctx, class.Stream())
	if err == nil {
		a.createdAt[class].Store(info.Created.UnixNano())
	}
	return err
}

// ended notes that a worker ended otherwise than it should.
func (a *Arena) ended(w *Worker, how string) {
	a.Journal.Say("%s %s", w.Name, how)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ends = append(a.ends, judge.Finding{Kind: judge.Ended, Text: fmt.Sprintf("%s %s; the end of its log:\n%s", w.Name, how, tail(w.log))})
}

// Change lets the platform change its numbers, while nothing is under way.
func (a *Arena) Change(ctx context.Context, changes []load.Change) error {
	conn, err := a.Database.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return load.Store(ctx, conn, changes)
}

// Tell runs a statement in the database, for as long as it takes.
func (a *Arena) Tell(ctx context.Context, sql string, args ...any) error {
	return insist(ctx, func(ctx context.Context) error {
		conn, err := a.Database.Connect(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, sql, args...)
		return err
	})
}
