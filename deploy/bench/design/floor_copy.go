package design

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// copied is a table's part of a batch, as COPY reads it.
type copied struct {
	sql  string
	data []byte
}

// copyBatch writes a batch in a round trip for each table and two for the
// transaction.
func copyBatch(b *floorBatch) (func(context.Context, *pgx.Conn, *pgx.Batch) error, error) {
	tables, err := b.copied()
	return func(ctx context.Context, conn *pgx.Conn, then *pgx.Batch) error {
		if _, err := conn.Exec(ctx, "begin"); err != nil {
			return err
		}
		for _, table := range tables {
			if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(table.data), table.sql); err != nil {
				return err
			}
		}
		return conn.SendBatch(ctx, then).Close()
	}, err
}

func (b *floorBatch) copied() ([]copied, error) {
	inbox, outbox := make([][]any, len(b.inbox)), make([][]any, len(b.rows))
	for i, row := range b.inbox {
		inbox[i] = append([]any{b.lane.String(), b.at.UnixNano(), int64(generation), b.at}, row...)
	}
	for i, row := range b.rows {
		outbox[i] = []any{b.lane.String(), row.Position.Generation, int64(row.Position.Sequence), row.Subject, row.Payload}
	}
	tables := make([]copied, 3)
	for i, table := range []struct {
		name  string
		types []uint32
		rows  [][]any
	}{
		{"connections (phone_number, domain_handle, bridge_slug, provider_config_id, provider, connection_version, connected_at)",
			[]uint32{text, text, text, bigint, text, bigint, timestamp}, b.connections},
		{"inbox (lane, stream_created, generation, decided_at, org_token, key, digest, sequence, message_time, bridge_slug, provider_config_id, phone_number, provider, changed, connection_version, connected_at, failure_code, failure)",
			[]uint32{text, bigint, bigint, timestamp, text, text, bytea, bigint, bigint, text, bigint, text, text, boolean, bigint, timestamp, text, jsonb}, inbox},
		{"outbox (lane, generation, sequence, subject, payload)",
			[]uint32{text, bigint, bigint, text, bytea}, outbox},
	} {
		data, err := encodeCopy(table.types, table.rows)
		if err != nil {
			return nil, err
		}
		tables[i] = copied{"copy connect_provider." + table.name + " from stdin binary", data}
	}
	return tables, nil
}

const (
	text      = pgtype.TextOID
	bigint    = pgtype.Int8OID
	timestamp = pgtype.TimestamptzOID
	bytea     = pgtype.ByteaOID
	boolean   = pgtype.BoolOID
	jsonb     = pgtype.JSONBOID
)

// encodeCopy writes rows in COPY's binary format: a header of 19 bytes, the number
// of fields before each row, the length before each field, -1 at the end.
func encodeCopy(types []uint32, rows [][]any) ([]byte, error) {
	m := pgtype.NewMap()
	data := append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)
	for _, row := range rows {
		data = binary.BigEndian.AppendUint16(data, uint16(len(row)))
		for i, value := range row {
			field, err := m.Encode(types[i], pgtype.BinaryFormatCode, value, []byte{})
			if err != nil {
				return nil, err
			}
			if field == nil {
				data = append(data, 0xff, 0xff, 0xff, 0xff)
				continue
			}
			data = append(binary.BigEndian.AppendUint32(data, uint32(len(field))), field...)
		}
	}
	return append(data, 0xff, 0xff), nil
}
