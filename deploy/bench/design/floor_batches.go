package design

import (
	"cmp"
	"context"
	"encoding/json"
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

// floorBatch is up to 1,000 commands of a lane, decided before the clock starts.
// Rows are in the order of their keys, as the worker writes them.
type floorBatch struct {
	lane        messages.Lane
	at          time.Time // when they were decided
	connections []any     // columns, in the table's order
	inbox       []any     // those that differ from row to row, from org_token on
	rows        []outbox.Row
	events      []*nats.Msg
	write       func(ctx context.Context, conn *pgx.Conn, then *pgx.Batch) error
}

// floorCommand is a command with all that comes of it.
type floorCommand struct {
	received messages.Received
	decided  worker.Decided
	row      outbox.Row
}

const (
	lanes      = 16 // what streams have by default
	generation = 1
)

// floorBatches decides the commands as a worker would that reads them from a
// stream which has just been made.
func floorBatches(t Task) ([]floorBatch, error) {
	ledger, at := ledgerOf(t.Workload), time.Now()
	waiting := map[messages.Lane][]*floorCommand{}
	var batches []floorBatch
	take := func(lane messages.Lane) error {
		batch, err := newFloorBatch(lane, at, waiting[lane])
		batches, waiting[lane] = append(batches, batch), nil
		return err
	}
	for n := range t.Commands {
		c, err := decideAhead(t.Workload, ledger, n, at)
		if err != nil {
			return nil, err
		}
		lane := c.received.Lane
		if waiting[lane] = append(waiting[lane], c); len(waiting[lane]) == messages.MaxBatch {
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

func decideAhead(w workload.Workload, ledger *worker.Ledger, n int, at time.Time) (*floorCommand, error) {
	organization, command := w.Command(n)
	body, err := messages.EncodeCommand(command)
	if err != nil {
		return nil, err
	}
	lane := messages.Lane{Class: messages.Bulk, Number: messages.Partition(organization.Token, lanes)}
	c := &floorCommand{received: messages.Decode(messages.Message{
		StreamCreated: at, Time: at, Sequence: uint64(n + 1), Subject: strings.TrimSuffix(lane.CommandFilter(), ">") + organization.Token + "." + messages.VerbConnectProvider, Body: body,
	})}
	c.decided = ledger.Decide(&c.received, at)
	event := messages.NewEvent(&c.received, generation, c.decided.Outcome, c.decided.Key, at)
	c.row = outbox.Row{Position: messages.Position{Generation: generation, Sequence: c.received.Sequence}, Subject: event.MessageSubject()}
	c.row.Payload, err = event.Encode()
	return c, err
}

func newFloorBatch(lane messages.Lane, at time.Time, commands []*floorCommand) (b floorBatch, err error) {
	b.lane, b.at = lane, at
	for _, c := range commands {
		b.rows = append(b.rows, c.row)
		b.events = append(b.events, &nats.Msg{Subject: c.row.Subject, Data: c.row.Payload, Header: nats.Header{
			"Content-Type":              {messages.ContentTypeCloudEvents},
			messages.HeaderLanePosition: {c.row.Position.String()},
		}})
	}
	slices.SortFunc(commands, func(a, b *floorCommand) int {
		return cmp.Compare(a.received.Command.PhoneNumber, b.received.Command.PhoneNumber)
	})
	b.connections = connectionColumns(commands)
	slices.SortFunc(commands, func(a, b *floorCommand) int {
		return cmp.Or(cmp.Compare(a.received.Organization.Token, b.received.Organization.Token), cmp.Compare(a.decided.Key, b.decided.Key))
	})
	b.inbox, err = inboxColumns(commands)
	return b, err
}

func connectionColumns(commands []*floorCommand) []any {
	var numbers, organizations, bridges, providers []string
	var configurations, versions []int64
	var times []time.Time
	for _, c := range commands {
		if o := c.decided.Outcome; o.Failure == nil {
			numbers, organizations = append(numbers, c.received.Command.PhoneNumber), append(organizations, c.received.Organization.Handle)
			bridges, configurations = append(bridges, c.received.Command.BridgeSlug), append(configurations, c.received.Command.ProviderConfigID)
			providers, versions, times = append(providers, o.Provider), append(versions, o.ConnectionVersion), append(times, o.ConnectedAt)
		}
	}
	return []any{numbers, organizations, bridges, configurations, providers, versions, times}
}

func inboxColumns(commands []*floorCommand) ([]any, error) {
	n := len(commands)
	tokens, keys, digests := make([]string, n), make([]string, n), make([][]byte, n)
	sequences, times := make([]int64, n), make([]int64, n)
	bridges, configurations, phones := make([]string, n), make([]int64, n), make([]string, n)
	providers, changed := make([]*string, n), make([]bool, n)
	versions, connected := make([]*int64, n), make([]*time.Time, n)
	codes, failures := make([]*string, n), make([]*string, n)
	for i, c := range commands {
		r, o, digest := &c.received, &c.decided.Outcome, c.received.Digest()
		tokens[i], keys[i], digests[i] = r.Organization.Token, c.decided.Key, digest[:]
		sequences[i], times[i] = int64(r.Sequence), r.Time.UnixNano()
		bridges[i], configurations[i], phones[i] = r.Command.BridgeSlug, r.Command.ProviderConfigID, r.Command.PhoneNumber
		changed[i] = o.Changed
		if o.Failure == nil {
			providers[i], versions[i], connected[i] = &o.Provider, &o.ConnectionVersion, &o.ConnectedAt
			continue
		}
		code, err := string(o.Failure.Code), error(nil)
		codes[i] = &code
		if failures[i], err = storedFailure(o.Failure); err != nil {
			return nil, err
		}
	}
	return []any{tokens, keys, digests, sequences, times, bridges, configurations, phones, providers, changed, versions, connected, codes, failures}, nil
}

// storedFailure is a failure as the inbox keeps it.
func storedFailure(f *messages.Failure) (*string, error) {
	document, err := json.Marshal(map[string]any{"field": f.Field, "message": f.Message, "details": f.Details})
	text := string(document)
	return &text, err
}
