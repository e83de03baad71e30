package main

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/systemtest"
)

func TestDemoDataMayBeLoadedTwice(t *testing.T) {
	t.Parallel()
	_, stderr := runs(t, 1, "demo-data", "--database-url", systemtest.Database(t))
	contains(t, stderr, "connect-provider migrate")

	database := systemtest.MigratedDatabase(t)
	for range 2 {
		out, _ := runs(t, 0, "demo-data", "--database-url", database)
		contains(t, out, "acme")
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the test is over
	var configuration int
	err = conn.QueryRow(t.Context(), "select provider_config_id from telephony.phone_numbers where phone_number = '+1234567890'").Scan(&configuration)
	if err != nil || configuration != 42 {
		t.Errorf("got %d, %v", configuration, err)
	}
}
