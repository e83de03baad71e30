package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"connect-provider/cmd/internal/program"
)

// demoTokenFile is where dev keeps the demo organization's token, in its data
// directory.
const demoTokenFile = "token"

type tokenDemoCommand struct {
	Data string      `default:"${data_dir}" placeholder:"DIR" help:"Where dev keeps everything (default ${data_dir})."`
	Log  program.Log `embed:""`
}

func (c *tokenDemoCommand) log() program.Log { return c.Log }

func (c *tokenDemoCommand) problems(*program.Secrets) []error { return nil }

func (c *tokenDemoCommand) run(_ context.Context, p process) error {
	content, err := os.ReadFile(filepath.Join(c.Data, demoTokenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: `%s dev` makes it when it starts its gateway", err, self())
	}
	if err != nil {
		return err
	}
	fmt.Fprint(p.stdout, string(content))
	return nil
}
