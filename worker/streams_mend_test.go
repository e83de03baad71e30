package worker

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestStreamsMendingKeepsChoices: who mends one setting does not lose the
// events that only a default would drop.
func TestStreamsMendingKeepsChoices(t *testing.T) {
	t.Parallel()
	js := streamsServer(t)
	ensureFit(t, js, messages.StreamOptions{
		Lanes: 8, InteractiveMaxBytes: 2 << 20, BulkMaxBytes: 3 << 20, EventsMaxBytes: 5 << 20, EventsMaxAge: 90 * 24 * time.Hour,
	}, false)
	before := map[string]jetstream.StreamConfig{}
	for _, name := range []string{"TELEPHONY_COMMANDS", "TELEPHONY_BULK", messages.EventsStream} {
		before[name] = configOf(t, js, name)
	}
	harmed := before[messages.EventsStream]
	harmed.AllowDirect = true
	if _, err := js.UpdateStream(t.Context(), harmed); err != nil {
		t.Fatal(err)
	}
	_, findings, err := EnsureStreams(t.Context(), js, messages.StreamOptions{}, false)
	if err != nil || len(findings) != 1 || findings[0].Setting != "allow_direct" {
		t.Fatalf("found %v, %v; want allow_direct only", findings, err)
	}
	ensureFit(t, js, messages.StreamOptions{}, true)
	for name, was := range before {
		is := configOf(t, js, name)
		if is.AllowDirect || is.MaxBytes != was.MaxBytes || is.MaxAge != was.MaxAge || is.Replicas != was.Replicas {
			t.Errorf("%s was %+v, is %+v", name, was, is)
		}
	}

	ensureFit(t, js, messages.StreamOptions{EventsMaxBytes: 6 << 20, EventsMaxAge: 48 * time.Hour}, true)
	if is := configOf(t, js, messages.EventsStream); is.MaxBytes != 6<<20 || is.MaxAge != 48*time.Hour {
		t.Errorf("given a size of 6 MiB and an age of 48h: %+v", is)
	}
	if is := configOf(t, js, "TELEPHONY_BULK"); is.MaxBytes != 3<<20 {
		t.Errorf("bulk commands have a size of %d", is.MaxBytes)
	}
}

// TestStreamsOfBothClassesAreCutAlike, also when no number of lanes is given.
func TestStreamsOfBothClassesAreCutAlike(t *testing.T) {
	t.Parallel()
	js := streamsServer(t)
	for _, missing := range messages.Classes() {
		ensureFit(t, js, messages.StreamOptions{Lanes: 8}, false)
		if err := js.DeleteStream(t.Context(), missing.Stream()); err != nil {
			t.Fatal(err)
		}
		ensureFit(t, js, messages.StreamOptions{}, false)
		if lanes, err := messages.LanesOf(configOf(t, js, missing.Stream())); err != nil || lanes != 8 {
			t.Errorf("%s: %d lanes, %v", missing.Stream(), lanes, err)
		}
	}
	if err := js.DeleteStream(t.Context(), messages.Bulk.Stream()); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), messages.CommandsStreamConfig(messages.Bulk, messages.StreamOptions{Lanes: 4})); err != nil {
		t.Fatal(err)
	}
	_, findings, err := EnsureStreams(t.Context(), js, messages.StreamOptions{}, true)
	if err != nil || len(findings) != 1 || findings[0].Setting != "lanes" || !findings[0].Fatal {
		t.Errorf("8 and 4 lanes: found %v, %v", findings, err)
	}
}

func streamsServer(t *testing.T) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(connectNATS(t, systemtest.NATS(t).URL()))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// ensureFit demands that nothing differs afterwards.
func ensureFit(t *testing.T, js jetstream.JetStream, options messages.StreamOptions, mend bool) {
	t.Helper()
	if _, findings, err := EnsureStreams(t.Context(), js, options, mend); err != nil || len(findings) > 0 {
		t.Fatalf("found %v, %v", findings, err)
	}
}

func configOf(t *testing.T, js jetstream.JetStream, name string) jetstream.StreamConfig {
	t.Helper()
	config, err := streamConfig(t.Context(), js, name)
	if err != nil {
		t.Fatal(err)
	}
	return config
}
