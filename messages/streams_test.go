package messages_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// runServer starts a JetStream server of this test's own, in this process.
func runServer(t *testing.T) jetstream.JetStream {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: t.Name(), DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
		JetStreamMaxStore: 1 << 40,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	connection, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connection.Close)
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func definitions(o messages.StreamOptions) []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		messages.CommandsStreamConfig(messages.Interactive, o),
		messages.CommandsStreamConfig(messages.Bulk, o),
		messages.EventsStreamConfig(o),
	}
}

// The server takes the definitions as they are, and what it then tells of the
// streams shows no difference.
func TestServerAcceptsDefinitions(t *testing.T) {
	t.Parallel()
	js, ctx := runServer(t), t.Context()
	for _, want := range definitions(messages.StreamOptions{Lanes: 12}) {
		stream, err := js.CreateStream(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		is := stream.CachedInfo().Config
		for _, finding := range messages.CompareStream(is, want) {
			t.Error(finding)
		}
		if want.Name == messages.EventsStream {
			continue
		}
		if lanes, err := messages.LanesOf(is); err != nil || lanes != 12 {
			t.Errorf("%s: %d lanes, %v", want.Name, lanes, err)
		}
	}
	for _, class := range messages.Classes() {
		checkStored(t, ctx, js, class)
	}
}

// checkStored publishes a command with an unknown verb, which must arrive too,
// and looks at the subject under which it is stored.
func checkStored(t *testing.T, ctx context.Context, js jetstream.JetStream, class messages.Class) {
	t.Helper()
	o := messages.OrganizationFromToken("%61cme")
	ack, err := js.Publish(ctx, messages.CommandSubject(class, o, "no-such-verb"), []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(ctx, class.Stream())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := stream.GetMsg(ctx, ack.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	r := messages.Decode(messages.Message{Subject: stored.Subject, Body: stored.Data})
	want := messages.Lane{Class: class, Number: messages.Partition(o.Token, 12)}
	if r.Lane != want || r.Organization != o || r.Verb != "no-such-verb" || r.Malformed == nil {
		t.Errorf("stored as %s, decoded to %v", stored.Subject, r)
	}
}

func TestCompareStream(t *testing.T) {
	t.Parallel()
	const commands, bulk, events = 0, 1, 2
	tests := []struct {
		setting string
		stream  int
		fatal   bool
		change  func(*jetstream.StreamConfig)
	}{
		{"name", commands, true, func(c *jetstream.StreamConfig) { c.Name = "OTHER" }},
		{"mirror", events, true, func(c *jetstream.StreamConfig) { c.Mirror = &jetstream.StreamSource{Name: "X"} }},
		{"sources", commands, true, func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "X"}} }},
		{"sealed", commands, true, func(c *jetstream.StreamConfig) { c.Sealed = true }},
		{"subjects", commands, true, func(c *jetstream.StreamConfig) { c.Subjects = []string{"telephony.commands.>"} }},
		{"subject_transform", commands, true, func(c *jetstream.StreamConfig) { c.SubjectTransform = nil }},
		{"subject_transform", events, true, func(c *jetstream.StreamConfig) { c.SubjectTransform = &jetstream.SubjectTransformConfig{} }},
		{"lanes", bulk, true, func(c *jetstream.StreamConfig) {
			*c = messages.CommandsStreamConfig(messages.Bulk, messages.StreamOptions{Lanes: 8})
		}},
		{"retention", commands, true, func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }},
		{"storage", events, true, func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }},
		{"persist_mode", commands, true, func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }},
		{"discard", events, true, func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }},
		{"max_msgs_per_subject", commands, true, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }},
		{"no_ack", commands, true, func(c *jetstream.StreamConfig) { c.NoAck = true }},
		{"allow_rollup_hdrs", commands, true, func(c *jetstream.StreamConfig) { c.AllowRollup = true }},
		{"allow_msg_ttl", events, true, func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true }},
		{"allow_msg_counter", events, true, func(c *jetstream.StreamConfig) { c.AllowMsgCounter = true }},
		{"allow_msg_schedules", events, true, func(c *jetstream.StreamConfig) { c.AllowMsgSchedules = true }},
		{"subject_delete_marker_ttl", events, true, func(c *jetstream.StreamConfig) { c.SubjectDeleteMarkerTTL = time.Minute }},
		{"max_age", commands, true, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{"max_age", events, false, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{"duplicate_window", bulk, true, func(c *jetstream.StreamConfig) { c.Duplicates = 2 * time.Minute }},
		{"allow_direct", events, true, func(c *jetstream.StreamConfig) { c.AllowDirect = true }},
		{"allow_direct", commands, false, func(c *jetstream.StreamConfig) { c.AllowDirect = true }},
		{"allow_atomic", events, true, func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }},
		{"allow_atomic", bulk, true, func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }},
		{"allow_atomic", commands, false, func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = true }},
		{"max_msg_size", commands, true, func(c *jetstream.StreamConfig) { c.MaxMsgSize = -1 }},
		{"max_msg_size", commands, true, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1 << 20 }},
		{"max_msg_size", commands, false, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1 << 10 }},
		{"max_msg_size", events, true, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1 << 10 }},
		{"num_replicas", events, false, func(c *jetstream.StreamConfig) { c.Replicas = 3 }},
		{"max_bytes", commands, false, func(c *jetstream.StreamConfig) { c.MaxBytes = -1 }},
		{"max_msgs", commands, false, func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 }},
		{"max_consumers", events, false, func(c *jetstream.StreamConfig) { c.MaxConsumers = 1 }},
		{"deny_purge", commands, false, func(c *jetstream.StreamConfig) { c.DenyPurge = true }},
		{"deny_delete", commands, false, func(c *jetstream.StreamConfig) { c.DenyDelete = false }},
		{"allow_batched", bulk, false, func(c *jetstream.StreamConfig) { c.AllowBatchPublish = true }},
		{"republish", events, false, func(c *jetstream.StreamConfig) { c.RePublish = &jetstream.RePublish{} }},
		{"description", events, false, func(c *jetstream.StreamConfig) { c.Description = "" }},
	}
	for _, tt := range tests {
		is, want := definitions(messages.StreamOptions{})[tt.stream], definitions(messages.StreamOptions{})[tt.stream]
		tt.change(&is)
		found := false
		for _, finding := range messages.CompareStream(is, want) {
			if finding.Setting == tt.setting {
				found = true
				if finding.Fatal != tt.fatal || finding.Stream != want.Name || finding.Why == "" || finding.Is == finding.Want {
					t.Errorf("%s: %+v", want.Name, finding)
				}
			}
		}
		if !found {
			t.Errorf("%s: a changed %s is not found", want.Name, tt.setting)
		}
	}
}

