package faults_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/local"
	"connect-provider/deploy/systemtest"
)

// What it is to keep, to lose and to rewind is tested through systemtest.
func TestNATSProcessPaused(t *testing.T) {
	t.Parallel()
	port, err := local.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	s := faults.NewNATSProcess(t.TempDir(), port)
	defer func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Pause(); err == nil {
		t.Error("paused before it runs")
	}
	for _, end := range []func() error{s.Resume, s.Stop, s.Kill} {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn, err := nats.Connect(s.URL(), nats.MaxReconnects(-1))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Pause(); err != nil {
			t.Fatal(err)
		}
		systemtest.Eventually(t, "the server to answer nothing", func() error {
			if err := conn.FlushTimeout(100 * time.Millisecond); !errors.Is(err, nats.ErrTimeout) {
				return errors.New("it answers")
			}
			return nil
		})
		if err := end(); err != nil {
			t.Error(err)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := conn.Flush(); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		conn.Close()
	}
}
