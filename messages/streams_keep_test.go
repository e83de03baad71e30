package messages_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// A stream with everything an installation may choose, as no default has it.
func chosen(c jetstream.StreamConfig) jetstream.StreamConfig {
	c.Replicas, c.MaxBytes, c.MaxMsgs, c.Description = 3, 100<<30, 1e9, "ours"
	if c.Name == messages.EventsStream {
		c.MaxAge, c.Duplicates, c.MaxMsgSize = 90*24*time.Hour, time.Minute, 1<<20
	}
	return c
}

func TestKeepLeavesWhatIsNotGiven(t *testing.T) {
	t.Parallel()
	for _, want := range definitions(messages.StreamOptions{}) {
		is := chosen(want)
		kept := messages.StreamOptions{}.Keep(is, want)
		for _, finding := range messages.CompareStream(is, kept) {
			t.Error(finding)
		}
		mended := messages.MendStream(is, kept)
		if mended.Replicas != is.Replicas || mended.MaxBytes != is.MaxBytes || mended.MaxMsgs != is.MaxMsgs ||
			mended.MaxAge != is.MaxAge || mended.Duplicates != is.Duplicates || mended.MaxMsgSize != is.MaxMsgSize || mended.Description != is.Description {
			t.Errorf("%s: mended to %+v", want.Name, mended)
		}
	}
}

func TestKeepTakesWhatIsGiven(t *testing.T) {
	t.Parallel()
	given := messages.StreamOptions{
		Replicas: 1, InteractiveMaxBytes: 1 << 21, BulkMaxBytes: 1 << 22, EventsMaxBytes: 1 << 23,
		EventsMaxAge: 2 * time.Hour,
	}
	for _, want := range definitions(given) {
		kept := given.Keep(chosen(want), want)
		if kept.Replicas != 1 || kept.MaxBytes != want.MaxBytes || kept.MaxAge != want.MaxAge {
			t.Errorf("%s: %+v", want.Name, kept)
		}
	}
	// A shorter age alone takes the duplicate window with it.
	given = messages.StreamOptions{EventsMaxAge: time.Hour}
	want := messages.EventsStreamConfig(given)
	is := chosen(want)
	is.Duplicates = 2 * time.Hour
	if kept := given.Keep(is, want); kept.Duplicates != time.Hour {
		t.Errorf("a window of %v for an age of %v", kept.Duplicates, kept.MaxAge)
	}
}

func TestKeepDoesNotKeepWhatLosesCommands(t *testing.T) {
	t.Parallel()
	want := messages.CommandsStreamConfig(messages.Bulk, messages.StreamOptions{})
	is := want
	is.MaxAge, is.Duplicates = time.Hour, time.Minute
	kept := messages.StreamOptions{}.Keep(is, want)
	if findings := messages.CompareStream(is, kept); len(findings) != 2 || !findings[0].Fatal || !findings[1].Fatal {
		t.Errorf("%v", findings)
	}
	if mended := messages.MendStream(is, kept); mended.MaxAge != 0 || mended.Duplicates != 100*time.Millisecond {
		t.Errorf("mended to age %v, window %v", mended.MaxAge, mended.Duplicates)
	}
}
