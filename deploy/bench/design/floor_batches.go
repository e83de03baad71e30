package design

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"connect-provider/deploy/workload"
	"connect-provider/messages"
	"connect-provider/outbox"
	"connect-provider/worker"
)

// floorBatch is some commands of a lane, decided before the clock starts.
// Rows are in the order of their keys, as the worker writes them.
type floorBatch struct {
	lane        messages.Lane
	at          time.Time // when they were decided
	connections [][]any
	inbox       [][]any // from org_token on, before that all are the same
	rows        []outbox.Row
	events      []*nats.Msg
	write       func(ctx context.Context, conn *pgx.Conn, then *pgx.Batch) error
}

// ahead is a command that is decided before the clock starts, and its event.
type ahead struct {
	command
	row outbox.Row
}

const lanes = 16 // what streams have by default

// floorBatches decides the commands as a worker would that reads them from a
// stream which has just been made, size at most in a batch. The number of their
// first lane is firstLane.
func floorBatches(t Task, size, firstLane int) ([]floorBatch, error) {
	ledger, at := ledgerOf(t.Workload), time.Now()
	waiting := map[messages.Lane][]*ahead{}
	var batches []floorBatch
	take := func(lane messages.Lane) error {
		batch, err := newFloorBatch(lane, at, waiting[lane])
		batches, waiting[lane] = append(batches, batch), nil
		return err
	}
	for n := range t.Commands {
		c, err := decideAhead(t.Workload, ledger, n, firstLane, at)
		if err != nil {
			return nil, err
		}
		lane := c.received.Lane
		if waiting[lane] = append(waiting[lane], c); len(waiting[lane]) == size {
			if err := take(lane); err != nil {
				return nil, err
			}
		}
	}
	for lane, rest := range waiting {
		if len(rest) > 0 {
			if err := take(lane); err != nil {
				return nil, err
			}
		}
	}
	return batches, nil
}

// ledgerOf knows what the platform has of a workload.
func ledgerOf(w workload.Workload) *worker.Ledger {
	ledger := worker.NewLedger()
	for o := range w.Organizations {
		handle := w.Organization(o).Handle
		ledger.Organization(handle, true)
		ledger.Configuration(handle, 1, "twilio", true)
	}
	for n := range w.Commands() {
		organization, command := w.Command(n)
		if command.BridgeSlug != workload.UnknownBridge {
			ledger.Bridge(organization.Handle, command.BridgeSlug)
		}
		ledger.Number(command.PhoneNumber, organization.Handle, 1, true)
	}
	return ledger
}

func decideAhead(w workload.Workload, ledger *worker.Ledger, n, firstLane int, at time.Time) (*ahead, error) {
	organization, asked := w.Command(n)
	body, err := messages.EncodeCommand(asked)
	if err != nil {
		return nil, err
	}
	lane := messages.Lane{Class: messages.Bulk, Number: firstLane + messages.Partition(organization.Token, lanes)}
	received := messages.Decode(messages.Message{
		StreamCreated: at, Time: at, Sequence: uint64(n + 1), Body: body,
		Subject: strings.TrimSuffix(lane.CommandFilter(), ">") + organization.Token + "." + messages.VerbConnectProvider,
	})
	c := &ahead{command: command{&received, ledger.Decide(&received, at)}}
	c.row, err = c.event(at)
	return c, err
}

func newFloorBatch(lane messages.Lane, at time.Time, commands []*ahead) (b floorBatch, err error) {
	b.lane, b.at = lane, at
	for _, c := range commands {
		b.rows = append(b.rows, c.row)
		b.events = append(b.events, eventMessage(c.row))
	}
	slices.SortFunc(commands, func(a, b *ahead) int {
		return cmp.Compare(a.received.Command.PhoneNumber, b.received.Command.PhoneNumber)
	})
	for _, c := range commands {
		if c.decided.Outcome.Changed {
			b.connections = append(b.connections, c.connectionRow())
		}
	}
	slices.SortFunc(commands, func(a, b *ahead) int {
		return cmp.Or(cmp.Compare(a.received.Organization.Token, b.received.Organization.Token), cmp.Compare(a.decided.Key, b.decided.Key))
	})
	for _, c := range commands {
		row, err := c.inboxRow()
		if err != nil {
			return b, err
		}
		b.inbox = append(b.inbox, row)
	}
	return b, nil
}
