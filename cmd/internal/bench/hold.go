package bench

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"connect-provider/deploy/workload"
	"connect-provider/messages"
	"connect-provider/worker"
)

// RunningWorkers are workers that this program has not started, and does not end.
// They are held by pausing the workload's organizations, one by one: what stands
// behind those in a lane, of whomever, waits with them.
type RunningWorkers struct {
	Database *pgxpool.Pool
	NATS     *nats.Conn
	// URLs are the addresses of their metrics, of as many as are known.
	URLs []string

	// what is paused
	class  messages.Class
	tokens []string
}

// Hold pauses the workload's organizations.
func (r *RunningWorkers) Hold(ctx context.Context, class messages.Class, w workload.Workload) error {
	for n := range w.Organizations {
		token := w.Organization(n).Token
		r.class, r.tokens = class, append(r.tokens, token)
		pause := worker.Pause{Class: class, OrgToken: token, Reason: "connectctl bench publishes its commands"}
		if _, err := worker.SetPause(ctx, r.Database, pause); err != nil {
			return err
		}
	}
	return nil
}

// Release ends the pauses, all at once, and tells the workers.
func (r *RunningWorkers) Release(ctx context.Context) error {
	if len(r.tokens) == 0 {
		return nil
	}
	const sql = `delete from connect_provider.pauses where class = $1 and org_token = any ($2::text[])`
	if _, err := r.Database.Exec(ctx, sql, r.class.Letter(), r.tokens); err != nil {
		return fmt.Errorf("end the pauses: %w", err)
	}
	r.tokens = nil
	return worker.Nudge(r.NATS)
}

// Processes are the workers whose metrics are known.
func (r *RunningWorkers) Processes() []Process {
	processes := make([]Process, len(r.URLs))
	for i, url := range r.URLs {
		processes[i] = WorkerAt(url)
	}
	return processes
}

// Metrics are the addresses that were given.
func (r *RunningWorkers) Metrics() []string { return r.URLs }
