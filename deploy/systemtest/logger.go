package systemtest

import (
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Logger logs everything to the test's own log. What is logged after the test
// has ended is dropped, since t.Log would panic.
func Logger(t testing.TB) *zap.Logger {
	w := &testLog{t: t}
	t.Cleanup(w.end)
	config := zap.NewDevelopmentEncoderConfig()
	config.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(config), w, zap.DebugLevel))
}

type testLog struct {
	mu sync.Mutex
	t  testing.TB // nil after the test's end
}

func (w *testLog) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(strings.TrimSuffix(string(line), "\n"))
	}
	return len(line), nil
}

func (w *testLog) Sync() error { return nil }

func (w *testLog) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}
