package worker

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"connect-provider/deploy/systemtest"
)

// TestArraysAreEncodedAsByPgx: what PostgreSQL reads of an array is what pgx
// itself would have sent.
func TestArraysAreEncodedAsByPgx(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, systemtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	text, number, at := "a,\"b\" é\\", int64(-7), time.Date(1999, 12, 31, 23, 59, 59, 123456000, time.UTC)
	document := `{"field": "x", "n": [1, null]}`
	arrays := []struct {
		typ   string
		oid   uint32
		value any
	}{
		{"text", pgtype.TextArrayOID, []string{text, "", strings.Repeat("x", 70_000), "NULL"}},
		{"text", pgtype.TextArrayOID, []string{}},
		{"text", pgtype.TextArrayOID, []string(nil)},
		{"text", pgtype.TextArrayOID, []*string{&text, nil}},
		{"bytea", pgtype.ByteaArrayOID, [][]byte{{0, 255}, {}, nil}},
		{"int8", pgtype.Int8ArrayOID, []int64{number, 0, 1 << 62, -1 << 63}},
		{"int8", pgtype.Int8ArrayOID, []*int64{nil, &number}},
		{"bool", pgtype.BoolArrayOID, []bool{true, false}},
		{"timestamptz", pgtype.TimestamptzArrayOID, []time.Time{at, at.AddDate(80, 0, 0)}},
		{"timestamptz", pgtype.TimestamptzArrayOID, []*time.Time{&at, nil}},
		{"jsonb", pgtype.JSONBArrayOID, []*string{&document, nil}},
	}
	seen := make([][2]string, len(arrays))
	read := func(which int) {
		t.Helper()
		for i, array := range arrays {
			err := conn.QueryRow(ctx, "select coalesce(array_dims($1::"+array.typ+"[]), '') || ' ' || coalesce($1::"+array.typ+"[]::text, 'null')",
				array.value).Scan(&seen[i][which])
			if err != nil {
				t.Fatalf("%s of %T: %v", array.typ, array.value, err)
			}
		}
	}
	read(0)
	if err := encodeArraysFast(ctx, conn); err != nil {
		t.Fatal(err)
	}
	read(1)
	pooled, err := openPool(t, systemtest.Database(t)).Acquire(ctx) // one of NewPool's
	if err != nil {
		t.Fatal(err)
	}
	defer pooled.Release()
	covered := map[string]bool{}
	for i, array := range arrays {
		if seen[i][0] != seen[i][1] {
			t.Errorf("%s of %T is %.200s, pgx has %.200s", array.typ, array.value, seen[i][1], seen[i][0])
		}
		plan := pooled.Conn().TypeMap().PlanEncode(array.oid, pgtype.BinaryFormatCode, array.value)
		if name := reflect.TypeOf(plan).String(); !strings.Contains(name, "arrayPlan") {
			t.Errorf("%s of %T is encoded by %s", array.typ, array.value, name)
		}
		covered[array.typ] = true
	}
	if len(covered) != len(arrayEncoders) {
		t.Errorf("%d of %d array types are tried", len(covered), len(arrayEncoders))
	}
}

// TestTimesAreEncodedAsByPgx: pgx rounds times down as well, also before 2000.
func TestTimesAreEncodedAsByPgx(t *testing.T) {
	t.Parallel()
	types := pgtype.NewMap()
	for _, at := range []time.Time{time.Unix(0, 1999), time.Unix(1<<30, 999_999_999), time.Date(1969, 1, 1, 0, 0, 0, 1, time.UTC)} {
		want, err := types.Encode(pgtype.TimestamptzOID, pgtype.BinaryFormatCode, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendTime(nil, at)[4:]; !bytes.Equal(got, want) {
			t.Errorf("%v is %x, pgx has %x", at, got, want)
		}
	}
}
