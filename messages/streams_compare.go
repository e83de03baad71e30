package messages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Finding is one setting of a stream that is not as it should be.
type Finding struct {
	Stream, Setting, Is, Want, Why string
	// Fatal findings would lose data or break the fence around a lane's events;
	// a worker does not start with one.
	Fatal bool
	// Updatable tells whether the server lets the setting be changed. Where it
	// does not, the stream must be drained and made anew.
	Updatable bool
}

// String returns the finding as one sentence.
func (f Finding) String() string {
	return fmt.Sprintf("stream %s: %s is %s, want %s: %s", f.Stream, f.Setting, f.Is, f.Want, f.Why)
}

// CompareStream returns what of a stream's definition, as the server tells it,
// differs from the wanted one and matters, the fatal findings first. What an
// installation is free to choose (placement, compression, metadata) is not
// compared.
func CompareStream(is, want jetstream.StreamConfig) []Finding {
	c := comparison{is: is, want: want}
	commands := want.Name != EventsStream
	c.identity(commands)
	c.loss(commands)
	c.fence(commands)
	c.limits(commands)
	slices.SortStableFunc(c.findings, func(a, b Finding) int {
		switch {
		case a.Fatal == b.Fatal:
			return 0
		case a.Fatal:
			return -1
		}
		return 1
	})
	return c.findings
}

type comparison struct {
	is, want jetstream.StreamConfig
	findings []Finding
}

type severity struct{ fatal, updatable bool }

var (
	mendable = severity{fatal: true, updatable: true}
	anew     = severity{fatal: true}
	notice   = severity{updatable: true}
)

// differs notes a finding if wrong.
func (c *comparison) differs(wrong bool, s severity, setting string, is, want any, why string) {
	if wrong {
		c.findings = append(c.findings, Finding{
			Stream: c.want.Name, Setting: setting, Is: fmt.Sprint(is), Want: fmt.Sprint(want), Why: why,
			Fatal: s.fatal, Updatable: s.updatable,
		})
	}
}

// off notes a finding if a setting is on that must be off.
func (c *comparison) off(is bool, s severity, setting, why string) {
	c.differs(is, s, setting, "on", "off", why)
}

// identity compares where the stream's messages come from and how they are cut into lanes.
func (c *comparison) identity(commands bool) {
	is, want := c.is, c.want
	c.differs(is.Name != want.Name, anew, "name", is.Name, want.Name, "this is another stream")
	c.differs(is.Mirror != nil, anew, "mirror", "set", "none", "sequences and times would be another stream's")
	c.differs(len(is.Sources) > 0, mendable, "sources", len(is.Sources), "none", "messages would enter past the subjects, the transform and the permissions")
	c.off(is.Sealed, anew, "sealed", "nothing can be published or purged")
	c.differs(!sameSubjects(is.Subjects, want.Subjects), mendable, "subjects", strings.Join(is.Subjects, " "), strings.Join(want.Subjects, " "),
		"what is published elsewhere would not be accepted, or would be accepted and not understood")
	if !commands {
		c.differs(is.SubjectTransform != nil, mendable, "subject_transform", "set", "none", "events would not stand where lanes and consumers look for them")
		return
	}
	wanted, _ := LanesOf(want)
	lanes, err := LanesOf(is)
	c.differs(err != nil, mendable, "subject_transform", transformOf(is), transformOf(want), "commands would not be cut into lanes by their organization")
	c.differs(err == nil && lanes != wanted, anew, "lanes", lanes, wanted, "commands of one organization would stand in two lanes and lose their order")
}

// loss compares what could make an accepted message disappear.
func (c *comparison) loss(commands bool) {
	is, want := c.is, c.want
	c.differs(is.Retention != want.Retention, severity{fatal: true, updatable: is.Retention != jetstream.WorkQueuePolicy}, "retention", is.Retention, want.Retention,
		"messages would be removed when consumers have seen them, not when they are decided")
	c.differs(is.Storage != want.Storage, anew, "storage", is.Storage, want.Storage, "messages would not outlive the server")
	c.differs(is.PersistMode != want.PersistMode, anew, "persist_mode", is.PersistMode, want.PersistMode, "accepted messages could be lost in a crash")
	c.differs(is.Discard != want.Discard, mendable, "discard", is.Discard, want.Discard, "a full stream would drop its oldest messages instead of refusing new ones")
	c.differs(limited(is.MaxMsgsPerSubject), mendable, "max_msgs_per_subject", is.MaxMsgsPerSubject, "unlimited", "one organization's stream of messages would be cut off, or lose its oldest")
	c.off(is.NoAck, mendable, "no_ack", "nobody could tell what was accepted")
	c.off(is.AllowRollup, mendable, "allow_rollup_hdrs", "one message could erase all others")
	c.off(is.AllowMsgTTL, anew, "allow_msg_ttl", "a message could expire by its own header")
	c.off(is.AllowMsgCounter, anew, "allow_msg_counter", "messages would be numbers")
	c.off(is.AllowMsgSchedules, anew, "allow_msg_schedules", "messages would move by their own headers")
	c.differs(is.SubjectDeleteMarkerTTL != 0, mendable, "subject_delete_marker_ttl", is.SubjectDeleteMarkerTTL, "0s", "the server would write messages of its own")
	if commands {
		c.differs(is.MaxAge != 0, mendable, "max_age", is.MaxAge, "unlimited", "commands would be dropped before they are decided")
		c.differs(is.Duplicates > want.Duplicates, mendable, "duplicate_window", is.Duplicates, want.Duplicates,
			"one organization could make another's command vanish by using its Nats-Msg-Id first")
	}
}

