package onboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"connect-provider/messages"
)

// MaxBatch is how many messages the server takes in one atomic batch.
const MaxBatch = 1000

const quietFor = 5 * time.Second

// Options say how a file is run.
type Options struct {
	Job Job
	// StateFile is where known outcomes are kept until the run is complete.
	StateFile string
	// RetryFailed sends rows that failed earlier again, as another attempt.
	RetryFailed bool
	// MaxInFlight bounds the rows that were published and have no outcome yet.
	MaxInFlight int
	// Rate is how many rows are published in a second, 0 without limit.
	Rate int
	// Timeout ends the run when nothing was decided and nothing accepted for so
	// long, 0 never.
	Timeout time.Duration
	// DrainTimeout is the same once the run is interrupted.
	DrainTimeout time.Duration
	Logger       *zap.Logger
}

// Run is one run of a file.
type Run struct {
	options  Options
	platform Platform
	input    *Input
	survey   Survey
	logger   *zap.Logger
	journal  *journal
	limit    *rate.Limiter
	unread   bool // events are not read
	// pause is how often it is looked for rows without an event, and patience how
	// long an event may take once the lane has passed its command.
	pause, patience time.Duration
	// quiet is for how long nothing may be decided until it is said.
	quiet time.Duration

	mu       sync.Mutex
	counts   Counts
	done     rowSet // rows that have their outcome
	flights  map[rowKey]*flight
	accounts map[string]*account // by organization token
	lanes    map[messages.Lane]*lane
	// undecided counts the rows in flight, of bytes size.
	undecided int
	bytes     int
	again     []*flight // to be published again
	sawKnown  bool      // something was published that had been decided before
	stopping  bool
	since     time.Time
	moved     time.Time // the last time that anything went on
	resumed   int64
	waiting   [waiters]string
	news      chan struct{} // holds something when a row was decided, or is to be published again
	failure   error         // of the input or the state file, without which nothing is true
}

// flight is a command on its way, for one row or several that say the same.
type flight struct {
	row
	key     rowKey
	attempt int
	others  []int64  // numbers of rows that repeat it
	known   *outcome // of an earlier attempt

	sequence uint64 // in the bulk stream, 0 until it is accepted
	since    time.Time
	lane     messages.LaneCursor // as it was known when the command was accepted
	tries    int
	landed   bool // it has its outcome, or was given up
}

// account is what a run knows of an organization.
type account struct {
	organization messages.Organization
	began        standing
	asked        bool      // whether began is known
	lane         *lane     // of its bulk commands, nil until it is heard of
	accepted     []*flight // in the stream's order; landed ones go by and by
}

// lane is what a run knows of a lane of bulk commands, from whoever of its
// organizations was asked about.
type lane struct {
	messages.LaneCursor               // as last heard
	cursors             []heardCursor // of the last moments
	looked              time.Time     // when it was last asked for rows without an event
}

// heardCursor is where a lane stood when somebody asked.
type heardCursor struct {
	at     time.Time
	cursor uint64
}

// ErrUndecided says that rows are left without an outcome.
var ErrUndecided = errors.New("rows are left undecided")

// NewRun prepares a run: what an interrupted one left is read. The caller
// closes it.
func NewRun(input *Input, survey Survey, platform Platform, options Options) (*Run, error) {
	r := &Run{
		options: options, platform: platform, input: input, survey: survey, logger: options.Logger,
		flights: map[rowKey]*flight{}, accounts: map[string]*account{}, lanes: map[messages.Lane]*lane{}, news: make(chan struct{}, 1),
		pause: settlePause, patience: eventPatience, quiet: quietFor,
	}
	r.counts = Counts{Rows: survey.Rows, Codes: map[messages.Code]int64{}}
	r.done = newRowSet(survey.Rows)
	if options.Rate > 0 {
		r.limit = rate.NewLimiter(rate.Limit(options.Rate), min(MaxBatch, max(1, options.Rate/10)))
	}
	id := identity{
		Digest: survey.Digest, Job: options.Job.Name, Organization: options.Job.Organization,
		Columns: input.columns, Form: input.Form, Retry: options.RetryFailed,
	}
	var err error
	r.journal, err = openJournal(options.StateFile, id, func(number int64, o *outcome) error {
		if r.done.add(number) {
			r.counts.count(o)
		}
		return nil
	}, func(s standing) {
		r.accounts[s.token] = &account{organization: messages.OrganizationFromKey(s.token), began: s, asked: true}
	})
	if err != nil {
		return nil, err
	}
	r.resumed = r.counts.Decided()
	r.counts.Read = r.resumed
	return r, nil
}

