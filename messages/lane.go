package messages

import (
	"fmt"
	"hash/fnv"
	"strconv"
)

// MaxLanes bounds the number of lanes a class can be cut into.
const MaxLanes = 256

// Lane names one of the parts into which a class's command stream is cut. All
// commands of one organization and class share a lane.
type Lane struct {
	Class  Class
	Number int
}

// String returns the lane's name: the class's letter and the number, as in "c7".
func (l Lane) String() string { return l.Class.Letter() + strconv.Itoa(l.Number) }

// ParseLane reads a lane's name as [Lane.String] writes it, and no other
// spelling ("c07" is an error).
func ParseLane(name string) (Lane, error) {
	if len(name) < 2 || !Class(name[0]).Valid() {
		return Lane{}, fmt.Errorf("lane %q: want c or b and a number, such as c7", clip(name))
	}
	number, err := parseLaneNumber(name[1:])
	if err != nil {
		return Lane{}, fmt.Errorf("lane %q: %w", clip(name), err)
	}
	return Lane{Class: Class(name[0]), Number: number}, nil
}

func parseLaneNumber(digits string) (int, error) {
	number, err := strconv.Atoi(digits)
	if err != nil || number < 0 || number >= MaxLanes || strconv.Itoa(number) != digits {
		return 0, fmt.Errorf("lane number %q: want 0 to %d without leading zeros", clip(digits), MaxLanes-1)
	}
	return number, nil
}

// CommandFilter returns the subject filter that selects the lane's commands
// in the class's stream.
func (l Lane) CommandFilter() string {
	return l.Class.prefix() + strconv.Itoa(l.Number) + ".>"
}

// EventFilter returns the subject filter that selects the lane's events. It is
// also the value of the Nats-Expected-Last-Subject-Sequence-Subject header of
// everything published to the lane. That spelling is wire protocol: replicated
// streams compare it as a string, so two spellings would not exclude each other.
func (l Lane) EventFilter() string { return eventPrefix + l.String() + ".>" }

// Partition returns the number of the lane that the server's partition()
// subject mapping gives an organization token: 32-bit FNV-1a of the token as it
// stands in the subject, modulo the number of lanes.
func Partition(token string, lanes int) int {
	if lanes <= 0 {
		return 0
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(token))
	return int(hash.Sum32() % uint32(lanes))
}
