package local_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"connect-provider/deploy/local"
)

func TestAKilledStackIsRecovered(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "stack")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		p := startStackProcess(t, exec.Command(program), dir)
		execute(t, p.databaseURL, "CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)")
		publish(t, p.natsURL, "kept.1")
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.cmd.Wait() // says that it was killed

		s := start(t, local.Options{Dir: dir})
		if s.NATSURL != p.natsURL || s.DatabaseURL != p.databaseURL {
			t.Errorf("URLs changed from %s, %s to %s, %s", p.natsURL, p.databaseURL, s.NATSURL, s.DatabaseURL)
		}
		if n := number(t, s.DatabaseURL, "SELECT count(*) FROM kept"); n != round+1 {
			t.Errorf("%d rows, want %d", n, round+1)
		}
		if n := stored(t, s.NATSURL); n != uint64(round+1) {
			t.Errorf("the stream has %d messages, want %d", n, round+1)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Where the kernel ends no children (macOS), a server outlives its killed
// parent: here it is simply never told to end.
func TestALeftoverServerIsEnded(t *testing.T) {
	t.Parallel()
	o := local.PostgresOptions{Dir: filepath.Join(tempDir(t), "postgres"), Unsynced: true}
	first := startPostgres(t, o)
	execute(t, first.URL(), "CREATE TABLE kept ()")
	second := startPostgres(t, o)
	<-first.Done()
	if second.URL() != first.URL() {
		t.Errorf("the URL changed from %s to %s", first.URL(), second.URL())
	}
	execute(t, second.URL(), "SELECT FROM kept")
}

// A process id is given out again after a while, and then the file of a server
// that is gone names a stranger.
func TestAStrangerIsLeftAlone(t *testing.T) {
	t.Parallel()
	o := local.PostgresOptions{Dir: filepath.Join(tempDir(t), "postgres"), Unsynced: true}
	p := startPostgres(t, o)
	pidFile := filepath.Join(p.DataDir(), "postmaster.pid")
	content, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	stranger := exec.Command("sleep", "600")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = stranger.Wait() // says that it was killed
		close(exited)
	}()
	if err := os.WriteFile(pidFile, withPid(content, stranger.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	startPostgres(t, o)
	select {
	case <-exited:
		t.Error("the stranger was killed")
	default:
	}
	if err := stranger.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-exited
}

func TestAKilledServerStartsAgain(t *testing.T) {
	t.Parallel()
	o := local.PostgresOptions{Dir: filepath.Join(tempDir(t), "postgres"), Unsynced: true}
	p := startPostgres(t, o)
	execute(t, p.URL(), "CREATE TABLE kept ()")
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	execute(t, startPostgres(t, o).URL(), "SELECT FROM kept")
}

func withPid(pidFile []byte, pid int) []byte {
	_, rest, _ := strings.Cut(string(pidFile), "\n")
	return []byte(strconv.Itoa(pid) + "\n" + rest)
}
