package processtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"connect-provider/deploy/systemtest"
)

// address is where the worker's present process serves its metrics, as its log
// has it.
func (w *roleProcess) address() (string, error) {
	text, err := os.ReadFile(w.log)
	if err != nil {
		return "", err
	}
	found := ""
	for line := range strings.Lines(string(text)) {
		var said struct {
			Message string `json:"message"`
			Address string `json:"address"`
		}
		if json.Unmarshal([]byte(line), &said) == nil && strings.HasPrefix(said.Message, "serving /livez") {
			found = said.Address
		}
	}
	if found == "" {
		return "", errors.New("it does not say yet where it listens")
	}
	return found, nil
}

// measure reads one of the worker's counters or gauges: the sum over its series
// that have all of some labels, as in `class="bulk"`.
func (w *roleProcess) measure(name string, labels ...string) (float64, error) {
	address, err := w.address()
	if err != nil {
		return 0, err
	}
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	sum, known := 0.0, false
	for line := range strings.Lines(string(text)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		own, of, _ := strings.Cut(series, "{")
		known = known || strings.HasPrefix(line, "# TYPE connect_provider_"+name+" ")
		if own != "connect_provider_"+name || slices.ContainsFunc(labels, func(label string) bool { return !strings.Contains(of, label) }) {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum += number
	}
	if !known {
		return 0, fmt.Errorf("it has no connect_provider_%s", name)
	}
	return sum, nil
}

// awaitReady waits until the worker says that it can work.
func (w *roleProcess) awaitReady() {
	w.s.t.Helper()
	systemtest.Eventually(w.s.t, "a worker to be ready", func() error {
		if ready, err := w.measure("ready"); err != nil || ready != 1 {
			return errors.Join(errors.New("it is not"), err)
		}
		return nil
	})
}

// measured is a metric summed over all workers.
func (s *service) measured(name string, labels ...string) (sum float64, err error) {
	for _, w := range s.workers {
		value, err := w.measure(name, labels...)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

// awaitMeasured waits until metrics, summed over all workers, are a number each.
func (s *service) awaitMeasured(want map[string]float64) {
	s.t.Helper()
	systemtest.Eventually(s.t, fmt.Sprint(want), func() error {
		for name, value := range want {
			if have, err := s.measured(name); err != nil || have != value {
				return errors.Join(fmt.Errorf("%s is %v, want %v", name, have, value), err)
			}
		}
		return nil
	})
}

// checkMeasured demands a metric's sum over all workers.
func (s *service) checkMeasured(want float64, name string, labels ...string) {
	s.t.Helper()
	if have, err := s.measured(name, labels...); err != nil || have != want {
		s.t.Errorf("%s %v is %v, want %v (%v)", name, labels, have, want, err)
	}
}
