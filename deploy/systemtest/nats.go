package systemtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/local"
)

// NATSServer is a NATS server of the test's own, with JetStream and every write
// synced. URL and store stay the same when it is stopped and started again.
type NATSServer struct {
	t    testing.TB
	host natsHost
}

// natsHost is where the server runs: in this process, in one of its own, or in
// a container.
type natsHost interface {
	URL() string
	Start(ctx context.Context) error
	Stop() error
	Kill() error
	KeepStream(ctx context.Context, stream string) error // copies a stream's files while the server runs
	RewindStream(stream string) error                    // ends the server and puts the copy in the stream's place
	LoseDisk() error                                     // ends the server as Kill does and leaves it nothing
	Remove() error                                       // ends it for good, in whatever state it is
}

// NATS starts a server that ends with the test: in this process, or in a
// container.
func NATS(t testing.TB) *NATSServer {
	t.Helper()
	return startNATS(t, newNATSInProcess)
}

// NATSProcess starts a server as NATS does, but as a process of its own (or a
// container), so that Kill is a real kill -9.
func NATSProcess(t testing.TB) *NATSServer {
	t.Helper()
	return startNATS(t, func(dir string, port int) natsHost { return faults.NewNATSProcess(dir, port) })
}

func startNATS(t testing.TB, newLocal func(dir string, port int) natsHost) *NATSServer {
	t.Helper()
	containers := inContainers(t)
	s := &NATSServer{t: t}
	for attempt := range 5 {
		port, err := local.FreePort("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if containers {
			s.host = newNATSContainer(port)
			break
		}
		dir, err := newDir("nats")
		if err != nil {
			t.Fatal(err)
		}
		s.host = newLocal(dir, port)
		ctx, cancel := startContext()
		err = s.host.Start(ctx)
		cancel()
		if err == nil {
			break
		}
		// another test's server may have taken the port a moment ago
		if !strings.Contains(err.Error(), "address already in use") || attempt == 4 {
			t.Fatalf("start NATS: %v", err)
		}
		if err := s.host.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := s.host.Remove(); err != nil {
			t.Errorf("remove NATS: %v", err)
		}
	})
	s.Start()
	return s
}

// URL is where clients connect.
func (s *NATSServer) URL() string { return s.host.URL() }

// Start starts a stopped or killed server and returns when it answers.
func (s *NATSServer) Start() {
	s.t.Helper()
	ctx, cancel := startContext()
	defer cancel()
	if err := s.host.Start(ctx); err != nil {
		s.t.Fatalf("start NATS: %v", err)
	}
	if err := awaitNATS(ctx, s.host.URL()); err != nil {
		s.t.Fatalf("start NATS: %v", err)
	}
}

// Stop ends the server in an orderly way and waits for it. Start brings it back.
func (s *NATSServer) Stop() {
	s.t.Helper()
	if err := s.host.Stop(); err != nil {
		s.t.Fatalf("stop NATS: %v", err)
	}
}

// Kill ends the server as kill -9 does. A server in this process cannot be
// killed, there it is Stop; NATSProcess gives one that can.
func (s *NATSServer) Kill() {
	s.t.Helper()
	if err := s.host.Kill(); err != nil {
		s.t.Fatalf("kill NATS: %v", err)
	}
}

// awaitNATS waits until JetStream answers, which is some time after the port
// does.
func awaitNATS(ctx context.Context, url string) error {
	return retry(ctx, func() error {
		conn, err := nats.Connect(url, nats.NoReconnect(), nats.Timeout(2*time.Second))
		if err != nil {
			return err
		}
		defer conn.Close()
		reply, err := conn.Request("$JS.API.INFO", nil, 2*time.Second)
		if err != nil {
			return fmt.Errorf("JetStream: %w", err)
		}
		if reply.Header.Get("Status") != "" {
			return fmt.Errorf("JetStream: %s", reply.Header.Get("Status"))
		}
		return nil
	})
}

// LoseDisk ends the server as Kill does, and everything that it had stored is
// gone. Start brings it back with an empty store, at the same URL.
func (s *NATSServer) LoseDisk() {
	s.t.Helper()
	if err := s.host.LoseDisk(); err != nil {
		s.t.Fatalf("lose the disk of NATS: %v", err)
	}
}