// fence compares what exactly-once publishing rests on.
func (c *comparison) fence(commands bool) {
	is, want := c.is, c.want
	if !commands {
		c.off(is.AllowDirect, mendable, "allow_direct", "a lane's last event would be read from a replica that may lag, and events be published twice")
		c.differs(!is.AllowAtomicPublish, mendable, "allow_atomic", "off", "on", "events are published in atomic batches")
		c.differs(limited(int64(is.MaxMsgSize)) && is.MaxMsgSize < want.MaxMsgSize, mendable, "max_msg_size", is.MaxMsgSize, want.MaxMsgSize,
			"a large event would be refused and its lane could not go on")
		return
	}
	c.differs(!limited(int64(is.MaxMsgSize)) || is.MaxMsgSize > want.MaxMsgSize, mendable, "max_msg_size", size(int64(is.MaxMsgSize)), want.MaxMsgSize,
		"one organization's messages could use up the workers' memory")
	c.differs(limited(int64(is.MaxMsgSize)) && is.MaxMsgSize < want.MaxMsgSize, notice, "max_msg_size", is.MaxMsgSize, want.MaxMsgSize,
		"commands that the contract allows would be refused")
	if want.AllowAtomicPublish {
		c.differs(!is.AllowAtomicPublish, mendable, "allow_atomic", "off", "on", "bulk producers publish in atomic batches")
	} else {
		c.off(is.AllowAtomicPublish, notice, "allow_atomic", "one organization could hold all the slots for open batches; no command is lost by it")
	}
	c.off(is.AllowDirect, notice, "allow_direct", "whoever reads a command directly may be told by a lagging replica that it is not there")
}

// limits compares what slows down or costs, but loses nothing.
func (c *comparison) limits(commands bool) {
	is, want := c.is, c.want
	c.differs(is.Replicas != want.Replicas, notice, "num_replicas", is.Replicas, want.Replicas, "it decides how many servers may fail")
	c.differs(limit(is.MaxBytes) != limit(want.MaxBytes), notice, "max_bytes", size(is.MaxBytes), size(want.MaxBytes), "a full stream refuses new messages")
	c.differs(limit(is.MaxMsgs) != limit(want.MaxMsgs), notice, "max_msgs", size(is.MaxMsgs), size(want.MaxMsgs), "a full stream refuses new messages")
	c.differs(limited(int64(is.MaxConsumers)), notice, "max_consumers", is.MaxConsumers, "unlimited", "each lane and each reader of events needs a consumer")
	c.differs(is.DenyPurge, severity{}, "deny_purge", "on", "off", "what is decided can never be removed, and the stream fills up")
	c.differs(!is.DenyDelete, notice, "deny_delete", "off", "on", "a single message could be removed without a trace")
	c.off(is.AllowBatchPublish, notice, "allow_batched", "nobody here publishes so; it syncs each message and gains nothing")
	c.differs(is.RePublish != nil, notice, "republish", "set", "none", "messages would be copied past the permissions of their subjects")
	c.differs(is.Description != want.Description, notice, "description", fmt.Sprintf("%q", is.Description), fmt.Sprintf("%q", want.Description), "it helps whoever lists the streams")
	if !commands {
		c.differs(is.MaxAge != want.MaxAge, notice, "max_age", age(is.MaxAge), age(want.MaxAge), "it decides how long consumers may be away")
	}
}

func sameSubjects(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func transformOf(cfg jetstream.StreamConfig) string {
	if cfg.SubjectTransform == nil {
		return "none"
	}
	return cfg.SubjectTransform.Source + " to " + cfg.SubjectTransform.Destination
}

// limited reports whether a limit is set: the server tells an unset one as -1.
func limited(n int64) bool { return n > 0 }

func limit(n int64) int64 { return max(n, 0) }

func size(n int64) string {
	if !limited(n) {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

func age(d time.Duration) string {
	if d == 0 {
		return "unlimited"
	}
	return d.String()
}
