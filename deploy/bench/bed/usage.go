package bed

import (
	"errors"
	"fmt"
	"os"

	"connect-provider/deploy/usage"
)

// Usage is the processor time that each part has spent, in seconds. It is 0 where
// that can't be known, which is everywhere but on Linux.
type Usage struct {
	Client   float64 // this process, with what it measures
	NATS     float64
	Postgres float64 // with all backends, also those that have ended
}

// Usage tells what has been spent since the servers started.
func (b *Bed) Usage() (u Usage, err error) {
	read := func(part string, into *float64, read func(int) (usage.Reading, error), pid int) {
		spent, unread := read(pid)
		if unread != nil && !errors.Is(unread, usage.ErrNotKnown) {
			err = errors.Join(err, fmt.Errorf("processor time of %s: %w", part, unread))
		}
		*into = spent.CPU.Seconds()
	}
	read("this process", &u.Client, usage.Process, os.Getpid())
	read("NATS", &u.NATS, usage.Process, b.nats.Pid())
	read("Postgres", &u.Postgres, usage.Server, b.postgres.Pid())
	return u, err
}

// Minus is what has been spent since an earlier reading.
func (u Usage) Minus(earlier Usage) Usage {
	return Usage{u.Client - earlier.Client, u.NATS - earlier.NATS, u.Postgres - earlier.Postgres}
}
