package messages

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// EventsStream is the name of the stream of outcome events.
const EventsStream = "TELEPHONY_EVENTS"

// maxEvent bounds an event's message. It is four times what an event can grow
// to: every member of an 8 KiB command is echoed at most twice.
const maxEvent = 64 << 10

// StreamOptions are what an installation chooses about its streams. Zero
// values are not given: a stream is created with the defaults, and one that
// exists keeps what it has (Keep).
type StreamOptions struct {
	// Lanes is into how many lanes each class is cut (16). Once commands are
	// stored it cannot be changed in place.
	Lanes int
	// Replicas is 1 or, on a cluster, 3 (1).
	Replicas int
	// The sizes at which a stream refuses more: interactive commands (1 GiB),
	// bulk commands (4 GiB), events (8 GiB). A server reserves them at once.
	InteractiveMaxBytes, BulkMaxBytes, EventsMaxBytes int64
	// EventsMaxAge is how long events are kept (30 days).
	EventsMaxAge time.Duration
}

// duplicateWindow is the time within which JetStream drops a message whose
// Nats-Msg-Id was used before, by whomever: the shortest that the server allows.
const duplicateWindow = 100 * time.Millisecond

func (o StreamOptions) withDefaults() StreamOptions {
	defaultTo(&o.Lanes, 16)
	defaultTo(&o.Replicas, 1)
	defaultTo(&o.InteractiveMaxBytes, 1<<30)
	defaultTo(&o.BulkMaxBytes, 4<<30)
	defaultTo(&o.EventsMaxBytes, 8<<30)
	defaultTo(&o.EventsMaxAge, 30*24*time.Hour)
	return o
}

func defaultTo[T comparable](option *T, value T) {
	var zero T
	if *option == zero {
		*option = value
	}
}

// Validate reports the first option that makes no sense.
func (o StreamOptions) Validate() error {
	o = o.withDefaults()
	switch {
	case o.Lanes < 1 || o.Lanes > MaxLanes:
		return fmt.Errorf("lanes: %d is not between 1 and %d", o.Lanes, MaxLanes)
	case o.Replicas != 1 && o.Replicas != 3:
		return fmt.Errorf("replicas: %d is neither 1 nor 3", o.Replicas)
	case o.InteractiveMaxBytes < 1<<20 || o.BulkMaxBytes < 1<<20 || o.EventsMaxBytes < 1<<20:
		return fmt.Errorf("sizes: a stream needs at least 1 MiB")
	case o.EventsMaxAge < time.Hour:
		return fmt.Errorf("age of events: %v is less than an hour", o.EventsMaxAge)
	}
	return nil
}

// CommandsStreamConfig returns the definition of a class's command stream. It
// refuses new commands when it is full and never drops one by itself; the
// worker purges what is decided.
func CommandsStreamConfig(c Class, o StreamOptions) jetstream.StreamConfig {
	o = o.withDefaults()
	maxBytes := o.InteractiveMaxBytes
	if c == Bulk {
		maxBytes = o.BulkMaxBytes
	}
	subjects := c.prefix() + "*.*"
	return jetstream.StreamConfig{
		Name:        c.Stream(),
		Description: "Telephony commands, " + c.String() + ": read by connect-provider workers from their cursors, purged by them.",
		Subjects:    []string{subjects},
		SubjectTransform: &jetstream.SubjectTransformConfig{
			Source:      subjects,
			Destination: c.prefix() + "{{partition(" + strconv.Itoa(o.Lanes) + ",1)}}.{{wildcard(1)}}.{{wildcard(2)}}",
		},
		Retention:  jetstream.LimitsPolicy,
		Storage:    jetstream.FileStorage,
		Discard:    jetstream.DiscardNew,
		Replicas:   o.Replicas,
		MaxBytes:   maxBytes,
		MaxMsgSize: MaxMessage,
		Duplicates: duplicateWindow,
		// Removing a command from the middle would lose it without a trace.
		DenyDelete: true,
		// On the interactive stream one organization could hold all the slots
		// for open batches.
		AllowAtomicPublish: c == Bulk,
	}
}

// EventsStreamConfig returns the definition of the events stream.
func EventsStreamConfig(o StreamOptions) jetstream.StreamConfig {
	o = o.withDefaults()
	return jetstream.StreamConfig{
		Name:               EventsStream,
		Description:        "Outcomes of telephony commands: CloudEvents, each once, in order for an organization within a lane.",
		Subjects:           []string{eventPrefix + "*.*.*"},
		Retention:          jetstream.LimitsPolicy,
		Storage:            jetstream.FileStorage,
		Discard:            jetstream.DiscardNew,
		Replicas:           o.Replicas,
		MaxBytes:           o.EventsMaxBytes,
		MaxMsgSize:         maxEvent,
		MaxAge:             o.EventsMaxAge,
		Duplicates:         duplicateWindow,
		AllowAtomicPublish: true,
		// Single events are not to be removed; whole subjects can be purged, to
		// erase an organization.
		DenyDelete: true,
	}
}

var transformLanes = regexp.MustCompile(
	`^\{\{\s*[pP]artition\s*\(\s*(\d{1,4})\s*,\s*1\s*\)\s*\}\}\.\{\{\s*[wW]ildcard\s*\(\s*1\s*\)\s*\}\}\.\{\{\s*[wW]ildcard\s*\(\s*2\s*\)\s*\}\}$`)

// LanesOf returns into how many lanes a command stream's transform cuts it.
// It is an error if the stream has no transform, or one that puts the lane
// elsewhere or makes it from anything but the organization token.
func LanesOf(cfg jetstream.StreamConfig) (int, error) {
	for _, class := range Classes() {
		if class.Stream() != cfg.Name {
			continue
		}
		want := CommandsStreamConfig(class, StreamOptions{}).SubjectTransform
		if cfg.SubjectTransform == nil {
			return 0, fmt.Errorf("stream %s has no subject transform; want one such as %s", cfg.Name, want.Destination)
		}
		destination := cfg.SubjectTransform.Destination
		if len(destination) > len(class.prefix()) && destination[:len(class.prefix())] == class.prefix() && cfg.SubjectTransform.Source == want.Source {
			if found := transformLanes.FindStringSubmatch(destination[len(class.prefix()):]); found != nil {
				if lanes, err := strconv.Atoi(found[1]); err == nil && lanes >= 1 && lanes <= MaxLanes {
					return lanes, nil
				}
			}
		}
		return 0, fmt.Errorf("stream %s transforms %s to %s; want %s to one such as %s",
			cfg.Name, cfg.SubjectTransform.Source, destination, want.Source, want.Destination)
	}
	return 0, fmt.Errorf("stream %s is no command stream", cfg.Name)
}
