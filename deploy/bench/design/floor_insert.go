package design

import (
	"context"
	"reflect"

	"github.com/jackc/pgx/v5"

	"connect-provider/outbox"
	"connect-provider/worker"
)

// insertBatch writes a batch by the worker's own statements, from begin to commit,
// in one round trip.
func insertBatch(b *floorBatch) (func(context.Context, *pgx.Conn, *pgx.Batch) error, error) {
	connectionsSQL, inboxSQL := worker.WriteStatements()
	connections := columns(b.connections)
	inbox := append([]any{b.lane.String(), b.at.UnixNano(), generation}, columns(b.inbox)...)
	return func(ctx context.Context, conn *pgx.Conn, then *pgx.Batch) error {
		var q pgx.Batch
		q.Queue("begin")
		q.Queue(connectionsSQL, connections...)
		q.Queue(inboxSQL, inbox...)
		outbox.Append(&q, b.lane, b.rows)
		q.QueuedQueries = append(q.QueuedQueries, then.QueuedQueries...)
		return conn.SendBatch(ctx, &q).Close()
	}, nil
}

// columns turns rows into slices of their values' types.
func columns(rows [][]any) []any {
	made := make([]any, len(rows[0]))
	for i, value := range rows[0] {
		column := reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(value)), 0, len(rows))
		for _, row := range rows {
			column = reflect.Append(column, reflect.ValueOf(row[i]))
		}
		made[i] = column.Interface()
	}
	return made
}
