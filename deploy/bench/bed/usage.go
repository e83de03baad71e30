package bed

import "fmt"

// Usage is the processor time that each part has spent, in seconds. It is 0 where
// that can't be known, which is everywhere but on Linux.
type Usage struct {
	Client   float64 // this process, with what it measures
	NATS     float64
	Postgres float64 // with all backends, also those that have ended
}

// Usage tells what has been spent since the servers started.
func (b *Bed) Usage() (u Usage, err error) {
	if u.Client, err = processSeconds(); err != nil {
		return u, err
	}
	if u.NATS, err = treeSeconds(b.nats.Pid()); err != nil {
		return u, fmt.Errorf("processor time of NATS: %w", err)
	}
	if u.Postgres, err = treeSeconds(b.postgres.Pid()); err != nil {
		return u, fmt.Errorf("processor time of Postgres: %w", err)
	}
	return u, nil
}

// Minus is what has been spent since an earlier reading.
func (u Usage) Minus(earlier Usage) Usage {
	return Usage{u.Client - earlier.Client, u.NATS - earlier.NATS, u.Postgres - earlier.Postgres}
}
