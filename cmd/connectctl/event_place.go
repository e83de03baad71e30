package main

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// clockMargin is how much earlier than it seems reading begins where nothing but
// the time tells where that is.
const clockMargin = 10 * time.Second

// start is where reading begins.
type start struct {
	policy   jetstream.DeliverPolicy
	sequence uint64
	at       *time.Time
}

// bookmark is the last event that was read or, before the first one, where
// reading began.
type bookmark struct {
	sequence uint64
	at       time.Time // the stream's time
	read     bool
}

// covers reports whether an event was read by then. In a stream that took the
// place of the one that was read, the same sequences have later times.
func (b bookmark) covers(event *jetstream.MsgMetadata) bool {
	return event.Sequence.Stream <= b.sequence && !event.Timestamp.After(b.at)
}

// beginning says where a new consumer begins: where was asked for, or at the
// time of the last event.
func (r *eventReader) beginning() jetstream.ConsumerConfig {
	if !r.begun || !r.last.read && r.from.policy != jetstream.DeliverNewPolicy {
		return jetstream.ConsumerConfig{DeliverPolicy: r.from.policy, OptStartSeq: r.from.sequence, OptStartTime: r.from.at}
	}
	at := r.last.at.Add(-clockMargin)
	return jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at}
}

func serverTime(info *jetstream.ConsumerInfo) time.Time {
	if info.TimeStamp.IsZero() {
		return time.Now()
	}
	return info.TimeStamp
}
