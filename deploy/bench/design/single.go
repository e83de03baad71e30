package design

import (
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
	"connect-provider/outbox"
	"connect-provider/worker"
)

//go:embed sql/lock_organization.sql
var lockOrganizationSQL string

//go:embed sql/load_command.sql
var loadCommandSQL string

//go:embed sql/write_connection.sql
var writeConnectionSQL string

//go:embed sql/write_inbox.sql
var writeInboxSQL string

//go:embed sql/write_outbox.sql
var writeOutboxSQL string

// single is one command, decided by the worker's own rules in a transaction of its
// own: for the designs that know no batches.
type single struct {
	received messages.Received
	ledger   *worker.Ledger // what has been read
	at       time.Time
	decided  worker.Decided
}

func newSingle(message messages.Message) *single {
	return &single{received: messages.Decode(message), ledger: worker.NewLedger(), at: time.Now()}
}

// queueLoad queues what locks the organization and reads all that the command can
// touch.
func (s *single) queueLoad(q *pgx.Batch) {
	r, command, digest := &s.received, &s.received.Command, s.received.Digest()
	q.Queue(lockOrganizationSQL, r.Organization.Token)
	q.Queue(loadCommandSQL, r.Organization.Handle, command.BridgeSlug, command.ProviderConfigID, command.PhoneNumber,
		r.Organization.Token, r.Key(), digest[:], r.PositionKey()).QueryRow(s.scan)
}

// place is a connection as it is read; all are nil where there is none.
type place struct {
	number, handle, bridge, provider *string
	configuration, version           *int64
	at                               *time.Time
}

func (s *single) scan(row pgx.Row) error {
	var oneProvider, active, numberActive *bool
	var bridge, provider, owner *string
	var linked *int64
	var own, other place
	var digest, positionDigest []byte
	if err := row.Scan(&oneProvider, &bridge, &provider, &active, &owner, &linked, &numberActive,
		&own.handle, &own.bridge, &own.configuration, &own.provider, &own.version, &own.at,
		&other.number, &other.configuration, &other.provider, &other.version, &other.at, &digest, &positionDigest); err != nil {
		return err
	}
	r, command := &s.received, &s.received.Command
	if oneProvider != nil {
		s.ledger.Organization(r.Organization.Handle, *oneProvider)
	}
	if bridge != nil {
		s.ledger.Bridge(r.Organization.Handle, *bridge)
	}
	if provider != nil {
		s.ledger.Configuration(r.Organization.Handle, command.ProviderConfigID, *provider, *active)
	}
	if owner != nil {
		s.ledger.Number(command.PhoneNumber, *owner, *linked, *numberActive)
	}
	own.number, other.handle, other.bridge = &command.PhoneNumber, &r.Organization.Handle, bridge
	own.tell(s.ledger)
	other.tell(s.ledger)
	if digest != nil {
		s.ledger.Decided(r.Organization.Token, r.Key(), [16]byte(digest))
	}
	if positionDigest != nil {
		s.ledger.Decided(r.Organization.Token, r.PositionKey(), [16]byte(positionDigest))
	}
	return nil
}

func (p place) tell(ledger *worker.Ledger) {
	if p.version != nil {
		ledger.Bridge(*p.handle, *p.bridge)
		ledger.Connection(*p.number, *p.handle, *p.bridge, *p.configuration, *p.provider, *p.version, *p.at)
	}
}

// decide says what becomes of the command, by what has been read. False: it was
// decided before, and there is nothing to write.
func (s *single) decide() bool {
	s.decided = s.ledger.Decide(&s.received, s.at)
	return !s.decided.Repeat
}

// queueWrite queues the rows of what was decided, without the outbox's.
func (s *single) queueWrite(q *pgx.Batch) error {
	c := command{&s.received, s.decided}
	if o := s.decided.Outcome; o.Changed {
		q.Queue(writeConnectionSQL, c.connectionRow()...)
	}
	row, err := c.inboxRow()
	if err != nil {
		return err
	}
	q.Queue(writeInboxSQL, append([]any{s.received.Lane.String(), s.received.StreamCreated.UnixNano(), generation}, row...)...)
	return nil
}

// event is the outcome's, as it goes into the outbox.
func (s *single) event() (outbox.Row, error) {
	return command{&s.received, s.decided}.event(s.at)
}

func (s *single) queueOutbox(q *pgx.Batch) error {
	row, err := s.event()
	q.Queue(writeOutboxSQL, s.received.Lane.String(), row.Position.Generation, int64(row.Position.Sequence), row.Subject, row.Payload)
	return err
}
