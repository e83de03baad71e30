package status

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"net/textproto"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

//go:embed sql/letters_of_command.sql
var lettersOfCommandSQL string

// DeadLetter is a message that nobody could act on, without its bytes.
type DeadLetter struct {
	Lane     string    `json:"lane"`
	Sequence uint64    `json:"sequence"`
	DiedAt   time.Time `json:"died_at"`
	Code     string    `json:"code"`
	Error    string    `json:"error"`
	// Relation says what it has to do with the command.
	Relation Relation `json:"relation"`
	// Redrives counts how often it was published again, RedrivenAt is when the
	// last time was, RedrivenAs the command id then (empty if the bytes carry
	// none), and RedrivenOutcome what was decided of that: "connected", a failure's
	// code, or nil if nothing yet.
	Redrives        int        `json:"redrives"`
	RedrivenAt      *time.Time `json:"redriven_at"`
	RedrivenAs      *string    `json:"redriven_as"`
	RedrivenOutcome *string    `json:"redriven_outcome"`
}

// Relation is what a dead letter has to do with a command.
type Relation string

// The relations.
const (
	// Left: the command itself broke, and these are its bytes.
	Left Relation = "left"
	// Claimed: a message that can't be understood, and claims the command's id.
	Claimed Relation = "claimed"
	// Origin: the command is this one, published again.
	Origin Relation = "origin"
)

func (d *Command) readLetters(ctx context.Context, tx pgx.Tx) ([]DeadLetter, error) {
	var own struct {
		lane                    *string
		created, sequence, time *int64
	}
	if d.row != nil {
		sequence, at := int64(d.row.accepted.Sequence), d.row.accepted.Time.UnixNano()
		own.lane, own.created, own.sequence, own.time = &d.row.accepted.Lane, &d.row.streamCreated, &sequence, &at
	}
	rows, err := tx.Query(ctx, lettersOfCommandSQL, d.organization.Token, d.CommandID, own.lane, own.created, own.sequence, own.time)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, d.scanLetter)
	if err != nil {
		return nil, err
	}
	letters := []DeadLetter{}
	for _, letter := range found {
		if letter.Relation == "" {
			continue // the id stands in it by chance
		}
		if letter.RedrivenAs != nil && *letter.RedrivenAs != "" {
			row, err := readInbox(ctx, tx, d.organization.Token, *letter.RedrivenAs, d.numbers)
			if err != nil {
				return nil, err
			}
			if row != nil {
				letter.RedrivenOutcome = &row.decided.Outcome
				if row.decided.Code != nil {
					letter.RedrivenOutcome = row.decided.Code
				}
			}
		}
		letters = append(letters, letter)
	}
	return letters, nil
}

func (d *Command) scanLetter(row pgx.CollectableRow) (DeadLetter, error) {
	var l DeadLetter
	var created, sequence, messageTime, generation int64
	var subject string
	var headers, body []byte
	err := row.Scan(&l.Lane, &created, &sequence, &messageTime, &generation, &subject, &headers, &body,
		&l.Code, &l.Error, &l.DiedAt, &l.Redrives, &l.RedrivenAt, &l.RedrivenAs)
	if err != nil {
		return l, err
	}
	l.Sequence, l.DiedAt, l.RedrivenAt, l.Error = uint64(sequence), l.DiedAt.UTC(), utc(l.RedrivenAt), d.numbers.text(l.Error)
	received := messages.Decode(messages.Message{
		StreamCreated: *nanoseconds(created), Time: *nanoseconds(messageTime), Sequence: l.Sequence,
		Subject: subject, Header: parseHeaders(headers), Body: body,
	})
	switch {
	case d.row != nil && d.row.accepted.Lane == l.Lane && d.row.streamCreated == created &&
		d.row.accepted.Sequence == l.Sequence && d.row.accepted.Time.UnixNano() == messageTime:
		l.Relation = Left
	case l.RedrivenAs != nil && *l.RedrivenAs == d.CommandID:
		l.Relation = Origin
	case received.Command.ID == d.CommandID:
		l.Relation = Claimed
	}
	return l, nil
}

// parseHeaders reads headers as the table keeps them: a line each, as on the
// wire. What can't be read is left out.
func parseHeaders(lines []byte) nats.Header {
	header := nats.Header{}
	reader := textproto.NewReader(bufio.NewReader(bytes.NewReader(lines)))
	for {
		line, err := reader.ReadLine()
		if err != nil {
			return header
		}
		if name, value, ok := bytes.Cut([]byte(line), []byte(": ")); ok {
			header[string(name)] = append(header[string(name)], string(value))
		}
	}
}
