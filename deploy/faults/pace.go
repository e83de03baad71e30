package faults

import "time"

// Pace is how slow a Line is. The zero Pace adds nothing to the network's own.
type Pace struct {
	// Delay is how long each byte is under way at least, in each direction.
	Delay time.Duration
	// Jitter is the most that is added to a delay. It is drawn anew for what is
	// read at once; bytes keep their order all the same.
	Jitter time.Duration
	// BytesPerSecond is the most that passes in each direction of each
	// connection. 0 is no limit.
	BytesPerSecond int
}

// currentPace is replaced as a whole, so that who waits by it can be told.
type currentPace struct {
	Pace
	changed chan struct{} // closed when another one holds
}

// Slow gives the line a pace, in place of the one that it had. It holds for
// connections that exist too, and for what is under way on them: the zero Pace
// lets that arrive at once. Making a connection is not slowed down.
//
// At most about a megabyte is under way in each direction of a connection; then
// the sender has to wait, as on a real line.
func (l *Line) Slow(p Pace) {
	before := l.pace.Swap(&currentPace{Pace: p, changed: make(chan struct{})})
	close(before.changed)
}

// parcelsPerSecond is how often a line of limited bandwidth writes.
const parcelsPerSecond = 20

// parcel is how many of n bytes are sent at once.
func (p Pace) parcel(n int) int {
	if p.BytesPerSecond <= 0 {
		return n
	}
	return min(n, max(1, p.BytesPerSecond/parcelsPerSecond))
}

// due is when n bytes arrive that came at a time, if the line is free for them
// from another. luck, between 0 and 1, is their part of the jitter.
func (p Pace) due(came, free time.Time, luck float64, n int) time.Time {
	due := came.Add(p.Delay + time.Duration(luck*float64(p.Jitter)))
	if due.Before(free) {
		due = free
	}
	if p.BytesPerSecond > 0 {
		due = due.Add(time.Duration(n) * time.Second / time.Duration(p.BytesPerSecond))
	}
	return due
}
