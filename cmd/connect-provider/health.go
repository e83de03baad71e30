package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// healthServer tells orchestrators and monitoring how the process is.
type healthServer struct {
	server   *http.Server
	listener net.Listener
}

// listen opens the address and returns the server, which serve starts. Ready
// says what keeps the process from working, if anything.
func listen(address string, registry *prometheus.Registry, ready func() error, logger *zap.Logger) (*healthServer, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for /readyz and /metrics: %w; choose another address with --listen (CONNECT_PROVIDER_LISTEN)", err)
	}
	logger.Info("serving /livez, /readyz and /metrics", zap.Stringer("address", listener.Addr()))
	return &healthServer{listener: listener, server: &http.Server{
		Handler:           healthHandler(registry, ready),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          zap.NewStdLog(logger.Named("http")),
	}}, nil
}

// healthHandler answers
//
//   - /livez with 200 as long as the process runs,
//   - /readyz with 200, or with 503 and the reason,
//   - /metrics with the registry's, the process's and the Go runtime's metrics.
func healthHandler(registry *prometheus.Registry, ready func() error) http.Handler {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	return mux
}

func (h *healthServer) serve() error {
	if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listener for /readyz and /metrics: %w", err)
	}
	return nil
}

// close lets answers under way finish, for a moment.
func (h *healthServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if h.server.Shutdown(ctx) != nil {
		_ = h.server.Close()
	}
	_ = h.listener.Close() // where serve was never called
}
