package arena

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/local"
	"connect-provider/messages"
	"connect-provider/worker"
)

// Broker is the NATS server.
type Broker struct {
	*faults.NATSProcess
	// Mu is held by whoever harms the server.
	Mu sync.Mutex
	// NC connects beside the lines.
	NC *nats.Conn
	JS jetstream.JetStream

	options messages.StreamOptions
}

func startBroker(ctx context.Context, dir string, lanes int) (*Broker, error) {
	port, err := local.FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	b := &Broker{
		NATSProcess: faults.NewNATSProcess(filepath.Join(dir, "nats"), port),
		options:     messages.StreamOptions{Lanes: lanes, InteractiveMaxBytes: 1 << 30, BulkMaxBytes: 1 << 30, EventsMaxBytes: 4 << 30},
	}
	if err := b.Start(ctx); err != nil {
		return nil, err
	}
	if b.NC, err = connect(b.URL(), "chaos"); err != nil {
		return nil, err
	}
	if b.JS, err = jetstream.New(b.NC); err != nil {
		return nil, err
	}
	return b, b.MakeStreams(ctx)
}

// connect connects for as long as it takes, and loses what is published while
// there is no connection: whoever publishes notices.
func connect(url, name string) (*nats.Conn, error) {
	return nats.Connect(url, nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(20*time.Millisecond, 0),
		nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true), nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
}

// MakeStreams makes those streams that do not exist.
func (b *Broker) MakeStreams(ctx context.Context) error {
	return insist(ctx, func(ctx context.Context) error {
		_, _, err := worker.EnsureStreams(ctx, b.JS, b.options, false)
		return err
	})
}

// Stream asks how a stream is, for as long as it takes.
func (b *Broker) Stream(ctx context.Context, name string) (info *jetstream.StreamInfo, err error) {
	err = insist(ctx, func(ctx context.Context) error {
		stream, err := b.JS.Stream(ctx, name)
		if err == nil {
			info = stream.CachedInfo()
		}
		return err
	})
	return info, err
}

// insist tries something again until it succeeds or ctx ends.
func insist(ctx context.Context, try func(ctx context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := try(once)
		cancel()
		if err == nil {
			return nil
		}
		if Rest(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}

// Rest waits, or until ctx ends.
func Rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
