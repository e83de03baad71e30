package main

import (
	"sync"

	"connect-provider/messages"
)

// The outcomes that a command of the demo can have beside the failure codes.
const (
	outcomeConnected = "connected"
	// outcomeRepeat is none: the command's id was decided before, and nothing
	// may come of it.
	outcomeRepeat = "repeat"
)

// entry is a command that a stream has accepted.
type entry struct {
	token   string // of the organization
	id      string // of the command, empty where it can't be known
	outcome string // that it must have
}

// ledger is what the streams have accepted.
type ledger struct {
	mu      sync.Mutex
	entries map[place]entry
	repeats int
}

func newLedger() *ledger { return &ledger{entries: map[place]entry{}} }

func (l *ledger) add(p place, e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[p] = e
	if e.outcome == outcomeRepeat {
		l.repeats++
	}
}

// accepted says where a class's commands of one batch stand: n of them, up to
// the last sequence.
func (l *ledger) accepted(class messages.Class, last uint64, entries []entry) {
	first := last - uint64(len(entries)) + 1
	for i, e := range entries {
		l.add(place{class, first + uint64(i)}, e)
	}
}
