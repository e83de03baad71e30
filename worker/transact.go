package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"connect-provider/messages"
	"connect-provider/outbox"
)

const (
	// statementTimeout bounds each round trip before COMMIT.
	statementTimeout = 30 * time.Second
	// commitTimeout is after how long an unanswered COMMIT is given up: its
	// connection is cut, never cancelled, since a cancelled wait for a
	// synchronous standby has committed.
	commitTimeout = 30 * time.Second
)

// transact applies one batch, up to its first paused command, in one
// transaction: lock, load, decide, write, commit. It returns what was decided
// and the outbox rows that now wait to be published. When it returns an error
// other than errInDoubt, nothing has happened.
func (l *laneRun) transact(ctx context.Context, batch []*messages.Received, poisoned map[uint64]string) (decisions []decision, rows []outbox.Row, move cursorMove, err error) {
	conn, err := l.worker.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, move, fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	stages := l.worker.metrics.stages(l.lane.Class)
	bounded, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()

	s, batch, err := l.loadUnpaused(bounded, conn, batch, poisoned)
	if err != nil {
		return nil, nil, move, rollback(conn, err)
	}
	stages.within("lock", s.lockWait)
	stages.end("load")
	move = l.nextMove(batch)
	decisions, rows, err = l.decideBatch(s, batch, poisoned, move)
	if err != nil {
		return nil, nil, move, rollback(conn, err)
	}
	stages.end("decide")
	if err := write(bounded, conn.Conn(), move, s, decisions, rows); err != nil {
		return nil, nil, move, rollback(conn, err)
	}
	stages.end("write")
	l.span.settling(move.to, len(batch))
	if err := commit(conn); err != nil {
		return decisions, rows, move, err
	}
	stages.end("commit")
	return decisions, rows, move, nil
}

// loadUnpaused begins the transaction and returns the state of the batch's part
// before its first paused command, and that part. Where the state can't be read
// it is tried without what is paused: that may be what it is paused for.
func (l *laneRun) loadUnpaused(ctx context.Context, conn *pgxpool.Conn, batch []*messages.Received, poisoned map[uint64]string) (*state, []*messages.Received, error) {
	for {
		s, err := lockAndLoad(ctx, conn.Conn(), l.lane, l.worker.config.LeaseTTL, batch, poisoned)
		unpaused, paused := s.beforePause(batch)
		switch {
		case paused != nil:
			return nil, nil, paused
		case err == nil:
			return s, unpaused, nil
		case len(unpaused) == len(batch) || conn.Conn().IsClosed():
			return nil, nil, err
		}
		_ = rollback(conn, err)
		batch = unpaused
	}
}

// decideBatch runs the pure part. A panic in it becomes an error.
func (l *laneRun) decideBatch(s *state, batch []*messages.Received, poisoned map[uint64]string, move cursorMove) (decisions []decision, rows []outbox.Row, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value}
		}
	}()
	decisions = l.worker.decide(s, batch, poisoned, move.at)
	rows, err = outcomeRows(move, decisions)
	return decisions, rows, err
}

// outcomeRows makes the events of a batch, in order.
func outcomeRows(move cursorMove, decisions []decision) ([]outbox.Row, error) {
	rows := make([]outbox.Row, 0, len(decisions))
	for i := range decisions {
		d := &decisions[i]
		if d.repeat {
			continue
		}
		event := messages.NewEvent(d.received, move.generation, d.outcome, d.key, move.at)
		payload, err := event.Encode()
		if err != nil {
			return nil, fmt.Errorf("encode the event of command %d: %w", d.received.Sequence, err)
		}
		rows = append(rows, outbox.Row{
			Position: messages.Position{Generation: move.generation, Sequence: d.received.Sequence},
			Subject:  messages.EventSubject(move.lane, d.received.Organization, event.Type),
			Payload:  payload,
		})
	}
	return rows, nil
}

// commit sends COMMIT and waits for the answer for as long as it takes, up to
// commitTimeout. It is never cancelled. An error means doubt, save where the
// server itself says that it rolled back.
func commit(conn *pgxpool.Conn) error {
	raw := conn.Conn().PgConn().Conn()
	watchdog := time.AfterFunc(commitTimeout, func() { _ = raw.Close() })
	defer watchdog.Stop()
	tag, err := conn.Conn().PgConn().Exec(context.Background(), "commit").ReadAll()
	if err != nil {
		return fmt.Errorf("%w: %w", errInDoubt, err)
	}
	if len(tag) != 1 || tag[0].CommandTag.String() != "COMMIT" {
		return fmt.Errorf("the transaction was rolled back: %w", errDecideAgain)
	}
	return nil
}

// rollback ends the transaction and returns the error that made it necessary.
// A connection that can't say so is closed by the pool.
func rollback(conn *pgxpool.Conn, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
	defer cancel()
	if conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed() {
		_, _ = conn.Exec(ctx, "rollback", pgx.QueryExecModeSimpleProtocol)
	}
	return cause
}

// isNetwork tells errors of the connection itself.
func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
