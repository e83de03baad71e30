package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestReadinessTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	var unready error
	server := httptest.NewServer(healthHandler(prometheus.NewRegistry(), func() error { return unready }))
	defer server.Close()
	unready = errors.New("NATS: not connected")
	if body, err := get(server.URL+"/readyz", http.StatusServiceUnavailable); err != nil || !strings.Contains(body, "NATS: not connected") {
		t.Errorf("%v, %s", err, body)
	}
	if _, err := get(server.URL+"/livez", http.StatusOK); err != nil {
		t.Errorf("a process that is not ready is alive: %v", err)
	}
	unready = nil
	if _, err := get(server.URL+"/readyz", http.StatusOK); err != nil {
		t.Error(err)
	}
}
