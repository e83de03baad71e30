package serve_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/cmd/internal/serve"
)

func TestReadinessTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	var unready error
	server := httptest.NewServer(serve.HealthHandler(prometheus.NewRegistry(), func() error { return unready }))
	defer server.Close()
	get := func(path string, wantStatus int) string {
		t.Helper()
		response, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // it was read only
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != wantStatus {
			t.Errorf("%s: %s, want %d (%v)", path, response.Status, wantStatus, err)
		}
		return string(body)
	}
	unready = errors.New("NATS: not connected")
	if body := get("/readyz", http.StatusServiceUnavailable); !strings.Contains(body, "NATS: not connected") {
		t.Errorf("it says %q", body)
	}
	get("/livez", http.StatusOK) // a process that is not ready is alive
	unready = nil
	get("/readyz", http.StatusOK)
}
