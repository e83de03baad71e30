package main

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/cmd/internal/program"
	"connect-provider/cmd/internal/status"
)

// statusServers are the connections of status. One that could not be made, or
// was given up, is tried again when it is asked for next.
type statusServers struct {
	command *statusCommand
	secrets *program.Secrets
	pool    *pgxpool.Pool
	nc      *nats.Conn
	js      jetstream.JetStream
}

// connect returns the servers as far as they can be reached, both tried at the
// same time.
func (s *statusServers) connect(ctx context.Context, timeout time.Duration, withNATS bool) *status.Servers {
	servers := &status.Servers{Timeout: timeout, Mask: s.secrets.Mask}
	var group sync.WaitGroup
	if s.pool == nil {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, min(timeout, statusTimeout))
			defer cancel()
			s.pool, servers.DatabaseError = openDatabase(ctx, &s.command.Database)
		})
	}
	if withNATS && (s.nc == nil || s.nc.IsClosed()) {
		group.Go(func() {
			s.nc, s.js, servers.NATSError = s.command.NATS.connect(s.secrets)
			if s.nc != nil {
				// the library would write to the terminal; the document tells it
				s.nc.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
			}
		})
	}
	group.Wait()
	servers.Database, servers.JetStream = s.pool, s.js
	return servers
}

func (s *statusServers) close() {
	if s.pool != nil {
		s.pool.Close()
	}
	if s.nc != nil {
		s.nc.Close()
	}
}
