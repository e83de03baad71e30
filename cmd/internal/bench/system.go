package bench

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// System is what is measured. Its schema and its streams exist.
type System struct {
	NATS      *nats.Conn
	JetStream jetstream.JetStream
	Database  *pgxpool.Pool
	Workers   Workers
	// Processes are the servers' and whoever else's use of the machine is to be
	// told, beside the workers.
	Processes []Process
	// Embedded says that nobody else uses the system, and that nothing need be
	// removed from it.
	Embedded bool
	// Started is how many workers are started for the benchmark, 0 if they run
	// anyway.
	Started int
	// DataDir is where an embedded system keeps its data.
	DataDir string
	// Monitoring is the address of NATS' monitoring endpoint, if there is one: it
	// knows whether JetStream syncs. An embedded server does.
	Monitoring string
}

// Workers are the system's.
type Workers interface {
	// Hold has no worker decide anything of the workload from now on, until Release.
	Hold(ctx context.Context, class messages.Class, w workload.Workload) error
	// Release lets workers decide. It may be called where nothing is held.
	Release(ctx context.Context) error
	// Processes are those that are running now.
	Processes() []Process
	// Metrics are the addresses at which these tell what they have counted.
	Metrics() []string
}
