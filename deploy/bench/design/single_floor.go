package design

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
	"connect-provider/outbox"
)

// SingleFloor does, for one command at a time, what two synced servers take at
// least: a publish of the command, a commit of its rows, a publish of its event.
// The messages go to streams of its own, defined as the product's are, which no
// worker reads.
type SingleFloor struct {
	js       jetstream.JetStream
	conn     *pgx.Conn
	commands []floorBatch
	task     Task
	done     int
}

// singleFloorPrefix is what its subjects begin with, before those of the product.
const singleFloorPrefix = "floor."

// NewSingleFloor prepares as many commands as the task has.
func NewSingleFloor(ctx context.Context, t Task) (*SingleFloor, error) {
	f := &SingleFloor{js: t.Bed.JS, task: t}
	for _, config := range []jetstream.StreamConfig{
		messages.CommandsStreamConfig(messages.Interactive, messages.StreamOptions{}), messages.EventsStreamConfig(messages.StreamOptions{}),
	} {
		config.Name, config.SubjectTransform = singleFloorStream(config.Name), nil
		config.Subjects = []string{singleFloorPrefix + config.Subjects[0]}
		if _, err := f.js.CreateStream(ctx, config); err != nil {
			return nil, err
		}
	}
	var err error
	// beyond a worker's lanes, or it would publish what it finds in the outbox
	if f.commands, err = floorBatches(t, 1, lanes); err != nil {
		return nil, err
	}
	for i := range f.commands {
		if f.commands[i].write, err = insertBatch(&f.commands[i]); err != nil {
			return nil, err
		}
	}
	f.conn, err = pgx.Connect(ctx, t.Bed.DatabaseURL)
	return f, err
}

func singleFloorStream(name string) string { return "FLOOR_" + name }

// EventsStream is where its events are.
func (f *SingleFloor) EventsStream() string { return singleFloorStream(messages.EventsStream) }

// Do does the next command, and removes the outbox row of the one before as it
// goes.
func (f *SingleFloor) Do(ctx context.Context) error {
	message, err := f.task.Workload.Message(messages.Interactive, f.done)
	if err != nil {
		return err
	}
	if _, err := f.js.Publish(ctx, singleFloorPrefix+message.Subject, message.Data); err != nil {
		return err
	}
	var then pgx.Batch
	if f.done > 0 {
		previous := &f.commands[f.done-1]
		outbox.Remove(&then, previous.lane, before(previous.rows[0].Position), previous.rows[0].Position)
	}
	then.Queue("commit")
	b := &f.commands[f.done]
	if err := b.write(ctx, f.conn, &then); err != nil {
		return err
	}
	f.done++
	event := b.events[0]
	_, err = f.js.PublishMsg(ctx, &nats.Msg{Subject: singleFloorPrefix + event.Subject, Data: event.Data, Header: event.Header})
	return err
}

// Close ends its connection.
func (f *SingleFloor) Close() error { return f.conn.Close(context.Background()) }
