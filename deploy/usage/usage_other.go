//go:build !linux

package usage

// Process returns ErrNotKnown.
func Process(int) (Reading, error) { return Reading{}, ErrNotKnown }

// Server returns ErrNotKnown.
func Server(int) (Reading, error) { return Reading{}, ErrNotKnown }
