package status

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

//go:embed sql/decided.sql
var decidedSQL string

// Accepted is where and when a stream took a command.
type Accepted struct {
	Stream   string `json:"stream"`
	Lane     string `json:"lane"`
	Sequence uint64 `json:"sequence"`
	// Time is nil where only the event is left to tell of the command.
	Time *time.Time `json:"time"`
	// Generation is the lane's, nil for a command that no worker has read.
	Generation *int64 `json:"generation"`
}

// Decided is what was decided, and when. What is not known is nil.
type Decided struct {
	// Time is nil where the database could not be asked.
	Time *time.Time `json:"time"`
	// Outcome is "connected" or "failed".
	Outcome          string  `json:"outcome"`
	BridgeSlug       *string `json:"bridge_slug"`
	ProviderConfigID *int64  `json:"provider_config_id"`
	Provider         *string `json:"provider"`
	PhoneNumber      *string `json:"phone_number"`
	// Changed is false for a success that found everything as asked for.
	Changed           bool       `json:"changed"`
	ConnectionVersion *int64     `json:"connection_version"`
	ConnectedAt       *time.Time `json:"connected_at"`
	// Code and Message are the failure's, nil for a success.
	Code    *string `json:"code"`
	Message *string `json:"message"`
}

// The outcomes of Decided.
const (
	Connected = "connected"
	Failed    = "failed"
)

// inboxRow is what the inbox has of one command.
type inboxRow struct {
	accepted      Accepted
	decided       Decided
	inOutbox      bool
	streamCreated int64
}

// readInbox returns nil if the inbox does not have the key.
func readInbox(ctx context.Context, tx pgx.Tx, token, key string, numbers Numbers) (*inboxRow, error) {
	r := &inboxRow{}
	var generation, sequence, messageTime int64
	var at time.Time
	d := &r.decided
	err := tx.QueryRow(ctx, decidedSQL, token, key).Scan(&r.accepted.Lane, &r.streamCreated, &generation, &sequence, &messageTime, &at,
		&d.BridgeSlug, &d.ProviderConfigID, &d.PhoneNumber, &d.Provider, &d.Changed, &d.ConnectionVersion, &d.ConnectedAt,
		&d.Code, &d.Message, &r.inOutbox)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r.accepted.fill(generation, sequence, messageTime)
	d.finish(at, numbers)
	return r, nil
}

// fill completes an Accepted whose lane is known.
func (a *Accepted) fill(generation, sequence, messageTime int64) {
	if lane, err := messages.ParseLane(a.Lane); err == nil {
		a.Stream = lane.Class.Stream()
	}
	a.Generation, a.Sequence, a.Time = &generation, uint64(sequence), nanoseconds(messageTime)
}

// finish completes a Decided whose columns are read.
func (d *Decided) finish(at time.Time, numbers Numbers) {
	d.Time, d.ConnectedAt = utc(&at), utc(d.ConnectedAt)
	d.Outcome = Connected
	if d.Code != nil {
		d.Outcome = Failed
	}
	d.PhoneNumber = numbers.showPointer(d.PhoneNumber)
}
