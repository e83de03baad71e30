package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// Mode says what is measured.
type Mode string

const (
	// Throughput is how fast commands are decided that are in the stream already.
	Throughput Mode = "throughput"
	// Pipeline is how fast commands are published and decided.
	Pipeline Mode = "pipeline"
	// Latency is how long a single command takes, with no others about and at
	// fixed rates.
	Latency Mode = "latency"
)

// Options say how much is measured.
type Options struct {
	// Name begins the names of the organizations; see NewName.
	Name          string
	Mode          Mode
	Class         messages.Class
	Commands      int // of a round; of a latency's, one at a time
	Organizations int
	Rounds        int
	// Rates are in commands a second, for Latency; each is kept for Duration.
	Rates    []int
	Duration time.Duration
}

// Most is how many commands are published altogether, warming up included.
func (o Options) Most() int {
	if o.Mode != Latency {
		return o.Commands * o.Rounds
	}
	total := warmUp + o.Commands
	for _, rate := range o.Rates {
		total += o.at(rate)
	}
	return total
}

// at is how many commands are published at a rate.
func (o Options) at(rate int) int { return max(1, int(float64(rate)*o.Duration.Seconds())) }

// bench is a benchmark under way.
type bench struct {
	system        *System
	options       Options
	organizations *organizations
	tell          func(format string, args ...any)
	report        *Report
}

// Measure measures a system and returns what it found. Tell is called with what is
// about to be done, for people. Of a system that others use too, it removes what it
// has made, whatever has happened, and also when ctx has ended; the report says
// what stays. Together with an error it may return a report of what had been
// measured by then.
func Measure(ctx context.Context, s *System, o Options, tell func(format string, args ...any)) (report *Report, err error) {
	b := &bench{system: s, options: o, organizations: newOrganizations(o.Name), tell: tell}
	b.report = &Report{
		Mode: o.Mode, Started: time.Now().UTC().Truncate(time.Second), Version: program.Version(),
		Machine: Machine{OS: runtime.GOOS, Architecture: runtime.GOARCH, CPUs: runtime.NumCPU()},
		System:  SystemReport{Embedded: s.Embedded, Workers: s.Started, NATS: s.NATS.ConnectedServerVersion()},
		Class:   o.Class.String(), Organizations: o.Organizations,
	}
	// without what the distribution says of itself
	if err := s.Database.QueryRow(ctx, "select split_part(current_setting('server_version'), ' ', 1)").Scan(&b.report.System.Postgres); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if b.report.Durability, err = readDurability(ctx, s.Database, s.Monitoring); err != nil {
		return nil, err
	}
	if s.Embedded {
		b.report.Durability.JetStreamSync, b.report.Durability.Storage = SyncsAlways, storageInMemory(s.DataDir)
	}
	defer b.report.judge()
	if !s.Embedded {
		defer func() { err = errors.Join(err, b.clean(context.WithoutCancel(ctx))) }()
	}
	if o.Mode == Latency {
		return b.report, b.measureLatencies(ctx)
	}
	for round := range o.Rounds {
		if err := b.measureRound(ctx, round+1); err != nil {
			return b.report, err
		}
	}
	return b.report, nil
}

// cleanLimit bounds removing.
const cleanLimit = 5 * time.Minute

// clean leaves the system as it was, but for what the report says.
func (b *bench) clean(ctx context.Context) error {
	b.tell("Removing the organizations and what was made of their commands")
	ctx, cancel := context.WithTimeout(ctx, cleanLimit)
	defer cancel()
	err := b.system.Workers.Release(ctx)
	stays, removing := b.organizations.remove(ctx, b.system, b.options.Class)
	b.report.Stays = stays
	if err = errors.Join(err, removing); err != nil {
		return fmt.Errorf("not all was removed (connectctl bench remove %s does the rest): %w", b.organizations.name, err)
	}
	return nil
}

// load writes the platform's rows of a new workload.
func (b *bench) load(ctx context.Context, commands int) (workload.Workload, error) {
	w := b.organizations.next(b.options.Organizations, commands)
	return w, w.Load(ctx, b.system.Database)
}
