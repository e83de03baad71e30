package connection_test

import (
	"testing"

	"connect-provider/cmd/internal/connection"
)

func TestMaskURL(t *testing.T) {
	for given, want := range map[string]string{
		"postgres://user:secret@host:5432/name?sslmode=disable":     "postgres://user:xxxxx@host:5432/name?sslmode=disable",
		"postgres://user@host/name?password=secret":                 "postgres://user@host/name?password=xxxxx",
		"postgresql://user:secret@host/name?sslpassword=secret&a=b": "postgresql://user:xxxxx@host/name?a=b&sslpassword=xxxxx",
		"postgres://host/name":                                      "postgres://host/name",
		"host=h user=u password=secret dbname=d":                    "host=h user=u password=xxxxx dbname=d",
		`host=h password = 'se\'cret word' dbname=d`:                "host=h password=xxxxx dbname=d",
		"postgres://user:se/cret@host/name":                         "(not shown)",
		"nats://one:4222":                                           "nats://one:4222",
		"nats://user:secret@one:4222,nats://two":                    "nats://user:xxxxx@one:4222,nats://two",
		"nats://secrettoken@one":                                    "nats://xxxxx@one",
		"one:4222":                                                  "one:4222",
		"user:secret@one:4222":                                      "(not shown)",
		"postgres://user:sec,ret@one:1,two:2/name":                  "postgres://user:xxxxx@one:1,two:2/name",
		"nats://user:sec,ret@one,nats://two":                        "(not shown)",
	} {
		if got := connection.MaskURL(given); got != want {
			t.Errorf("%s\n got %s\nwant %s", given, got, want)
		}
	}
}