func TestCompareStreamPutsTheFatalFirst(t *testing.T) {
	t.Parallel()
	want := messages.EventsStreamConfig(messages.StreamOptions{})
	is := want
	is.Description, is.Replicas, is.AllowDirect = "", 3, true
	findings := messages.CompareStream(is, want)
	if len(findings) != 3 || findings[0].Setting != "allow_direct" {
		t.Errorf("%v", findings)
	}
	// An installation's own choices are not compared.
	is = want
	is.Compression, is.Metadata, is.Placement = jetstream.S2Compression, map[string]string{"a": "b"}, &jetstream.Placement{Cluster: "x"}
	if findings := messages.CompareStream(is, want); len(findings) != 0 {
		t.Errorf("%v", findings)
	}
}

func TestLanesOf(t *testing.T) {
	t.Parallel()
	config := func(destination string) jetstream.StreamConfig {
		c := messages.CommandsStreamConfig(messages.Interactive, messages.StreamOptions{})
		c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "telephony.commands.*.*", Destination: destination}
		return c
	}
	for _, destination := range []string{
		"telephony.commands.{{partition(16,1)}}.{{wildcard(1)}}.{{wildcard(2)}}",
		"telephony.commands.{{ Partition(16, 1) }}.{{Wildcard(1)}}.{{ wildcard(2) }}",
	} {
		if lanes, err := messages.LanesOf(config(destination)); err != nil || lanes != 16 {
			t.Errorf("%s: %d, %v", destination, lanes, err)
		}
	}
	for _, destination := range []string{
		"", "telephony.commands.>",
		"telephony.commands.{{partition(16,2)}}.{{wildcard(1)}}.{{wildcard(2)}}",
		"telephony.commands.{{partition(16,1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}",
		"telephony.commands.{{partition(16,1)}}.{{wildcard(2)}}.{{wildcard(1)}}",
		"telephony.commands.{{partition(0,1)}}.{{wildcard(1)}}.{{wildcard(2)}}",
		"telephony.commands.{{partition(999,1)}}.{{wildcard(1)}}.{{wildcard(2)}}",
		"telephony.bulk.{{partition(16,1)}}.{{wildcard(1)}}.{{wildcard(2)}}",
	} {
		if lanes, err := messages.LanesOf(config(destination)); err == nil || !strings.Contains(err.Error(), "want") {
			t.Errorf("%s: %d, %v", destination, lanes, err)
		}
	}
	if _, err := messages.LanesOf(messages.EventsStreamConfig(messages.StreamOptions{})); err == nil {
		t.Error("the events stream has lanes")
	}
}

func TestStreamOptions(t *testing.T) {
	t.Parallel()
	if err := (messages.StreamOptions{}).Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for _, o := range []messages.StreamOptions{
		{Lanes: -1}, {Lanes: messages.MaxLanes + 1}, {Replicas: 2}, {EventsMaxBytes: 10},
		{EventsMaxAge: time.Minute},
	} {
		if o.Validate() == nil {
			t.Errorf("%+v: accepted", o)
		}
	}
}
