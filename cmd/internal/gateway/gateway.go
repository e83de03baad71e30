package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

// How long each phase of a connection may take; what a request waits for comes
// on top.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	// answerMargin is before the end of the drain timeout when requests that
	// still wait are told so.
	answerMargin = askTimeout + time.Second
)

// Gateway answers REST requests. Make one with New.
type Gateway struct {
	config  Config
	logger  *zap.Logger
	tracer  trace.Tracer
	metrics *metrics
	tokens  *tokens
	waiting *waiting
	limit   *limit

	unready  atomic.Pointer[error]
	draining atomic.Bool
	// tokensSeen says that a token could be looked up once.
	tokensSeen bool
	// cutting ends, by cut, when requests in flight have to be answered.
	cutting context.Context
	cut     context.CancelFunc
}

// New returns a gateway that does nothing yet.
func New(config Config) (*Gateway, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	provider := config.TracerProvider
	if provider == nil {
		provider = noop.NewTracerProvider()
	}
	g := &Gateway{
		config: config, logger: config.Logger, tracer: provider.Tracer("connect-provider/gateway"),
		tokens: newTokens(config.Database), waiting: newWaiting(), limit: newLimit(config.InFlight),
	}
	g.cutting, g.cut = context.WithCancel(context.Background())
	g.metrics = newMetrics(config.Registerer, g)
	g.setReady(errors.New("starting"))
	return g, nil
}

// Ready returns what keeps the gateway from working, or nil. Postgres is part of
// it only until tokens could be looked up once: later the gateway works on with
// the tokens that it knows.
func (g *Gateway) Ready() error {
	if g.draining.Load() {
		return errors.New("shutting down")
	}
	return *g.unready.Load()
}

func (g *Gateway) setReady(err error) { g.unready.Store(&err) }

// Run serves the listener until ctx ends, then answers what is in flight and
// returns nil. It closes the listener, and runs once.
func (g *Gateway) Run(ctx context.Context, listener net.Listener) error {
	defer listener.Close() //nolint:errcheck // the server has closed it, if there was one
	following, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFollowing()
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		g.follow(following)
	}()
	server := &http.Server{
		Handler:           g.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      readTimeout + lookupTimeout + g.config.Wait + askTimeout + writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          zap.NewStdLog(g.logger.Named("http")),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	g.logger.Info("serving the REST API", zap.Stringer("api_address", listener.Addr()))
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("listener of the REST API: %w", err)
	case <-ctx.Done():
		g.drain(server)
	}
	stopFollowing()
	<-followed
	return err
}

// drain takes no new requests, and gives those in flight their answer.
func (g *Gateway) drain(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), g.config.DrainTimeout)
	defer cancel()
	cut := time.AfterFunc(g.config.DrainTimeout-answerMargin, g.cut)
	defer cut.Stop()
	g.draining.Store(true)
	if err := server.Shutdown(ctx); err != nil {
		g.logger.Warn("requests were cut off at the end of the drain timeout", zap.Error(err))
		_ = server.Close() // nobody is left to tell
	}
}