// Resumed is how many rows had their outcome from an interrupted run.
func (r *Run) Resumed() int64 { return r.resumed }

// Close closes the state file.
func (r *Run) Close() error { return r.journal.close() }

// Forget removes the state file, once the reports are complete.
func (r *Run) Forget() error {
	if err := os.Remove(r.options.StateFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Do publishes the rows and waits for the outcome of each. When ctx ends, nothing
// more is published, and what is in flight is waited for. It returns nil when
// every row has its outcome, and ErrUndecided when it was stopped before, or
// nothing went on for too long; then a run with the same options goes on.
func (r *Run) Do(ctx context.Context) error {
	r.mu.Lock()
	r.since, r.moved = time.Now(), time.Now()
	r.mu.Unlock()
	// until here everything goes on that ctx does not end
	working, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	if err := r.follow(ctx, working, stop, &group); err == nil {
		group.Go(func() { r.settle(working, stop) })
		group.Go(func() { r.watchdog(ctx, working, stop) })
		r.publishAll(ctx, working, stop, &group)
	}
	stop(nil)
	group.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.journal.flush(); r.failure == nil {
		r.failure = err
	}
	cause := context.Cause(working)
	switch {
	case r.failure != nil:
		return r.failure
	case r.counts.Undecided() == 0:
		return nil
	case errors.Is(cause, context.Canceled), errors.Is(cause, ErrUndecided):
		return ErrUndecided
	}
	return cause
}

// watchdog ends the run when nothing goes on, and writes the state file.
func (r *Run) watchdog(ctx, working context.Context, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	interrupted := ctx.Done()
	for {
		select {
		case <-working.Done():
			return
		case <-interrupted:
			r.mu.Lock()
			r.stopping, r.moved = true, time.Now()
			r.mu.Unlock()
			interrupted = nil
			r.notify()
		case <-ticker.C:
		}
		r.mu.Lock()
		patience := r.options.Timeout
		if r.stopping {
			patience = r.options.DrainTimeout
		}
		late := patience > 0 && time.Since(r.moved) > patience
		if err := r.journal.flush(); err != nil && r.failure == nil {
			r.failure = err
		}
		failure := r.failure
		r.mu.Unlock()
		switch {
		case failure != nil:
			stop(failure)
		case late:
			stop(ErrUndecided)
		}
	}
}

// publishAll takes rows to the stream until each has its outcome.
func (r *Run) publishAll(ctx, working context.Context, stop context.CancelCauseFunc, group *sync.WaitGroup) {
	chunks, readError := r.read(working, group)
	asking := true
	for {
		var batch []*flight
		select {
		case <-working.Done():
			return
		case <-r.news:
			batch = r.takeAgain()
			if batch == nil {
				if r.finished(ctx, chunks == nil) {
					return
				}
				continue
			}
		case rows, open := <-r.whenOpen(ctx, chunks):
			if !open {
				if err := <-readError; err != nil {
					r.fail(err)
					stop(err)
					return
				}
				chunks = nil
				r.notify()
				continue
			}
			batch = r.board(rows)
		}
		if asking || r.options.RetryFailed || r.strangers(batch) {
			all := len(batch)
			batch = r.resolve(working, stop, batch)
			asking = len(batch) < all
		}
		r.send(ctx, working, stop, batch)
		if r.knownBefore() {
			asking = true
		}
	}
}

// strangers reports whether of one of the organizations nothing has been heard yet
// in this run.
func (r *Run) strangers(batch []*flight) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range batch {
		if a := r.accountOf(f); !a.asked || a.lane == nil {
			return true
		}
	}
	return false
}

func (r *Run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.failure = err
	}
}

// whenOpen is nil, from which nothing comes, once nothing more is to be
// published.
func (r *Run) whenOpen(ctx context.Context, chunks <-chan []row) <-chan []row {
	if ctx.Err() != nil {
		return nil
	}
	return chunks
}

// finished reports whether nothing is left to be waited for.
func (r *Run) finished(ctx context.Context, allRead bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.flights) == 0 && len(r.again) == 0 && (allRead || ctx.Err() != nil)
}

func (r *Run) notify() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// read reads the rows that have no outcome yet, in chunks. Those that can be no
// command get theirs here.
func (r *Run) read(working context.Context, group *sync.WaitGroup) (<-chan []row, <-chan error) {
	chunks, failed := make(chan []row, 2), make(chan error, 1)
	group.Go(func() {
		defer close(chunks)
		failed <- r.readInto(working, chunks)
	})
	return chunks, failed
}

