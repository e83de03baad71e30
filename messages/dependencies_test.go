package messages_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Producers and consumers import this package: it must not bring along a
// database driver, a server or a tracing library.
func TestDependencies(t *testing.T) {
	t.Parallel()
	list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "connect-provider/messages").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if !strings.Contains(string(list), "github.com/nats-io/nats.go/jetstream") {
		t.Fatalf("go list tells nothing of the dependencies:\n%s", list)
	}
	for dependency := range strings.Lines(string(list)) {
		for _, banned := range []string{"jackc/pgx", "lib/pq", "nats-server", "connect-provider/outbox", "connect-provider/worker", "go.opentelemetry.io", "google.golang.org/grpc"} {
			if strings.Contains(dependency, banned) {
				t.Errorf("messages depends on %s", dependency)
			}
		}
	}
}
