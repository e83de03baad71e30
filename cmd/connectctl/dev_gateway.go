package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/gateway"
	"connect-provider/cmd/internal/program"
)

// runningGateway is a REST gateway in this process.
type runningGateway struct {
	url   string
	token string // of the demo organization
	pool  *pgxpool.Pool
	nc    *nats.Conn
	drain context.CancelFunc
	ended chan struct{}
	err   error // once ended
}

// startGateway serves the REST API on a listener and waits until it is ready. The
// demo organization's token is kept in a file, so that it stays the same.
func (s *system) startGateway(ctx context.Context, listener net.Listener, tokenFile string) (err error) {
	g := &runningGateway{url: "http://" + listener.Addr().String(), ended: make(chan struct{})}
	s.gateway = g // closed with the system, also after an error
	if g.token, err = keptToken(tokenFile); err != nil {
		return err
	}
	if err := createToken(ctx, s.pool, g.token, exampleOrganization, "connectctl dev"); err != nil {
		return err
	}
	config := gateway.DefaultConfig()
	config.Logger, config.Registerer = s.logger.WithOptions(zap.IncreaseLevel(zap.WarnLevel)), prometheus.NewRegistry()
	if g.pool, err = gateway.NewPool(context.WithoutCancel(ctx), s.databaseURL); err != nil {
		return err
	}
	config.Database = g.pool
	server := connection.NATS{URL: s.natsURL}
	if err := errors.Join(server.Resolve(&program.Secrets{})...); err != nil {
		return err
	}
	if g.nc, err = server.Keep("connectctl gateway", s.logger); err != nil {
		return err
	}
	if config.JetStream, err = jetstream.New(g.nc); err != nil {
		return err
	}
	serving, err := gateway.New(config)
	if err != nil {
		return err
	}
	running, drain := context.WithCancel(context.WithoutCancel(ctx))
	g.drain = drain
	go func() {
		defer close(g.ended)
		g.err = serving.Run(running, listener)
	}()
	return awaitReady(ctx, "gateway", serving.Ready, g.ended, func() error { return g.err })
}

// close answers the requests in flight and ends the gateway.
func (g *runningGateway) close() error {
	var err error
	if g.drain != nil {
		g.drain()
		<-g.ended
		err = g.err
	}
	if g.nc != nil {
		g.nc.Close()
	}
	if g.pool != nil {
		g.pool.Close()
	}
	return err
}

// keptToken returns the token that a file holds, which is made if there is none.
func keptToken(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the demo organization's token: %w", err)
	}
	token := newToken()
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("the demo organization's token: %w", err)
	}
	return token, nil
}
