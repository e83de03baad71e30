package onboard

import (
	"fmt"
	"maps"
	"time"

	"connect-provider/messages"
)

// Counts say how many rows are where.
type Counts struct {
	Rows int64 // of the file
	Read int64
	// Accepted commands are those that the stream has taken from this process.
	Accepted int64
	// Connected, and of them those that were so already, and those decided by an
	// earlier run.
	Connected, Unchanged, ConnectedEarlier int64
	Failed, FailedEarlier                  int64
	// EarlierFrom and EarlierUntil are when those were decided.
	EarlierFrom, EarlierUntil time.Time
	// Unsent failed without a command: they could be none, or their id was taken.
	Unsent int64
	// Repeated rows say what an earlier row says.
	Repeated int64
	InFlight int
	Codes    map[messages.Code]int64
}

// Decided is how many rows have their outcome.
func (c *Counts) Decided() int64 { return c.Connected + c.Failed }

// Undecided is how many rows of the file have none.
func (c *Counts) Undecided() int64 { return c.Rows - c.Decided() }

// count adds a row's outcome.
func (c *Counts) count(o *outcome) {
	if o.earlier && !o.decidedAt.IsZero() {
		if c.EarlierFrom.IsZero() || o.decidedAt.Before(c.EarlierFrom) {
			c.EarlierFrom = o.decidedAt
		}
		if o.decidedAt.After(c.EarlierUntil) {
			c.EarlierUntil = o.decidedAt
		}
	}
	if o.failure == nil {
		c.Connected++
		if o.earlier {
			c.ConnectedEarlier++
		} else if !o.changed {
			c.Unchanged++
		}
		return
	}
	c.Failed++
	c.Codes[o.failure.Code]++
	if o.earlier {
		c.FailedEarlier++
	}
	if o.own {
		c.Unsent++
	}
}

// Progress is how far a run has come.
type Progress struct {
	Counts
	// Waiting says what the run waits for, empty while it goes on.
	Waiting string
	// Stopping says that nothing more is published.
	Stopping bool
	Since    time.Time
	// Resumed is how many rows had their outcome when this process began.
	Resumed int64
}

// Rate is how many rows a second have got their outcome.
func (p *Progress) Rate(now time.Time) float64 {
	elapsed := now.Sub(p.Since).Seconds()
	if elapsed <= 0 {
		return 0
	}
	return float64(p.Decided()-p.Resumed) / elapsed
}

// Left is how long the rest takes at that rate, 0 if nobody can tell.
func (p *Progress) Left(now time.Time) time.Duration {
	rate := p.Rate(now)
	if rate <= 0 || p.Undecided() == 0 {
		return 0
	}
	return time.Duration(float64(p.Undecided()) / rate * float64(time.Second))
}

// Progress tells how far the run has come. It may be called at any time.
func (r *Run) Progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Progress{Counts: r.counts, Stopping: r.stopping, Since: r.since, Resumed: r.resumed}
	p.Codes = maps.Clone(r.counts.Codes)
	p.InFlight = r.undecided
	for _, source := range []waiter{waitPublish, waitAsk} {
		if p.Waiting == "" {
			p.Waiting = r.waiting[source]
		}
	}
	if p.Waiting == "" && r.undecided > 0 && time.Since(r.moved) > r.quiet {
		p.Waiting = r.undecidedSince()
	}
	return p
}

// undecidedSince says where the lanes stand when nothing is decided for a while.
// r.mu is held.
func (r *Run) undecidedSince() string {
	for _, a := range r.accounts {
		for _, f := range a.accepted {
			if !f.landed && f.sequence != 0 {
				return fmt.Sprintf("no outcome has come since %s: lane %s stands at %d, the next row's command is %d (connectctl status may tell why)",
					r.moved.Format(time.TimeOnly), a.lane.Lane, a.lane.Cursor, f.sequence)
			}
		}
	}
	return ""
}

// waiter is a part of the run that may have to wait.
type waiter int

const (
	waitPublish waiter = iota
	waitAsk
	waiters
)

// waits notes what a part waits for, nothing if it goes on.
func (r *Run) waits(who waiter, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[who] = why
}
