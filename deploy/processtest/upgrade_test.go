package processtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"connect-provider/deploy/migrations"
)

// TestUpgradeAndBack is the runbook's drill: the schema of the next release,
// which only adds, under workers of this one; then one worker after another is
// replaced, while producers publish; then the way back.
func TestUpgradeAndBack(t *testing.T) {
	s := newService(t)
	next := nextRelease(t)
	d := s.newDrill()
	s.work()
	s.work()
	d.publish(d.make(100))

	var exit *exec.ExitError
	if out, err := s.commandOf(next, "worker").CombinedOutput(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("a worker of the next release began with an older schema: %v\n%s", err, out)
	}
	published := d.publishMeanwhile(d.make(300))
	s.runOf(next, "migrate")
	for _, release := range []string{next, s.binary} {
		for _, w := range s.workers {
			w.stop()
			w.binary = release
			w.start()
			w.awaitReady()
		}
		if err := <-published; err != nil {
			t.Fatal(err)
		}
		published = d.publishMeanwhile(d.make(300))
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	d.awaitDecided()
	d.check()
	s.checkMeasured(0, "replayed_events_total")
	for _, w := range s.workers {
		w.stop()
	}
}

// nextRelease builds the program as of a release whose schema has one more
// migration. Go's build takes the two files from elsewhere.
func nextRelease(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source, err := filepath.Abs("../migrations")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(source, "migrations.go"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^const Version = \d+$`)
	if len(version.FindAll(text, -1)) != 1 {
		t.Fatal("migrations.go has no line that says the version")
	}
	number := migrations.Version + 1
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	replaced := map[string]string{
		filepath.Join(source, "migrations.go"): write("migrations.go", version.ReplaceAllString(string(text), fmt.Sprintf("const Version = %d", number))),
		filepath.Join(source, "sql", fmt.Sprintf("%05d_next.sql", number)): write("next.sql", `-- +goose Up
alter table connect_provider.lanes add next_release text;
alter table connect_provider.inbox add next_release text;
create table connect_provider.next_release (id bigint primary key);
`),
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "connect-provider")
	build := exec.Command("go", "build", "-overlay", write("overlay.json", string(overlay)), "-o", binary, "connect-provider/cmd/connect-provider")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the next release: %v\n%s", err, out)
	}
	return binary
}
