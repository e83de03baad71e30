package worker

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"connect-provider/messages"
	"connect-provider/outbox"
)

//go:embed sql/heartbeat.sql
var heartbeatSQL string

//go:embed sql/renew.sql
var renewSQL string

//go:embed sql/claim.sql
var claimSQL string

//go:embed sql/leave.sql
var leaveSQL string

// workersSubject is where workers tell each other that lanes were released, or
// that one has joined. It only saves time: leases are settled in the database,
// and what is said there by others is nothing but a reason to look (rounds.go).
const workersSubject = "telephony.workers"

// keepLeases renews this worker's leases, claims its fair share of lanes and
// hands back what is over it, until the context ends.
func (w *Worker) keepLeases(ctx context.Context) error {
	interval := w.config.LeaseTTL / 3
	due := newRounds(w.nudged)
	defer due.stop()
	for joined := false; due.next(ctx); {
		start := time.Now()
		if due.wasAsked {
			for _, run := range w.runs() {
				tell(run.nudged)
			}
		}
		err := w.lease(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.setUnready(err)
			w.logger.Warn("leases not renewed, will retry: without success within the lease time other workers take the lanes over",
				zap.Duration("lease_time", w.config.LeaseTTL), zap.Error(err))
		default:
			w.setReady()
			if !joined {
				// now that this worker counts, the others can hand back its share
				joined = w.tellWorkers() == nil
			}
		}
		due.after(interval - time.Since(start))
	}
	return nil
}

// lease does one round. A worker that has lost NATS does nothing: it can't
// work, so it must not count as live or keep lanes from others.
func (w *Worker) lease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.config.LeaseTTL)
	defer cancel()
	if err := w.reachNATS(ctx); err != nil {
		return err
	}
	live, err := w.renew(ctx)
	if err != nil {
		return err
	}
	w.committed()
	if w.laneLost.Swap(false) {
		// a database that was restored may be from before its first start
		if err := w.recordLanes(ctx, w.laneNumbers()); err != nil {
			w.laneLost.Store(true)
			return err
		}
	}
	for _, class := range messages.Classes() {
		if err := w.balance(ctx, class, live); err != nil {
			return err
		}
	}
	return nil
}

// reachNATS makes sure that the server answers: a connection whose peer has
// vanished looks connected for minutes.
func (w *Worker) reachNATS(ctx context.Context) error {
	nc := w.config.NATS
	if !nc.IsConnected() {
		return fmt.Errorf("NATS: not connected (%s), waiting for it", nc.Status())
	}
	ctx, cancel := context.WithTimeout(ctx, w.config.LeaseTTL/2)
	defer cancel()
	if err := nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("NATS: %s does not answer: %w", nc.ConnectedUrlRedacted(), err)
	}
	return nil
}

// renew says that this worker lives and extends its leases, in one round trip.
// Lanes that turn out to be another's are dropped, and those that the database
// has further back than they were: it was restored, or a standby that lagged
// took its place, and a lane without commands would not notice. It returns the
// number of live workers.
func (w *Worker) renew(ctx context.Context) (live int, err error) {
	runs := w.runs()
	lanes, tokens := make([]string, len(runs)), make([]uuid.UUID, len(runs))
	reached := make([]standing, len(runs))
	for i, run := range runs {
		lanes[i], tokens[i], reached[i] = run.lane.String(), run.row.owner.token, *run.reached.Load()
	}
	mine := make(map[uuid.UUID]standing, len(runs))
	var q pgx.Batch
	q.Queue(heartbeatSQL, w.id, w.config.Name, w.config.Version, w.config.LeaseTTL.Seconds()).QueryRow(func(row pgx.Row) error {
		return row.Scan(&live)
	})
	q.Queue(renewSQL, lanes, tokens, w.config.LeaseTTL.Seconds()).Query(func(rows pgx.Rows) error {
		var token uuid.UUID
		var generation, cursor, created, lastEvent int64
		_, err := pgx.ForEachRow(rows, []any{&token, &generation, &cursor, &created, &lastEvent}, func() error {
			mine[token] = standing{messages.Position{Generation: generation, Sequence: uint64(cursor)}, created, uint64(lastEvent)}
			return nil
		})
		return err
	})
	if err := w.pool.SendBatch(ctx, &q).Close(); err != nil {
		return 0, fmt.Errorf("renew leases: %w", err)
	}
	for i, run := range runs {
		if row, ok := mine[tokens[i]]; !ok || row.behind(reached[i]) {
			run.drop(outbox.ErrLost)
		}
	}
	return live, nil
}

// balance claims lanes of a class up to this worker's share (lanes by live
// workers, rounded up) and hands back what is over it.
func (w *Worker) balance(ctx context.Context, class messages.Class, live int) error {
	lanes := w.lanesOf(class)
	share := (lanes + live - 1) / live
	var owned []*laneRun
	for _, run := range w.runs() {
		if run.lane.Class == class {
			owned = append(owned, run)
		}
	}
	if len(owned) >= share {
		// in order, so that the next round hands back the same ones if they are
		// not finished by then, and lane 0, which has the upkeep, stays
		slices.SortFunc(owned, func(a, b *laneRun) int { return a.lane.Number - b.lane.Number })
		for _, run := range owned[share:] {
			run.handBack()
		}
		return nil
	}
	rows, err := w.pool.Query(ctx, claimSQL, w.id, class.Letter(), share-len(owned), w.config.LeaseTTL.Seconds())
	if err != nil {
		return fmt.Errorf("claim lanes: %w", err)
	}
	claimed, err := pgx.CollectRows(rows, scanLane)
	if err != nil {
		return fmt.Errorf("claim lanes: %w", err)
	}
	for _, row := range claimed {
		w.metrics.leaseChanged("claimed")
		w.logger.Info("lane claimed", zap.Stringer("lane", row.lane), zap.Int64("epoch", row.owner.epoch), zap.Uint64("cursor", row.cursor))
		w.startLane(newLaneRun(w.lanesCtx, w, row))
	}
	return nil
}

func scanLane(row pgx.CollectableRow) (laneRow, error) {
	var r laneRow
	var lane string
	var cursor, lastEvent int64
	var replayFrom, replayGeneration, replaySequence *int64
	err := row.Scan(&lane, &r.owner.token, &r.owner.epoch, &r.streamCreated, &r.generation, &cursor, &r.cursorTime,
		&r.eventsCreated, &lastEvent, &replayFrom, &replayGeneration, &replaySequence)
	if err != nil {
		return r, err
	}
	r.cursor, r.lastEvent = uint64(cursor), uint64(lastEvent)
	if replayFrom != nil {
		r.replay = &outbox.Span{From: uint64(*replayFrom),
			Until: messages.Position{Generation: *replayGeneration, Sequence: uint64(*replaySequence)}}
	}
	r.lane, err = messages.ParseLane(lane)
	return r, err
}

// leave signs off in the database and tells the others.
func (w *Worker) leave(ctx context.Context) error {
	if _, err := w.pool.Exec(ctx, leaveSQL, w.id); err != nil {
		return fmt.Errorf("sign off: %w", err)
	}
	if err := w.tellWorkers(); err != nil {
		// they find out by themselves
		w.logger.Debug("could not tell the other workers", zap.Error(err))
	}
	return nil
}

func (w *Worker) tellWorkers() error {
	if err := w.config.NATS.Publish(workersSubject, []byte(w.id.String())); err != nil {
		return err
	}
	return w.config.NATS.Flush()
}
