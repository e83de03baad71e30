package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
)

// Servers are what is asked. One that can't be reached is nil and leaves its
// error: the other one is asked all the same.
type Servers struct {
	Database      *pgxpool.Pool
	DatabaseError error
	JetStream     jetstream.JetStream
	NATSError     error
	// Timeout bounds what is asked of each of the two.
	Timeout time.Duration
	// Mask takes secrets out of errors.
	Mask func(string) string
}

// Server tells whether one of the servers has answered everything.
type Server struct {
	Answers bool    `json:"answers"`
	Error   *string `json:"error"`
}

// askDatabase puts questions that see one state of the database.
func (s *Servers) askDatabase(ctx context.Context, question func(ctx context.Context, tx pgx.Tx) error) Server {
	err := s.DatabaseError
	if err == nil {
		bounded, cancel := context.WithTimeoutCause(ctx, s.Timeout, fmt.Errorf("no answer within %s", s.Timeout))
		defer cancel()
		err = pgx.BeginTxFunc(bounded, s.Database, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			return question(bounded, tx)
		})
		err = withCause(bounded, err)
	}
	return s.server(err)
}

// askNATS puts questions to the streams.
func (s *Servers) askNATS(ctx context.Context, question func(ctx context.Context, js jetstream.JetStream) error) Server {
	err := s.NATSError
	if err == nil {
		nc := s.JetStream.Conn()
		bounded, cancel := context.WithTimeoutCause(ctx, s.Timeout, fmt.Errorf("no answer within %s", s.Timeout))
		defer cancel()
		if !nc.IsConnected() {
			err = fmt.Errorf("the connection is lost (%s)", nc.Status())
		} else if err = question(bounded, s.JetStream); err != nil {
			err = withCause(bounded, err)
			// a refused permission shows as silence; the connection knows of it
			if last := nc.LastError(); last != nil {
				err = fmt.Errorf("%w (%w)", err, last)
			}
		}
	}
	return s.server(err)
}

func withCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

func (s *Servers) server(err error) Server {
	if err == nil {
		return Server{Answers: true}
	}
	text := err.Error()
	if s.Mask != nil {
		text = s.Mask(text)
	}
	return Server{Error: &text}
}
