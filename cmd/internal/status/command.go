package status

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// Command is the history of one command.
type Command struct {
	Time         time.Time    `json:"time"`
	CommandID    string       `json:"command_id"`
	Organization string       `json:"organization"`
	State        CommandState `json:"state"`
	Database     Server       `json:"database"`
	NATS         Server       `json:"nats"`
	// Accepted is nil if nothing knows of the command.
	Accepted *Accepted `json:"accepted"`
	Decided  *Decided  `json:"decided"`
	// InOutbox says that the event waits in the outbox, or was published a moment
	// ago; nil if the database is away.
	InOutbox *bool `json:"in_outbox"`
	// Events are those that tell the outcome, a correction behind what it
	// corrects. Nil if NATS is away.
	Events []Event `json:"events"`
	// EventsSearched is false where time ran out before all events that can be
	// the command's were read.
	EventsSearched bool     `json:"events_searched"`
	Waiting        *Waiting `json:"waiting"`
	// WaitingSearched is false where time ran out before all undecided commands of
	// the organization were read.
	WaitingSearched bool `json:"waiting_searched"`
	// DeadLetters are the messages that nobody could act on and that concern the
	// command. Nil if the database is away.
	DeadLetters []DeadLetter `json:"dead_letters"`

	organization messages.Organization
	numbers      Numbers
	row          *inboxRow
	lanes        []Lane
}

// CommandState says how far a command has come.
type CommandState string

// The states of a command.
const (
	// Published: decided, and the outcome is in the events stream.
	Published CommandState = "published"
	// Unpublished: decided, and the event waits in the outbox.
	Unpublished CommandState = "in_outbox"
	// DecidedOnly: decided, and the event is not to be found: it has aged out, or
	// NATS is away.
	DecidedOnly CommandState = "decided"
	// NotDecided: it stands in its stream and waits.
	NotDecided CommandState = "waiting"
	// Unknown: never accepted, or older than everybody's memory.
	Unknown CommandState = "unknown"
	// Undetermined: who would know is away, or time ran out.
	Undetermined CommandState = "undetermined"
)

// Command reads the history of a command of an organization. The id may also be
// the inbox key of a message that had none ("@…").
func (s *Servers) Command(ctx context.Context, organization messages.Organization, id string, numbers Numbers) *Command {
	d := &Command{
		Time: time.Now().UTC(), CommandID: id, Organization: organization.Handle,
		organization: organization, numbers: numbers,
	}
	d.Database = s.askDatabase(ctx, d.readTables)
	d.NATS = s.askNATS(ctx, d.readStreams)
	d.State = d.state()
	return d
}

func (d *Command) readTables(ctx context.Context, tx pgx.Tx) (err error) {
	if d.lanes, err = readLanes(ctx, tx, d.numbers); err != nil {
		return err
	}
	if d.row, err = readInbox(ctx, tx, d.organization.Token, d.CommandID, d.numbers); err != nil {
		return err
	}
	pauses, err := readPauses(ctx, tx)
	if err != nil {
		return err
	}
	for i := range d.lanes {
		d.lanes[i].Paused = pausesOf(d.lanes[i].lane, len(d.lanes)/len(messages.Classes()), pauses)
	}
	letters, err := d.readLetters(ctx, tx)
	if err != nil {
		return err
	}
	inOutbox := false
	if d.row != nil {
		d.Accepted, d.Decided, inOutbox = &d.row.accepted, &d.row.decided, d.row.inOutbox
	}
	d.InOutbox, d.DeadLetters = &inOutbox, letters
	return nil
}

// readStreams looks for the command where it waits, if the inbox does not have
// it, and for its events.
func (d *Command) readStreams(ctx context.Context, js jetstream.JetStream) error {
	infos, err := readStreams(ctx, js)
	if err != nil {
		return err
	}
	d.Events = []Event{}
	if d.Decided != nil {
		d.WaitingSearched = true
		return d.findEvents(ctx, js, infos)
	}
	if err := d.findWaiting(ctx, js, infos); err != nil {
		return err
	}
	if d.Waiting != nil && (d.Waiting.Lane == nil || d.Waiting.Lane.ReplayUntil == nil) && d.Database.Answers {
		d.EventsSearched = true // there can be none
		return nil
	}
	return d.findEvents(ctx, js, infos)
}

func (d *Command) state() CommandState {
	switch {
	case d.Decided != nil && len(d.Events) > 0:
		return Published
	case d.Decided != nil && d.InOutbox != nil && *d.InOutbox:
		return Unpublished
	case d.Decided != nil:
		return DecidedOnly
	case !d.Database.Answers || !d.NATS.Answers:
		return Undetermined
	case d.Waiting != nil:
		return NotDecided
	case !d.WaitingSearched || !d.EventsSearched:
		return Undetermined
	}
	return Unknown
}
