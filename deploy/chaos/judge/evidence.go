package judge

import (
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"connect-provider/deploy/chaos/load"
	"connect-provider/messages"
)

// Evidence is what one act has left. Nothing was under way when it was taken.
type Evidence struct {
	// Stored are the messages that came into the command streams, each class's
	// in order.
	Stored []*Stored
	// Rows are the inbox's that were written in this act; Inbox counts all.
	Rows  []*Row
	Inbox int
	// Events came into the events stream in this act, in order.
	Events []*Published
	// Connections are the whole table, Letters those of this act; AllLetters counts
	// all.
	Connections map[string]Connection
	Letters     []Letter
	AllLetters  int
	Outbox      int
	Lanes       []LaneRow
	// Destroyed are the names of the streams that an attack has purged, replaced
	// or cut back.
	Destroyed map[string]bool
	// Told and Asked are what producers heard.
	Told  []Told
	Asked []Asked
	// Answers are those of gateways.
	Answers []Answered
	// WentBack says that the database was restored or failed over to a standby
	// that lagged, and when; CameBack, when it could be used again.
	WentBack, CameBack time.Time
	// EpochsRose says by lane how often it changed hands. Steady says that nothing
	// was done to any worker, or to the leases' clock, that could be a reason.
	EpochsRose map[string]int64
	Steady     bool
	// Early are events that were seen in the stream while their effect was not in
	// the database.
	Early []*Published
}

// place is where a message stands, and which message that is: sequences repeat
// after a stream was replaced or cut back.
type place struct {
	class    messages.Class
	created  int64
	sequence uint64
	time     int64
}

// Stored is a message that was in a command stream.
type Stored struct {
	*messages.Received
	Class messages.Class
	// Gone says that an attack has taken it out of the stream.
	Gone bool
	// Intent is what its maker meant, nil where nobody has made it.
	Intent *load.Intent

	row    *Row
	repeat bool
}

func (s *Stored) place() place {
	return place{s.Class, s.StreamCreated.UnixNano(), s.Sequence, s.Time.UnixNano()}
}

// Row is a row of the inbox.
type Row struct {
	Token, Key    string
	Digest        [16]byte
	Lane          messages.Lane
	StreamCreated int64
	Generation    int64
	Sequence      uint64
	MessageTime   int64
	// Transaction is the id of the row's transaction. A lane's transaction gets it
	// when it writes, so after it has its partition's lock, and gives the lock back
	// when it has committed: those of one partition are serialized in the order of
	// their ids. Committed is when it did, by a clock that may be set.
	Transaction uint64
	Committed   time.Time
	Outcome     messages.Outcome
	// Command is what the row keeps of it: bridge, configuration and number.
	Command messages.Command
}

func (r *Row) place() place {
	return place{r.Lane.Class, r.StreamCreated, r.Sequence, r.MessageTime}
}

// Published is a message that was in the events stream.
type Published struct {
	Subject  string
	Sequence uint64
	Header   nats.Header
	Body     []byte
	// Event is what the body says; Unreadable says why it says nothing.
	Event      messages.Event
	Unreadable error
	// Gone says that an attack has taken it out of the stream; Stream counts the
	// events streams of the run, which an attack may replace or cut back.
	Gone   bool
	Stream int
	// Seen is when it was read, after the effect it tells of.
	Seen time.Time
}

// Connection is a row of the connections.
type Connection struct {
	Handle, Bridge string
	Configuration  int64
	Provider       string
	Version        int64
	ConnectedAt    time.Time
}

// Letter is a row of the dead letters.
type Letter struct {
	Lane          messages.Lane
	StreamCreated int64
	Sequence      uint64
	MessageTime   int64
	Token         string
	Code          string
	Subject       string
	Headers, Body []byte
}

// LaneRow is what the database remembers of a lane.
type LaneRow struct {
	Lane          messages.Lane
	StreamCreated int64
	Generation    int64
	Cursor        uint64
	CursorTime    int64
	LastEvent     uint64
}

// Told is the acknowledgement of a command.
type Told struct {
	Class    messages.Class
	Sequence uint64
	Subject  string
	Body     []byte
	At       time.Time
}

// Answered is what a gateway answered to a request with a key.
type Answered struct {
	Token string
	ID    string // the key
	// Body is that of the command which the gateway makes of the request.
	Body    []byte
	Gateway string
	Began   time.Time
	// Status is 0 where the connection broke. Hung says that it did not, and that
	// no answer came.
	Status int
	Code   string
	Answer []byte
	Hung   bool
	At     time.Time
}

// Asked is an answer to the question what became of a command.
type Asked struct {
	Token string
	ID    string
	// Class and Sequence are those of the acknowledgement that the asker had.
	Class    messages.Class
	Sequence uint64
	// Outcome is nil where the answer was that nothing is known. Never says that
	// the lane's cursor had passed the command by then, in the generation that the
	// answer named.
	Outcome    *messages.Decided
	Never      bool
	Generation int64
	At         time.Time
}

// eventID is that of the event of a row.
func (r *Row) eventID() uuid.UUID { return messages.EventID(r.Token, r.Key) }
