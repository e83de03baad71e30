//go:build !linux

package bench

import (
	"context"
	"errors"
)

var errNotKnown = errors.New("what a process uses is read from /proc, which Linux has")

func unknown(name string) Process {
	return Process{Name: name, Read: func(context.Context) (Reading, error) { return Reading{}, errNotKnown }}
}

// ProcessOf returns a process whose usage is not known on this system.
func ProcessOf(name string, _ int) Process { return unknown(name) }

// ServerOf returns a server whose usage is not known on this system.
func ServerOf(name string, _ int) Process { return unknown(name) }

// Self is this process, whose usage is not known on this system.
func Self(name string) Process { return unknown(name) }