func (r *Run) readInto(working context.Context, chunks chan<- []row) error {
	rows, err := r.input.rows()
	if err != nil {
		return err
	}
	size := MaxBatch
	if r.limit != nil {
		size = r.limit.Burst()
	}
	size = min(size, r.options.MaxInFlight)
	chunk := make([]row, 0, size)
	pass := func() bool {
		select {
		case chunks <- chunk:
			chunk = make([]row, 0, size)
			return true
		case <-working.Done():
			return false
		}
	}
	for {
		record, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the file can't be read any more: %w", err)
		}
		if record.Number > r.survey.Rows {
			return errChanged
		}
		select {
		case <-working.Done():
			return nil
		default:
		}
		if r.isDone(record.Number) {
			continue
		}
		made, failure := r.options.Job.row(record)
		if failure != nil {
			r.decideUnsent(record.Number, failure)
			continue
		}
		if chunk = append(chunk, made); len(chunk) == size && !pass() {
			return nil
		}
	}
	if len(chunk) > 0 && !pass() {
		return nil
	}
	return r.unchanged(rows)
}

var errChanged = errors.New("the file has changed while it was read; run it again as it is now")

// unchanged makes sure that what was read is what the survey has seen.
func (r *Run) unchanged(rows rowReader) error {
	sum, err := rows.digest()
	if err != nil {
		return err
	}
	if fmt.Sprintf("%x", sum) != r.survey.Digest {
		return errChanged
	}
	return nil
}

func (r *Run) isDone(number int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done.has(number) {
		return true
	}
	r.counts.Read++
	return false
}

// decideUnsent notes a row that can be no command.
func (r *Run) decideUnsent(number int64, failure *messages.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(number, &outcome{failure: failure, own: true, attempt: 1})
}

// note notes a row's outcome. r.mu is held.
func (r *Run) note(number int64, o *outcome) {
	if !r.done.add(number) {
		return
	}
	r.counts.count(o)
	r.moved = time.Now()
	if err := r.journal.add(number, o); err != nil && r.failure == nil {
		r.failure = err
	}
}

// land gives a flight's rows their outcome. r.mu is held.
func (r *Run) land(f *flight, o *outcome) {
	if f.landed {
		return
	}
	o.attempt = f.attempt
	r.note(f.number, o)
	for _, number := range f.others {
		r.note(number, o)
	}
	r.remove(f)
}

// remove takes a flight out. r.mu is held.
func (r *Run) remove(f *flight) {
	f.landed = true
	if r.flights[f.key] == f {
		delete(r.flights, f.key)
		r.undecided--
		r.bytes -= f.size()
	}
	r.notify()
}

// size is about how much memory a flight takes.
func (f *flight) size() int {
	return 300 + len(f.bridge) + len(f.phone) + len(f.id) + len(f.organization.Token) + len(f.body)
}

// board makes flights of rows. A row that says what one in flight says joins it.
func (r *Run) board(rows []row) []*flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := make([]*flight, 0, len(rows))
	for _, row := range rows {
		f := &flight{row: row, attempt: 1, key: keyOf(row.organization.Token, row.id, row.bridge, row.config, row.phone)}
		if other := r.flights[f.key]; other != nil {
			other.others = append(other.others, row.number)
			r.counts.Repeated++
			continue
		}
		r.enter(f)
		batch = append(batch, f)
	}
	return batch
}

// enter takes a flight in. r.mu is held.
func (r *Run) enter(f *flight) {
	r.flights[f.key] = f
	r.undecided++
	r.bytes += f.size()
}

// accountOf returns what is known of a flight's organization. r.mu is held.
func (r *Run) accountOf(f *flight) *account {
	a := r.accounts[f.organization.Token]
	if a == nil {
		a = &account{organization: f.organization}
		r.accounts[f.organization.Token] = a
	}
	return a
}

// rowSet is a set of row numbers, a bit for each.
type rowSet struct{ bits []uint64 }

func newRowSet(rows int64) rowSet { return rowSet{bits: make([]uint64, (rows+64)/64+1)} }

func (s *rowSet) has(number int64) bool {
	i := number / 64
	return number >= 0 && i < int64(len(s.bits)) && s.bits[i]&(1<<(number%64)) != 0
}

// add reports whether the number was not in the set.
func (s *rowSet) add(number int64) bool {
	i := number / 64
	if number < 0 || i >= int64(len(s.bits)) || s.has(number) {
		return false
	}
	s.bits[i] |= 1 << (number % 64)
	return true
}
