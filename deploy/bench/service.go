package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"connect-provider/deploy/bench/bed"
	"connect-provider/messages"
)

// onServers has f measure workers in processes of their own, on servers that open
// starts. The servers, the program and its logs are gone afterwards; f ends what it
// starts.
func onServers(ctx context.Context, open func(context.Context, messages.StreamOptions) (*bed.Bed, error), streams messages.StreamOptions, f func(program, *bed.Bed) error) (err error) {
	program, remove, err := buildService(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	b, err := open(ctx, streams)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return f(program, b)
}

// program is the service as it is deployed, in a directory of its own.
type program struct{ path string }

// buildService builds it from the module that this one replaces. remove deletes the
// directory, with the services' logs.
func buildService(ctx context.Context) (p program, remove func() error, err error) {
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "connect-provider").Output()
	if err != nil {
		return program{}, nil, fmt.Errorf("find the service's sources (run this in deploy/bench): %w", err)
	}
	dir, err := os.MkdirTemp("", "connect-provider-bench-")
	if err != nil {
		return program{}, nil, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	p.path = filepath.Join(dir, "connect-provider")
	build := exec.CommandContext(ctx, "go", "build", "-o", p.path, "./cmd/connect-provider")
	build.Dir = strings.TrimSpace(string(module))
	if said, err := build.CombinedOutput(); err != nil {
		return program{}, nil, errors.Join(fmt.Errorf("build the service: %w\n%s", err, said), remove())
	}
	return p, remove, nil
}

// service is a worker in a process of its own.
type service struct {
	process *exec.Cmd
	log     *os.File
}

// start starts a worker with its default settings. It has to be stopped.
func (p program) start(b *bed.Bed) (*service, error) {
	log, err := os.CreateTemp(filepath.Dir(p.path), "log-")
	if err != nil {
		return nil, err
	}
	s := &service{process: exec.Command(p.path, "worker", "--listen", ""), log: log}
	s.process.Env = append(os.Environ(), "DATABASE_URL="+b.DatabaseURL, "NATS_URL="+b.NATSURL)
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return s, nil
}

func (s *service) pid() int { return s.process.Process.Pid }

// stop ends it in an orderly way and waits. What it said is told where that fails,
// or where err says that something else did, which is then returned as well.
func (s *service) stop(err error) error {
	return s.told(errors.Join(err, s.process.Process.Signal(syscall.SIGTERM), s.process.Wait()))
}

// kill ends it as kill -9 does, and waits.
func (s *service) kill() error {
	err := s.process.Process.Kill()
	var killed *exec.ExitError
	if ended := s.process.Wait(); !errors.As(ended, &killed) {
		err = errors.Join(err, ended)
	}
	return s.told(err)
}

func (s *service) told(err error) error {
	if err != nil {
		text, _ := os.ReadFile(s.log.Name())
		err = fmt.Errorf("%w\n%s", err, text)
	}
	return errors.Join(err, s.log.Close())
}
