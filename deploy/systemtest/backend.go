package systemtest

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"connect-provider/deploy/local"
)

const backendVariable = "CONNECT_TEST_BACKEND"

// inContainers tells where this process's servers run.
func inContainers(t testing.TB) bool {
	t.Helper()
	requireMain(t)
	containers, err := chooseBackend()
	if err != nil {
		t.Fatal(err)
	}
	return containers
}

var chooseBackend = sync.OnceValues(func() (containers bool, err error) {
	switch choice := os.Getenv(backendVariable); choice {
	case "local":
		return false, nil
	case "containers":
		return true, containersUsable()
	case "":
	default:
		return false, fmt.Errorf("systemtest: %s=%q: want local or containers", backendVariable, choice)
	}
	_, missing := local.FindPostgres(local.PostgresOptions{NoDownload: true})
	if missing == nil {
		return false, nil
	}
	if err := containersUsable(); err != nil {
		return false, fmt.Errorf("systemtest: tests need Postgres programs or a container engine.\n%w\n%w\n"+
			"Or set %s=local to let the programs be downloaded", missing, err, backendVariable)
	}
	return true, nil
})
