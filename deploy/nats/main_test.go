package nats_test

import (
	"os"
	"testing"

	"connect-provider/deploy/systemtest"
)

func TestMain(m *testing.M) {
	code := systemtest.Main(m)
	if keys, err := keyring(); err == nil {
		_ = os.RemoveAll(keys) //nolint:errcheck // the system clears its temporary directory
	}
	os.Exit(code)
}
