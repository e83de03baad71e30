package local_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"connect-provider/deploy/local"
)

// stackVariable makes the test program a stack on the directory it names,
// until its standard input ends.
const stackVariable = "CONNECT_LOCAL_TEST_STACK"

func TestMain(m *testing.M) {
	if dir := os.Getenv(stackVariable); dir != "" {
		os.Exit(runStack(dir))
	}
	os.Exit(m.Run())
}

func runStack(dir string) int {
	s, err := local.Start(context.Background(), local.Options{Dir: dir, Unsynced: true})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(s.NATSURL, s.DatabaseURL)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// stackProcess is a stack in a process of its own.
type stackProcess struct {
	cmd                  *exec.Cmd
	life                 io.Closer
	natsURL, databaseURL string
}

func startStackProcess(t *testing.T, cmd *exec.Cmd, dir string) *stackProcess {
	t.Helper()
	cmd.Env = append(os.Environ(), stackVariable+"="+dir)
	life, err := cmd.StdinPipe()
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
	p := &stackProcess{cmd: cmd, life: life}
	t.Cleanup(func() {
		_ = life.Close()
		_ = cmd.Wait() // the test may have waited already
	})
	said, err := bufio.NewReader(out).ReadString('\n')
	urls := strings.Fields(said)
	if err != nil || len(urls) != 2 || !strings.HasPrefix(urls[0], "nats://") {
		rest, _ := io.ReadAll(out)
		t.Fatalf("the stack said %q %q: %v", said, rest, err)
	}
	p.natsURL, p.databaseURL = urls[0], urls[1]
	return p
}
