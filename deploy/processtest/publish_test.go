package processtest

import (
	"errors"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publishAll brings every command into its stream, however often that takes:
// what was not acknowledged is published again, under the same id. It adds the
// acknowledged ones to the counter as it goes.
func publishAll(js jetstream.JetStream, commands []command, acknowledged *atomic.Int64) error {
	const window = 100
	waiting := commands
	for len(waiting) > 0 {
		batch := waiting[:min(window, len(waiting))]
		waiting = waiting[len(batch):]
		again, err := publishWindow(js, batch)
		if err != nil {
			return err
		}
		acknowledged.Add(int64(len(batch) - len(again)))
		waiting = append(append([]command{}, again...), waiting...)
		if len(again) == len(batch) {
			if err := awaitNATS(js.Conn()); err != nil {
				return err
			}
		}
	}
	return nil
}

// publishWindow publishes some commands at once and returns those that were
// not acknowledged.
func publishWindow(js jetstream.JetStream, commands []command) (again []command, err error) {
	futures := make([]jetstream.PubAckFuture, len(commands))
	for i, c := range commands {
		if futures[i], err = js.PublishAsync(c.subject, c.body); errors.Is(err, nats.ErrConnectionClosed) {
			return nil, err
		}
	}
	for i, future := range futures {
		if future == nil {
			again = append(again, commands[i])
			continue
		}
		select {
		case <-future.Ok():
		case <-future.Err():
			again = append(again, commands[i])
		}
	}
	return again, nil
}

// awaitNATS waits until there is a connection, or there will be none.
func awaitNATS(nc *nats.Conn) error {
	status := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(status)
	for !nc.IsConnected() {
		if nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		<-status
	}
	return nil
}
