package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The service must carry no servers: they are connectctl's.
func TestTheServiceLinksNoServer(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		for _, server := range []string{"nats-server", "embedded-postgres", "connect-provider/deploy/local"} {
			if strings.Contains(line, server) {
				t.Errorf("linked: %s", line)
			}
		}
	}
}
