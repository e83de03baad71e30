package systemtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"connect-provider/deploy/local"
	"connect-provider/deploy/systemtest"
)

const servedVariable = "CONNECT_TEST_SERVED"

// TestServed is the test process that the test below runs, and kills. By itself
// it has nothing to do.
func TestServed(t *testing.T) {
	if os.Getenv(servedVariable) == "" {
		return
	}
	fmt.Println("\nserved", systemtest.Database(t), systemtest.PrivatePostgres(t).URL(), systemtest.NATSProcess(t).URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// What a killed test process leaves is gone at the latest when the next one has
// run.
func TestAKilledTestProcessLeavesNothing(t *testing.T) {
	t.Parallel()
	temp, remove, err := local.TempDir("connect-provider-killed")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := remove(); err != nil {
			t.Error(err)
		}
	})

	killed, _, urls := serve(t, temp)
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // says that it was killed
	pattern := filepath.Join(temp, "connect-provider-test-*")
	left, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour) // directories just made are left alone
	for _, dir := range left {
		if err := os.Chtimes(dir, long, long); err != nil {
			t.Fatal(err)
		}
	}

	next, life, _ := serve(t, temp)
	if err := life.Close(); err != nil {
		t.Fatal(err)
	}
	if err := next.Wait(); err != nil {
		t.Fatal(err)
	}
	systemtest.Eventually(t, "the servers to end", func() error {
		for _, url := range urls {
			if answers(t.Context(), url) {
				return fmt.Errorf("%s answers", url)
			}
		}
		return nil
	})
	if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// serve runs TestServed until its standard input ends.
func serve(t *testing.T, temp string) (cmd *exec.Cmd, life io.Closer, urls []string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(program, "-test.run=^TestServed$", "-test.v")
	cmd.Env = append(os.Environ(), servedVariable+"=yes", "TMPDIR="+temp)
	life, err = cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = life.Close() })
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); fmt.Fprintln(&said, lines.Text()) {
		if fields := strings.Fields(lines.Text()); len(fields) == 4 && fields[0] == "served" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return cmd, life, fields[1:]
		}
	}
	t.Fatalf("the test process said:\n%s", said.String())
	return nil, nil, nil
}

func answers(ctx context.Context, url string) bool {
	if strings.HasPrefix(url, "nats:") {
		conn, err := nats.Connect(url, nats.NoReconnect())
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		err = errors.Join(err, conn.Close(ctx))
	}
	return err == nil
}
