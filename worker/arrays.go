package worker

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// pgx encodes an array element by element, each boxed and with a plan of its
// own, and pointers by reflection: that was a quarter of the worker's time.
// These are the columns that batches are made of, written in one go. What is
// not among them is encoded as before.
var arrayEncoders = map[uint32]func(value any) pgtype.EncodePlan{
	pgtype.TextArrayOID: func(value any) pgtype.EncodePlan {
		switch value.(type) {
		case []string:
			return arrayPlan[string]{pgtype.TextOID, appendText}
		case []*string:
			return arrayPlan[*string]{pgtype.TextOID, nullable(appendText)}
		}
		return nil
	},
	pgtype.ByteaArrayOID: func(value any) pgtype.EncodePlan {
		if _, ok := value.([][]byte); ok {
			return arrayPlan[[]byte]{pgtype.ByteaOID, appendBytes}
		}
		return nil
	},
	pgtype.Int8ArrayOID: func(value any) pgtype.EncodePlan {
		switch value.(type) {
		case []int64:
			return arrayPlan[int64]{pgtype.Int8OID, appendInt8}
		case []*int64:
			return arrayPlan[*int64]{pgtype.Int8OID, nullable(appendInt8)}
		}
		return nil
	},
	pgtype.BoolArrayOID: func(value any) pgtype.EncodePlan {
		if _, ok := value.([]bool); ok {
			return arrayPlan[bool]{pgtype.BoolOID, appendBool}
		}
		return nil
	},
	pgtype.TimestamptzArrayOID: func(value any) pgtype.EncodePlan {
		switch value.(type) {
		case []time.Time:
			return arrayPlan[time.Time]{pgtype.TimestamptzOID, appendTime}
		case []*time.Time:
			return arrayPlan[*time.Time]{pgtype.TimestamptzOID, nullable(appendTime)}
		}
		return nil
	},
	pgtype.JSONBArrayOID: func(value any) pgtype.EncodePlan {
		if _, ok := value.([]*string); ok {
			return arrayPlan[*string]{pgtype.JSONBOID, nullable(appendJSONB)}
		}
		return nil
	},
}

// encodeArraysFast makes a new connection encode the arrays of batches in one
// go. It is a pgxpool.Config's AfterConnect.
func encodeArraysFast(_ context.Context, conn *pgx.Conn) error {
	types := conn.TypeMap()
	for oid, plan := range arrayEncoders {
		known, ok := types.TypeForOID(oid)
		if !ok {
			return fmt.Errorf("pgx does not know the array type %d", oid)
		}
		types.RegisterType(&pgtype.Type{Name: known.Name, OID: oid, Codec: arrayCodec{known.Codec, plan}})
	}
	return nil
}

// arrayCodec is pgx's own but for how it encodes some Go types.
type arrayCodec struct {
	pgtype.Codec
	plan func(value any) pgtype.EncodePlan
}

// PlanEncode implements pgtype.Codec.
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		if plan := c.plan(value); plan != nil {
			return plan
		}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

// arrayPlan writes a slice as a one-dimensional array in PostgreSQL's binary
// form (array_send in the server's arrayfuncs.c).
type arrayPlan[T any] struct {
	element uint32
	// append writes an element with its length before it, -1 for null.
	append func(buf []byte, value T) []byte
}

// Encode implements pgtype.EncodePlan.
func (p arrayPlan[T]) Encode(value any, buf []byte) ([]byte, error) {
	values, ok := value.([]T)
	if !ok {
		return nil, fmt.Errorf("an array of %T is encoded as if it were of %T", value, values)
	}
	if values == nil {
		return nil, nil
	}
	dimensions := uint32(1)
	if len(values) == 0 {
		dimensions = 0
	}
	buf = slices.Grow(buf, room(value, len(values)))
	buf = binary.BigEndian.AppendUint32(buf, dimensions)
	buf = binary.BigEndian.AppendUint32(buf, 1) // there may be nulls; the server looks for itself
	buf = binary.BigEndian.AppendUint32(buf, p.element)
	if len(values) == 0 {
		return buf, nil
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(values)))
	buf = binary.BigEndian.AppendUint32(buf, 1) // subscripts begin at 1
	for i := range values {
		buf = p.append(buf, values[i])
	}
	return buf, nil
}

// room is about how many bytes an array of n values takes, so that a buffer need
// not grow again and again while it is filled.
func room(values any, n int) int {
	bytes := 20 + 12*n // the head; a length and a number for each
	switch values := values.(type) {
	case []string:
		for _, value := range values {
			bytes += len(value)
		}
	case [][]byte:
		for _, value := range values {
			bytes += len(value)
		}
	}
	return bytes
}

const null = 0xffffffff // the length of a null, -1

func nullable[T any](write func([]byte, T) []byte) func([]byte, *T) []byte {
	return func(buf []byte, value *T) []byte {
		if value == nil {
			return binary.BigEndian.AppendUint32(buf, null)
		}
		return write(buf, *value)
	}
}

func appendText(buf []byte, value string) []byte {
	return append(binary.BigEndian.AppendUint32(buf, uint32(len(value))), value...)
}

// appendJSONB writes a document behind the version of the form.
func appendJSONB(buf []byte, value string) []byte {
	return append(append(binary.BigEndian.AppendUint32(buf, uint32(len(value)+1)), 1), value...)
}

// appendBytes takes nil for null, as pgx does.
func appendBytes(buf, value []byte) []byte {
	if value == nil {
		return binary.BigEndian.AppendUint32(buf, null)
	}
	return append(binary.BigEndian.AppendUint32(buf, uint32(len(value))), value...)
}

func appendInt8(buf []byte, value int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(buf, 8), uint64(value))
}

func appendBool(buf []byte, value bool) []byte {
	b := byte(0)
	if value {
		b = 1
	}
	return append(binary.BigEndian.AppendUint32(buf, 1), b)
}

// epoch2000 is the instant that PostgreSQL counts microseconds from.
var epoch2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func appendTime(buf []byte, value time.Time) []byte {
	return appendInt8(buf, value.UnixMicro()-epoch2000)
}
