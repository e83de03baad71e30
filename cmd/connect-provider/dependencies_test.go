package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The service must carry no servers: they are connectctl's.
func TestTheServiceLinksNoServer(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-buildvcs=false", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		for _, server := range []string{"nats-server", "embedded-postgres", "connect-provider/deploy/local"} {
			if strings.Contains(line, server) {
				t.Errorf("linked: %s", line)
			}
		}
	}
}
