// Package usage reads what processes use of the machine, for measurements: the
// processor's time and memory, of a process or of a server with its children.
//
// It reads /proc (usage_linux.go). Other systems have none, and there nothing is
// known (usage_other.go).
package usage

import (
	"errors"
	"time"
)

// Reading is what a process had used at a moment.
type Reading struct {
	CPU time.Duration // user and system, since it started
	// Memory is what it holds, in bytes, or the most that it has held.
	Memory int64
}

// ErrNotKnown says that this system does not tell.
var ErrNotKnown = errors.New("what a process uses is read from /proc, which Linux has")
