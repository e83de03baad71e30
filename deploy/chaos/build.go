package main

import (
	"context"
	"fmt"
	"os/exec"
)

// build builds the service from the sources in this directory's module, with an
// overlay if there is one.
func build(ctx context.Context, binary, overlay string) error {
	args := []string{"build", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	out, err := exec.CommandContext(ctx, "go", append(args, "connect-provider/cmd/connect-provider")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the service (run this in its repository, or give --binary): %w\n%s", err, out)
	}
	return nil
}
