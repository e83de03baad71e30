package systemtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/local"
)

// tempPrefix begins the name of every test process's directory; what killed
// processes left is found by it.
const tempPrefix = "connect-provider-test"

// startLimit bounds the start of one server. Pulling an image counts.
const startLimit = 5 * time.Minute

// testProcess is what the tests of this process share.
var testProcess struct {
	mu      sync.Mutex
	inMain  bool
	dir     string
	nextDir int
	ends    []func() error // in order of creation
}

// Main runs the tests and afterwards ends the servers that they shared. It
// returns the exit code.
func Main(m *testing.M) int {
	if faults.NATSProcessRequested() {
		return faults.RunNATSProcess()
	}
	testProcess.inMain = true
	code := m.Run()
	if err := endAll(); err != nil {
		fmt.Fprintln(os.Stderr, "systemtest:", err)
		code = max(code, 1)
	}
	return code
}

func endAll() error {
	testProcess.mu.Lock()
	defer testProcess.mu.Unlock()
	var first error
	for i := len(testProcess.ends) - 1; i >= 0; i-- {
		if err := testProcess.ends[i](); err != nil && first == nil {
			first = err
		}
	}
	testProcess.ends = nil
	return first
}

// atEnd has f called when all tests are over.
func atEnd(f func() error) {
	testProcess.mu.Lock()
	defer testProcess.mu.Unlock()
	testProcess.ends = append(testProcess.ends, f)
}

// requireMain fails a test whose package would leave its servers running.
func requireMain(t testing.TB) {
	t.Helper()
	if !testProcess.inMain {
		t.Fatal("systemtest: this package needs `func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }`")
	}
}

// processDir is the directory of this test process, made at first use.
func processDir() (string, error) {
	testProcess.mu.Lock()
	defer testProcess.mu.Unlock()
	if testProcess.dir != "" {
		return testProcess.dir, nil
	}
	dir, remove, err := local.TempDir(tempPrefix)
	if err != nil {
		return "", err
	}
	testProcess.dir = dir
	testProcess.ends = append(testProcess.ends, remove)
	return dir, nil
}

// newDir names a directory for one server, below the process's; it does not
// make it.
func newDir(name string) (string, error) {
	base, err := processDir()
	if err != nil {
		return "", err
	}
	testProcess.mu.Lock()
	defer testProcess.mu.Unlock()
	testProcess.nextDir++
	return filepath.Join(base, name+"-"+strconv.Itoa(testProcess.nextDir)), nil
}

// startContext is not the test's own: servers are also started and ended in
// cleanups, when that one has ended.
func startContext() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.Background(), startLimit, fmt.Errorf("a test server took longer than %s", startLimit))
}
