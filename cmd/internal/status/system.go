package status

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
)

// System is the state of a whole system.
type System struct {
	// Time is when the reading began, by the clock of who reads.
	Time time.Time `json:"time"`
	// OK says that there are no problems.
	OK bool `json:"ok"`
	// Problems are the worst first.
	Problems []Problem `json:"problems"`
	Database Server    `json:"database"`
	NATS     Server    `json:"nats"`
	// Lanes are nil if the database is away.
	Lanes   []Lane   `json:"lanes"`
	Workers []Worker `json:"workers"`
	Pauses  []Pause  `json:"pauses"`
	// Outbox sums up the lanes'.
	Outbox *Outbox `json:"outbox"`
	// Streams are nil if NATS is away.
	Streams     []Stream          `json:"streams"`
	DeadLetters *DeadLetterCounts `json:"dead_letters"`

	numbers Numbers
}

// System reads the state of the whole system. It returns a document whatever
// is away, and says in it what is.
func (s *Servers) System(ctx context.Context, numbers Numbers) *System {
	d := &System{Time: time.Now().UTC(), numbers: numbers}
	d.Database = s.askDatabase(ctx, d.readTables)
	d.NATS = s.askNATS(ctx, d.readStreams)
	d.Problems = d.findProblems()
	d.OK = len(d.Problems) == 0
	return d
}

// readTables fills in what the database tells, or nothing.
func (d *System) readTables(ctx context.Context, tx pgx.Tx) (err error) {
	var tables System
	if tables.Lanes, err = readLanes(ctx, tx, d.numbers); err != nil {
		return err
	}
	if tables.Workers, err = readWorkers(ctx, tx); err != nil {
		return err
	}
	if tables.Pauses, err = readPauses(ctx, tx); err != nil {
		return err
	}
	if tables.DeadLetters, err = countDeadLetters(ctx, tx); err != nil {
		return err
	}
	d.Lanes, d.Workers, d.Pauses, d.DeadLetters = tables.Lanes, tables.Workers, tables.Pauses, tables.DeadLetters
	d.relate()
	return nil
}

// relate tells the workers which lanes they own, the lanes what pauses them,
// and sums up their outboxes.
func (d *System) relate() {
	lanesOfClass := map[string]int{}
	for i := range d.Lanes {
		lanesOfClass[d.Lanes[i].Class]++
	}
	d.Outbox = &Outbox{}
	for i := range d.Lanes {
		lane := &d.Lanes[i]
		d.Outbox.add(lane.Outbox)
		lane.Paused = pausesOf(lane.lane, lanesOfClass[lane.Class], d.Pauses)
		for w := range d.Workers {
			if lane.OwnerID != nil && d.Workers[w].ID == *lane.OwnerID && lane.Lease == LeaseHeld {
				d.Workers[w].Lanes = append(d.Workers[w].Lanes, lane.Lane)
			}
		}
	}
}

// readStreams fills in what NATS tells. After an error the part that was read
// stays.
func (d *System) readStreams(ctx context.Context, js jetstream.JetStream) error {
	infos, err := readStreams(ctx, js)
	if err != nil {
		return err
	}
	d.Streams = describeStreams(infos)
	return readLag(ctx, js, infos, d.Lanes)
}
