package status

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

//go:embed sql/lanes.sql
var lanesSQL string

// Lane is a lane as its row and its stream have it.
type Lane struct {
	Lane       string `json:"lane"`
	Class      string `json:"class"`
	Generation int64  `json:"generation"`
	// Cursor is the stream sequence of the last decided command.
	Cursor uint64 `json:"cursor"`
	// CursorTime is when that command was accepted, nil before the first.
	CursorTime *time.Time `json:"cursor_time"`
	// Log tells how the cursor relates to the stream there is.
	Log *Log `json:"log"`
	// LagMessages counts the commands that are not decided, LagSeconds is the age
	// of the oldest of them, and NextSequence where it stands; nil without one.
	LagMessages  *uint64  `json:"lag_messages"`
	LagSeconds   *float64 `json:"lag_seconds"`
	NextSequence *uint64  `json:"next_sequence"`
	// Owner is the owner's name, or its id if it is forgotten; nil if nobody.
	Owner   *string `json:"owner"`
	OwnerID *string `json:"owner_id"`
	Lease   Lease   `json:"lease"`
	// LeaseSeconds remain, or are over if below 0; nil if nobody has the lane.
	LeaseSeconds *float64 `json:"lease_seconds"`
	Outbox       Outbox   `json:"outbox"`
	Held         *Held    `json:"held"`
	// Skip is what an operator has asked for and no worker has done yet.
	Skip *Skip `json:"skip"`
	// Paused are the pauses that concern the lane: of its class, or of
	// organizations in it.
	Paused []Pause `json:"paused"`
	// ReplayUntil is up to which position the lane decides again what a restored
	// database lacked, nil if it does not.
	ReplayUntil *Position `json:"replay_until"`

	lane          messages.Lane
	streamCreated int64
}

// Lease says who may work a lane.
type Lease string

// The states of a lease.
const (
	LeaseHeld    Lease = "held"
	LeaseExpired Lease = "expired"
	LeaseNobody  Lease = "nobody"
)

// Log says how a lane's cursor relates to the stream that there is.
type Log string

// A worker that opens the lane settles all but the first: see the worker
// package's doc.go.
const (
	LogSame     Log = "same"
	LogUnread   Log = "unread"
	LogReplaced Log = "replaced"
	LogCutBack  Log = "cut_back"
)

// Position is a command's place: generation of the lane, and stream sequence.
type Position struct {
	Generation int64  `json:"generation"`
	Sequence   uint64 `json:"sequence"`
}

// Held says at which command a lane stands still, and why.
type Held struct {
	Since    time.Time `json:"since"`
	Seconds  float64   `json:"seconds"`
	Sequence uint64    `json:"sequence"`
	Error    string    `json:"error"`
}

// Skip is an operator's request to give up one command.
type Skip struct {
	Sequence uint64 `json:"sequence"`
	Reason   string `json:"reason"`
}

// Outbox is what was decided and is on its way to the events stream.
type Outbox struct {
	Depth int64 `json:"depth"`
	// OldestSeconds is how long ago the oldest was decided, nil without one.
	OldestSeconds *float64 `json:"oldest_seconds"`
}

func (o *Outbox) add(other Outbox) {
	o.Depth += other.Depth
	if other.OldestSeconds != nil && (o.OldestSeconds == nil || *o.OldestSeconds < *other.OldestSeconds) {
		o.OldestSeconds = other.OldestSeconds
	}
}

func readLanes(ctx context.Context, tx pgx.Tx, numbers Numbers) ([]Lane, error) {
	rows, err := tx.Query(ctx, lanesSQL)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Lane, error) {
		l, err := scanLane(row)
		if l.Held != nil {
			l.Held.Error = numbers.text(l.Held.Error)
		}
		return l, err
	})
}

func scanLane(row pgx.CollectableRow) (Lane, error) {
	var l Lane
	var class string
	var cursor, cursorTime int64
	var ownerName, heldError, skipReason *string
	var heldSince *time.Time
	var heldSeconds *float64
	var heldSequence, skipSequence, replayGeneration, replaySequence *int64
	var oldest []byte
	var now time.Time
	err := row.Scan(&l.Lane, &class, &l.streamCreated, &l.Generation, &cursor, &cursorTime,
		&l.OwnerID, &ownerName, &l.LeaseSeconds,
		&heldSince, &heldSeconds, &heldSequence, &heldError,
		&skipSequence, &skipReason, &replayGeneration, &replaySequence,
		&l.Outbox.Depth, &oldest, &now)
	if err != nil {
		return l, err
	}
	if l.lane, err = messages.ParseLane(l.Lane); err != nil {
		return l, err
	}
	l.Class, l.Cursor = l.lane.Class.String(), uint64(cursor)
	if cursorTime != 0 {
		l.CursorTime = nanoseconds(cursorTime)
	}
	l.Lease, l.Owner = LeaseNobody, ownerName
	if l.OwnerID != nil {
		if l.Owner == nil {
			l.Owner = l.OwnerID
		}
		l.Lease = LeaseHeld
		if l.LeaseSeconds != nil && *l.LeaseSeconds < 0 {
			l.Lease = LeaseExpired
		}
	}
	if heldSince != nil {
		l.Held = &Held{Since: heldSince.UTC(), Seconds: *heldSeconds, Sequence: uint64(*heldSequence), Error: *heldError}
	}
	if skipSequence != nil {
		l.Skip = &Skip{Sequence: uint64(*skipSequence), Reason: *skipReason}
	}
	if replayGeneration != nil {
		l.ReplayUntil = &Position{Generation: *replayGeneration, Sequence: uint64(*replaySequence)}
	}
	if event, err := messages.DecodeEvent(oldest); err == nil {
		age := max(0, now.Sub(event.Time).Seconds())
		l.Outbox.OldestSeconds = &age
	}
	return l, nil
}

func nanoseconds(n int64) *time.Time {
	t := time.Unix(0, n).UTC()
	return &t
}
