package design

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"

	"connect-provider/outbox"
)

//go:embed sql/floor_connections.sql
var floorConnectionsSQL string

//go:embed sql/floor_inbox.sql
var floorInboxSQL string

// insertBatch writes a batch, from begin to commit, in one round trip.
func insertBatch(b *floorBatch) (func(context.Context, *pgx.Conn, *pgx.Batch) error, error) {
	return func(ctx context.Context, conn *pgx.Conn, then *pgx.Batch) error {
		var q pgx.Batch
		q.Queue("begin")
		q.Queue(floorConnectionsSQL, b.connections...)
		q.Queue(floorInboxSQL, append([]any{b.lane.String(), b.at.UnixNano(), generation}, b.inbox...)...)
		outbox.Append(&q, b.lane, b.rows)
		q.QueuedQueries = append(q.QueuedQueries, then.QueuedQueries...)
		return conn.SendBatch(ctx, &q).Close()
	}, nil
}
