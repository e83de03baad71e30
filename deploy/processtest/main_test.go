package processtest

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"connect-provider/deploy/local"
	"connect-provider/deploy/systemtest"
)

func TestMain(m *testing.M) {
	code := systemtest.Main(m)
	if built.remove != nil {
		if err := built.remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// seed is where a test's randomness begins.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	start := uint64(time.Now().UnixNano())
	if given := os.Getenv("CONNECT_TEST_SEED"); given != "" {
		var err error
		if start, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("CONNECT_TEST_SEED: %v", err)
		}
	}
	t.Logf("replay with CONNECT_TEST_SEED=%d", start)
	return rand.New(rand.NewPCG(start, 2))
}

// program is the service's binary, built at first use.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() { built.err = build() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

var built struct {
	once   sync.Once
	path   string
	remove func() error
	err    error
}

func build() (err error) {
	var dir string
	if dir, built.remove, err = local.TempDir("connect-provider-processtest"); err != nil {
		return err
	}
	// what the program is made of is no part of this test binary: looking at it
	// tells Go's test cache that the result depends on it
	for _, part := range []string{"cmd", "messages", "outbox", "worker", "deploy/migrations", "deploy/local", "deploy/demo", "deploy/nats", "deploy/credentials", "deploy/workload"} {
		err := filepath.WalkDir(filepath.Join("../..", part), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	built.path = filepath.Join(dir, "connect-provider")
	// connectctl stands beside it
	if out, err := exec.Command("go", "build", "-o", dir, "connect-provider/cmd/connect-provider", "connect-provider/cmd/connectctl").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}
