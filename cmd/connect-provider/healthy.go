package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"connect-provider/cmd/internal/program"
)

// healthyCommand asks a worker beside it whether it is ready. Images without a
// shell have nothing else to ask with.
type healthyCommand struct {
	Listen  string        `env:"CONNECT_PROVIDER_LISTEN" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"The worker's --listen (default 127.0.0.1:8080)."`
	Timeout time.Duration `default:"3s" placeholder:"DURATION" help:"Longest wait for the answer (default 3s)."`
}

// log is quiet: what an orchestrator keeps of a check is the answer.
func (c *healthyCommand) log() program.Log { return program.Log{Level: "error", Format: "json"} }

func (c *healthyCommand) problems(*program.Secrets) []error {
	problems := []error{checkListen(c.Listen)}
	if c.Listen == "" {
		problems = append(problems, errors.New("--listen (CONNECT_PROVIDER_LISTEN) is empty: the worker serves no /readyz that could be asked"))
	}
	if c.Timeout <= 0 {
		problems = append(problems, fmt.Errorf("--timeout %s: give more than 0", c.Timeout))
	}
	return problems
}

func (c *healthyCommand) run(ctx context.Context, p process) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	address, err := reachable(c.Listen)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	// a proxy of the environment is for other hosts
	client := http.Client{Transport: &http.Transport{}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	answer, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("no whole answer: %w", err)
	}
	text := strings.TrimSpace(string(answer))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s (HTTP %d)", text, response.StatusCode)
	}
	fmt.Fprintln(p.stdout, text)
	return nil
}

// reachable is where a server that listens on address can be dialled from the
// same machine: one that listens on all interfaces, on the loopback one.
func reachable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}
