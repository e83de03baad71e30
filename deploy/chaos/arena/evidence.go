package arena

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/chaos/judge"
	"connect-provider/messages"
)

// evidence takes down what an act that began at a time has left. The database's
// clock is this machine's.
func (a *Arena) evidence(ctx context.Context, began time.Time) (*judge.Evidence, error) {
	e := &judge.Evidence{Connections: map[string]judge.Connection{}, Destroyed: a.archive.destroyed()}
	var err error
	if e.Stored, e.Events, err = a.archive.take(); err != nil {
		return nil, err
	}
	e.Told, e.Asked, e.Answers = a.Producers.take()
	e.Early = a.watcher.take(ctx)
	conn, err := a.Database.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, read := range []func() error{
		func() error { return readRows(ctx, conn, began, e) },
		func() error { return readConnections(ctx, conn, e) },
		func() error { return readLetters(ctx, conn, began, e) },
		func() error { return readLanes(ctx, conn, e) },
		func() error {
			return conn.QueryRow(ctx, `select (select count(*) from connect_provider.inbox), (select count(*) from connect_provider.dead_letters), (select count(*) from connect_provider.outbox)`).
				Scan(&e.Inbox, &e.AllLetters, &e.Outbox)
		},
	} {
		if err := read(); err != nil {
			return nil, fmt.Errorf("take evidence: %w", err)
		}
	}
	return e, nil
}

func readRows(ctx context.Context, conn *pgx.Conn, began time.Time, e *judge.Evidence) error {
	rows, err := conn.Query(ctx, `
		select org_token, key, digest, lane, stream_created, generation, sequence, message_time, pg_xact_commit_timestamp(xmin), xmin::text::bigint,
		       coalesce(provider, ''), changed, coalesce(connection_version, 0), connected_at, coalesce(failure_code, ''), coalesce(failure, '{}'),
		       coalesce(bridge_slug, ''), coalesce(provider_config_id, 0), coalesce(phone_number, '')
		from connect_provider.inbox where decided_at >= $1`, began)
	if err != nil {
		return err
	}
	e.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*judge.Row, error) {
		r := &judge.Row{}
		var lane, code string
		var digest, failure []byte
		var sequence, transaction int64
		var committed, connected *time.Time
		if err := row.Scan(&r.Token, &r.Key, &digest, &lane, &r.StreamCreated, &r.Generation, &sequence, &r.MessageTime, &committed, &transaction,
			&r.Outcome.Provider, &r.Outcome.Changed, &r.Outcome.ConnectionVersion, &connected, &code, &failure,
			&r.Command.BridgeSlug, &r.Command.ProviderConfigID, &r.Command.PhoneNumber); err != nil {
			return nil, err
		}
		if committed == nil {
			return nil, fmt.Errorf("the server does not know when the row %s was committed", r.Key)
		}
		r.Committed, r.Transaction, r.Sequence, r.Digest = *committed, uint64(transaction), uint64(sequence), [16]byte(digest)
		if connected != nil {
			r.Outcome.ConnectedAt = *connected
		}
		if code != "" {
			r.Outcome.Failure = &messages.Failure{Code: messages.Code(code)}
			if err := json.Unmarshal(failure, r.Outcome.Failure); err != nil {
				return nil, err
			}
		}
		var err error
		r.Lane, err = messages.ParseLane(lane)
		return r, err
	})
	return err
}

func readConnections(ctx context.Context, conn *pgx.Conn, e *judge.Evidence) error {
	rows, err := conn.Query(ctx, `select phone_number, domain_handle, bridge_slug, provider_config_id, provider, connection_version, connected_at from connect_provider.connections`)
	if err != nil {
		return err
	}
	var phone string
	var c judge.Connection
	_, err = pgx.ForEachRow(rows, []any{&phone, &c.Handle, &c.Bridge, &c.Configuration, &c.Provider, &c.Version, &c.ConnectedAt}, func() error {
		e.Connections[phone] = c
		return nil
	})
	return err
}

func readLetters(ctx context.Context, conn *pgx.Conn, began time.Time, e *judge.Evidence) error {
	rows, err := conn.Query(ctx, `select lane, stream_created, sequence, message_time, org_token, code, subject, headers, body from connect_provider.dead_letters where died_at >= $1`, began)
	if err != nil {
		return err
	}
	e.Letters, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l judge.Letter, err error) {
		var lane string
		var sequence int64
		if err := row.Scan(&lane, &l.StreamCreated, &sequence, &l.MessageTime, &l.Token, &l.Code, &l.Subject, &l.Headers, &l.Body); err != nil {
			return l, err
		}
		l.Sequence = uint64(sequence)
		l.Lane, err = messages.ParseLane(lane)
		return l, err
	})
	return err
}

func readLanes(ctx context.Context, conn *pgx.Conn, e *judge.Evidence) error {
	rows, err := conn.Query(ctx, `select lane, stream_created, generation, cursor, cursor_time, last_event from connect_provider.lanes`)
	if err != nil {
		return err
	}
	e.Lanes, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l judge.LaneRow, err error) {
		var lane string
		var cursor, lastEvent int64
		if err := row.Scan(&lane, &l.StreamCreated, &l.Generation, &cursor, &l.CursorTime, &lastEvent); err != nil {
			return l, err
		}
		l.Cursor, l.LastEvent = uint64(cursor), uint64(lastEvent)
		l.Lane, err = messages.ParseLane(lane)
		return l, err
	})
	return err
}

// epochs returns how often each lane has changed hands.
func (a *Arena) epochs(ctx context.Context) (map[string]int64, error) {
	conn, err := a.Database.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `select lane, epoch from connect_provider.lanes`)
	if err != nil {
		return nil, err
	}
	epochs := map[string]int64{}
	var lane string
	var epoch int64
	_, err = pgx.ForEachRow(rows, []any{&lane, &epoch}, func() error {
		epochs[lane] = epoch
		return nil
	})
	return epochs, err
}
