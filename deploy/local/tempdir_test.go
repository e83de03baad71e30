package local_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"connect-provider/deploy/local"
)

func TestTempDirRemovesWhatKilledProcessesLeft(t *testing.T) {
	t.Parallel()
	prefix := "connect-provider-local-test-" + uuid.NewString()
	abandoned, err := os.MkdirTemp("", prefix+"-")
	if err != nil {
		t.Fatal(err)
	}
	held, remove, err := local.TempDir(prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := remove(); err != nil {
			t.Error(err)
		}
	}()
	old := time.Now().Add(-time.Hour)
	for _, dir := range []string{abandoned, held} {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	dir, remove2, err := local.TempDir(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(dir, prefix) {
		t.Errorf("got %s", dir)
	}
	if _, err := os.Stat(abandoned); !os.IsNotExist(err) {
		t.Errorf("the abandoned directory is still there: %v", err)
	}
	if _, err := os.Stat(held); err != nil {
		t.Errorf("a directory in use is gone: %v", err)
	}
	if err := remove2(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("not removed: %v", err)
	}
}
