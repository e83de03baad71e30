package serve

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

// Health tells orchestrators and monitoring how a process is.
type Health struct {
	server   *http.Server
	listener net.Listener
}

// Listen opens the address and returns what Serve then serves there. Ready says
// what keeps the process from working, if anything. An error says that the
// address is no use.
func Listen(address string, registry *prometheus.Registry, ready func() error, logger *zap.Logger) (*Health, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for /readyz and /metrics: %w; choose another address with --listen (CONNECT_PROVIDER_LISTEN)", err)
	}
	logger.Info("serving /livez, /readyz and /metrics", zap.Stringer("address", listener.Addr()))
	return &Health{listener: listener, server: &http.Server{
		Handler:           HealthHandler(registry, ready),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          zap.NewStdLog(logger.Named("http")),
	}}, nil
}

// HealthHandler answers
//
//   - /livez with 200 as long as the process runs,
//   - /readyz with 200, or with 503 and the reason,
//   - /metrics with the registry's, the process's and the Go runtime's metrics.
func HealthHandler(registry *prometheus.Registry, ready func() error) http.Handler {
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

// Serve answers until Close is called.
func (h *Health) Serve() error {
	if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listener for /readyz and /metrics: %w", err)
	}
	return nil
}

// Close lets answers under way finish, for a moment.
func (h *Health) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if h.server.Shutdown(ctx) != nil {
		_ = h.server.Close()
	}
	_ = h.listener.Close() // where Serve was never called
}
