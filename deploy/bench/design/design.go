package design

import (
	"context"

	"connect-provider/deploy/bench/bed"
	"connect-provider/deploy/workload"
)

// Design is a way to get from commands to rows and events.
type Design struct {
	Name  string // for the command line
	Title string // for tables
	// Unread says that the design reads no commands, so none need to be there.
	Unread bool
	// Prepare makes ready what does not count: tables of a library, say. What it
	// returns does the work: it decides all commands that are in the bulk stream
	// and returns when its context ends, having finished what it had begun, or
	// earlier with nil if nothing is left to do. An error means that not all is
	// decided.
	Prepare func(ctx context.Context, t Task) (work func(context.Context) error, err error)
}

// Task is what is to be decided, and where.
type Task struct {
	Bed      *bed.Bed
	Workload workload.Workload
	Commands int // the first so many
}

// All returns the designs in the order of the table.
func All() []Design {
	return []Design{floor, floorCopy, product, perCommand, riverQueue, watermillRouter}
}
