package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// pullBytes bounds what a lane's consumer has on its way to the worker.
	pullBytes     = 128 << 10
	pullMessages  = 1_000_000 // no bound: the bytes are
	pullExpiry    = 20 * time.Second
	pullHeartbeat = 4 * time.Second
)

var errReconnected = errors.New("the connection to NATS was interrupted")

// feed takes what a pull consumer delivers, by the protocol itself. The
// jetstream package tells the server's notices from stored messages by their
// header alone, and any publisher can send a message with a Status header: it
// would be swallowed, or end its lane's consumer whenever it is read. Here a
// stored message is what does not come on the feed's own inbox.
type feed struct {
	nc      *nats.Conn
	request string // subject of pull requests
	inbox   string
	arrived chan *nats.Msg
	sub     *nats.Subscription
	status  chan nats.Status
	silence *time.Timer
	owed    int // bytes asked for and neither delivered nor given up by the server
}

// openFeed starts to pull from a consumer. It ends with the context.
func openFeed(ctx context.Context, js jetstream.JetStream, stream, consumer string) (*feed, error) {
	nc := js.Conn()
	f := &feed{
		nc: nc, inbox: nc.NewInbox(), request: apiSubject(js, "CONSUMER.MSG.NEXT."+stream+"."+consumer),
		arrived: make(chan *nats.Msg, 64), silence: time.NewTimer(2 * pullHeartbeat),
	}
	f.status = nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	var err error
	f.sub, err = nc.Subscribe(f.inbox, func(m *nats.Msg) {
		select {
		case f.arrived <- m:
		case <-ctx.Done():
		}
	})
	if err != nil {
		nc.RemoveStatusListener(f.status)
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	// what is asked for bounds what can be pending
	if err := f.sub.SetPendingLimits(-1, -1); err != nil {
		f.close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return f, nil
}

func (f *feed) close() {
	f.silence.Stop()
	f.nc.RemoveStatusListener(f.status)
	_ = f.sub.Unsubscribe() // it fails where the connection is closed, and then it is gone
}

// next returns the next stored message. An error means that the consumer may
// be gone or may have lost count: open another.
func (f *feed) next(ctx context.Context) (*nats.Msg, error) {
	for {
		if err := f.ask(); err != nil {
			return nil, err
		}
		f.silence.Reset(2 * pullHeartbeat)
		select {
		case m := <-f.arrived:
			if m.Subject != f.inbox {
				f.owed -= m.Size()
				return m, nil
			}
			if err := f.notice(m); err != nil {
				return nil, err
			}
		case <-f.status:
			return nil, f.awaitConnection(ctx)
		case <-f.silence.C:
			return nil, errors.New("the consumer has been silent for two heartbeats")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ask keeps the server owing at least half of pullBytes, so that the next
// messages are on their way while these are decoded.
func (f *feed) ask() error {
	if f.owed > pullBytes/2 {
		return nil
	}
	f.owed = max(f.owed, 0)
	request, err := json.Marshal(struct {
		Expires   time.Duration `json:"expires"`
		Batch     int           `json:"batch"`
		MaxBytes  int           `json:"max_bytes"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{pullExpiry, pullMessages, pullBytes - f.owed, pullHeartbeat})
	if err != nil {
		return err
	}
	f.owed = pullBytes
	return f.nc.PublishRequest(f.request, f.inbox, request)
}

// notice reads what the server says of a request: a heartbeat, or that the
// request is over, because it has expired or its bytes are used up.
func (f *feed) notice(m *nats.Msg) error {
	if m.Header.Get("Status") == "100" {
		return nil
	}
	left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Bytes"))
	if err != nil {
		// not about a request, so about the consumer
		return fmt.Errorf("the consumer has ended: %s %s", m.Header.Get("Status"), m.Header.Get("Description"))
	}
	f.owed -= left
	return nil
}

// awaitConnection waits until NATS is back, and says that it was away.
func (f *feed) awaitConnection(ctx context.Context) error {
	back := f.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer f.nc.RemoveStatusListener(back)
	for !f.nc.IsConnected() && !f.nc.IsClosed() {
		select {
		case <-back:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errReconnected
}
