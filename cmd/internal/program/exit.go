package program

import (
	"errors"
	"fmt"
)

// The exit codes that all commands share.
const (
	ExitOK      = 0
	ExitFailure = 1
	// ExitUsage says that the command line or the configuration is wrong:
	// nothing was dialled, and no retry mends it.
	ExitUsage = 2
)

// exitError is an error that says with which code the process ends.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Exit returns err as one that ends the process with a code.
func Exit(code int, err error) error { return &exitError{code, err} }

// Usage returns an error for a wrong command line or configuration.
func Usage(format string, args ...any) error {
	return Exit(ExitUsage, fmt.Errorf(format, args...))
}

// Quiet ends the process with a code and no further word: everything was said
// on standard output.
func Quiet(code int) error { return Exit(code, errQuiet) }

var errQuiet = errors.New("")

// Code returns the exit code that an error means: 0 for nil, ExitFailure where
// it does not say.
func Code(err error) int {
	var exit *exitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.code
	}
	return ExitFailure
}
