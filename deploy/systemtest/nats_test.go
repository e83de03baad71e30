package systemtest_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/systemtest"
)

func TestNATSKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *systemtest.NATSServer{
		"in process": systemtest.NATS, "own process": systemtest.NATSProcess,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			url := s.URL()
			for i, end := range []func(){s.Stop, s.Kill} {
				publish(t, url)
				end()
				if conn, err := nats.Connect(url, nats.NoReconnect()); err == nil {
					conn.Close()
					t.Fatal("the stopped server answers")
				}
				s.Start()
				if got := stored(t, url); got != uint64(i+1) {
					t.Fatalf("%d messages are stored, want %d", got, i+1)
				}
			}
		})
	}
}

func TestNATSLosesItsDisk(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *systemtest.NATSServer{
		"in process": systemtest.NATS, "own process": systemtest.NATSProcess,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			for range 2 {
				publish(t, s.URL())
				s.LoseDisk()
				s.Start()
				if got := stored(t, s.URL()); got != 0 {
					t.Fatalf("%d messages are stored, want none", got)
				}
			}
		})
	}
}

func publish(t *testing.T, url string) {
	t.Helper()
	if _, err := stream(t, url).Publish(t.Context(), "kept.1", []byte("x")); err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, url string) uint64 {
	t.Helper()
	s, err := stream(t, url).Stream(t.Context(), "KEPT")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func stream(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{
		Name: "KEPT", Subjects: []string{"kept.>"}, AllowAtomicPublish: true,
	}); err != nil {
		t.Fatal(err)
	}
	return js
}

func TestNATSRewindsAStream(t *testing.T) {
	t.Parallel()
	s := systemtest.NATS(t)
	publish(t, s.URL())
	before := created(t, s.URL())
	s.KeepStream("KEPT")
	publish(t, s.URL())
	for range 2 {
		s.RewindStream("KEPT")
		s.Start()
		if got := stored(t, s.URL()); got != 1 {
			t.Fatalf("%d messages are stored, want the 1 that was kept", got)
		}
		if got := created(t, s.URL()); !got.Equal(before) {
			t.Fatalf("created at %s, it was %s", got, before)
		}
		publish(t, s.URL())
		publish(t, s.URL())
	}
}

func created(t *testing.T, url string) time.Time {
	t.Helper()
	s, err := stream(t, url).Stream(t.Context(), "KEPT")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Created
}
