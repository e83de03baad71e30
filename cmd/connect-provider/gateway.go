package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/alecthomas/kong"
	group "github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/gateway"
	"connect-provider/cmd/internal/program"
	"connect-provider/cmd/internal/serve"
	"connect-provider/cmd/internal/tracing"
	"connect-provider/messages"
)

type gatewayCommand struct {
	Database  connection.Database  `embed:""`
	NATS      connection.NATS      `embed:""`
	JetStream connection.JetStream `embed:""`
	Settings  gatewaySettings      `embed:"" envprefix:"CONNECT_PROVIDER_"`
	API       string               `name:"api" env:"CONNECT_PROVIDER_API" default:"127.0.0.1:3001" placeholder:"HOST:PORT" help:"Where the REST API is served (default 127.0.0.1:3001)."`
	Listen    string               `env:"CONNECT_PROVIDER_LISTEN" default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Where /livez, /readyz and /metrics are served, nowhere if empty (default 127.0.0.1:8081)."`
	Log       program.Log          `embed:""`
	Tracing   tracing.Settings     `kong:"-"` // OpenTelemetry's own variables
}

// gatewaySettings are the settings of gateway.Config.
type gatewaySettings struct {
	Name         string        `env:"NAME" default:"${name}" placeholder:"TEXT" help:"Names this process to people (default host and process id)."`
	Wait         time.Duration `env:"GATEWAY_WAIT" default:"${gateway_wait}" help:"How long a request waits for its outcome before it is answered with 202."`
	InFlight     int           `name:"in-flight" env:"GATEWAY_IN_FLIGHT" default:"${gateway_in_flight}" help:"Requests of one organization that may be in flight."`
	DrainTimeout time.Duration `env:"DRAIN_TIMEOUT" default:"${gateway_drain_timeout}" help:"Longest orderly shutdown."`
}

// gatewayDefaults are the values that settings have without flag and variable.
func gatewayDefaults() kong.Vars {
	d := gateway.DefaultConfig()
	return kong.Vars{
		"gateway_wait": short(d.Wait), "gateway_in_flight": fmt.Sprint(d.InFlight), "gateway_drain_timeout": short(d.DrainTimeout),
	}
}

func (s gatewaySettings) config() gateway.Config {
	config := gateway.DefaultConfig()
	config.Wait, config.InFlight, config.DrainTimeout = s.Wait, s.InFlight, s.DrainTimeout
	return config
}

func (c *gatewayCommand) log() program.Log { return c.Log }

func (c *gatewayCommand) problems(secrets *program.Secrets) []error {
	problems := append(c.Database.Resolve(secrets), c.NATS.Resolve(secrets)...)
	problems = append(problems, c.JetStream.Problem(), c.Settings.config().Validate(), checkListen(c.Listen))
	if prefix := c.NATS.InboxPrefix; prefix != "" && !messages.IsInbox(prefix) {
		problems = append(problems, fmt.Errorf("NATS_INBOX_PREFIX %q: the workers answer to subjects that begin with _INBOX only", prefix))
	}
	if c.API == "" {
		problems = append(problems, errors.New("--api (CONNECT_PROVIDER_API) is empty: give host:port as in 127.0.0.1:3001"))
	} else if _, err := net.ResolveTCPAddr("tcp", c.API); err != nil {
		problems = append(problems, fmt.Errorf("--api (CONNECT_PROVIDER_API): %w; give host:port as in 127.0.0.1:3001", err))
	}
	return append(problems, c.Tracing.Resolve(secrets)...)
}

// run serves until ctx ends and the requests in flight are answered. The
// listener for health and metrics stays meanwhile.
func (c *gatewayCommand) run(ctx context.Context, p process) error {
	spans, err := c.Tracing.Start(ctx, "connect-provider-gateway", c.Settings.Name, p.logger)
	if err != nil {
		return err
	}
	defer spans.Stop()
	config := c.Settings.config()
	if config.Database, err = gateway.NewPool(context.WithoutCancel(ctx), c.Database.PoolURL()); err != nil {
		return err
	}
	defer config.Database.Close()
	nc, err := c.NATS.Keep("connect-provider gateway "+c.Settings.Name, p.logger)
	if err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	defer nc.Close()
	if config.JetStream, err = c.JetStream.Open(nc); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	config.Logger, config.Registerer, config.TracerProvider = p.logger, registry, spans.Provider()
	g, err := gateway.New(config)
	if err != nil {
		return err
	}
	api, err := net.Listen("tcp", c.API)
	if err != nil {
		return fmt.Errorf("the REST API can't listen: %w; choose another address with --api (CONNECT_PROVIDER_API)", err)
	}
	var actors group.Group
	serveCtx, drain := context.WithCancel(ctx)
	defer drain()
	actors.Add(func() error { return g.Run(serveCtx, api) }, func(error) { drain() })
	if c.Listen != "" {
		health, err := serve.Listen(c.Listen, registry, g.Ready, p.logger)
		if err != nil {
			_ = api.Close() // nothing was served on it
			return err
		}
		actors.Add(health.Serve, func(error) { health.Close() })
	}
	defer p.tellDraining(ctx, "answering the requests in flight", config.DrainTimeout)()
	return actors.Run()
}
