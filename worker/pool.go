package worker

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"connect-provider/messages"
)

// GCPercent is what a process that is a worker does well to run its garbage
// collector with (debug.SetGCPercent): at the runtime's default, collecting took a
// sixth of the worker's time.
const GCPercent = 400

// NewPool returns a pool of connections for a worker with the given number of
// batches in flight for each class. It dials nothing yet. databaseURL is a
// PostgreSQL URL or key/value string; its own pool_max_conns wins if larger.
// configure, if given, has the last word.
//
// Connections notice a peer that has vanished within half a minute, and no
// statement depends on state of the session, so that a pooler in transaction
// mode may stand between (README, "Poolers").
func NewPool(ctx context.Context, databaseURL string, inFlight int, configure ...func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	// the batches, four for leases, ownership checks, doubts and upkeep, one for
	// questions about outcomes and one for previews
	config.MaxConns = max(config.MaxConns, int32(inFlight*len(messages.Classes())+6))
	config.ConnConfig.ConnectTimeout = 10 * time.Second
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "connect-provider"
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4,
	}}
	config.ConnConfig.DialFunc = dialer.DialContext
	config.AfterConnect = encodeArraysFast
	for _, change := range configure {
		change(config)
	}
	return pgxpool.NewWithConfig(ctx, config)
}
