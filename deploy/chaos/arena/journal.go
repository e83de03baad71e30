package arena

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Entry is something that was done or that happened, and when.
type Entry struct {
	At   time.Time
	What string
}

// Journal keeps what is done to the system, and passes it on as it comes.
type Journal struct {
	out io.Writer

	mu      sync.Mutex
	entries []Entry
	tally   map[string]int
}

// NewJournal returns an empty journal. Out may be nil.
func NewJournal(out io.Writer) *Journal { return &Journal{out: out, tally: map[string]int{}} }

// Say notes something.
func (j *Journal) Say(format string, args ...any) {
	e := Entry{At: time.Now(), What: fmt.Sprintf(format, args...)}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	if j.out != nil {
		fmt.Fprintf(j.out, "%s  %s\n", e.At.Format("15:04:05.000"), e.What)
	}
}

// Count counts something that was done, for the run's summary.
func (j *Journal) Count(what string, n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tally[what] += n
}

// Tally returns what was counted.
func (j *Journal) Tally() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	tally := make(map[string]int, len(j.tally))
	for what, n := range j.tally {
		tally[what] = n
	}
	return tally
}

// Between returns what was noted in a span of time.
func (j *Journal) Between(from, to time.Time) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var entries []Entry
	for _, e := range j.entries {
		if !e.At.Before(from) && !e.At.After(to) {
			entries = append(entries, e)
		}
	}
	return entries
}
