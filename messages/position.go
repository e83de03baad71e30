package messages

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// HeaderLanePosition is the header of an event that carries its lane's
// [Position] once the event is in the stream.
const HeaderLanePosition = "Telephony-Lane-Position"

// Position is how far a lane has come: the generation of the command stream,
// and the sequence of a command in it. Along a lane's events it never goes
// down; a correction, or an event that comes late, repeats the highest so far.
type Position struct {
	Generation int64
	Sequence   uint64
}

// String returns "<generation>.<sequence>".
func (p Position) String() string {
	return strconv.FormatInt(p.Generation, 10) + "." + strconv.FormatUint(p.Sequence, 10)
}

// ParsePosition reads what [Position.String] writes.
func ParsePosition(s string) (Position, error) {
	generation, sequence, ok := strings.Cut(s, ".")
	g, err := strconv.ParseInt(generation, 10, 64)
	if !ok || err != nil {
		return Position{}, fmt.Errorf("lane position %q: want <generation>.<sequence>", clip(s))
	}
	n, err := strconv.ParseUint(sequence, 10, 64)
	if err != nil {
		return Position{}, fmt.Errorf("lane position %q: want <generation>.<sequence>", clip(s))
	}
	return Position{Generation: g, Sequence: n}, nil
}

// Compare returns -1, 0 or 1: generations first, then sequences.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Generation, q.Generation), cmp.Compare(p.Sequence, q.Sequence))
}

// Less reports whether p comes before q.
func (p Position) Less(q Position) bool { return p.Compare(q) < 0 }
