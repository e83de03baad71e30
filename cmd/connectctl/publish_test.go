package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/deploy/local"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

func TestPublishTellsTheOutcomeByItsExitCode(t *testing.T) {
	t.Parallel()
	s, err := startSystem(t.Context(), local.Options{
		Dir: t.TempDir(), DatabaseURL: systemtest.Database(t), Logger: systemtest.Logger(t),
	}, devStreams)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	publish := func(more ...string) []string {
		return append([]string{"publish", "--server", s.natsURL, "--org", "acme", "--bridge", "sales-bridge-001",
			"--provider-config", "42", "--phone", "+1234567890", "--wait", "30s"}, more...)
	}

	out, _ := runs(t, 0, publish("--id", "one")...)
	contains(t, out, "accepted   command one as sequence 1 of TELEPHONY_COMMANDS", "connected  +1*****7890 to bridge sales-bridge-001 through twilio")
	out, _ = runs(t, 0, publish("--id", "one")...)
	contains(t, out, "decided before, nothing was done now")
	out, _ = runs(t, exitFailed, publish("--id", "one", "--bridge", "support-bridge-001")...)
	contains(t, out, "failed     command_id_reused")
	out, _ = runs(t, exitFailed, publish("--id", "two", "--bridge", "nowhere", "--class", "bulk")...)
	contains(t, out, "sequence 1 of TELEPHONY_BULK", "failed     bridge_not_found")
	out, _ = runs(t, exitFailed, publish("--id", "two", "--bridge", "nowhere")...)
	contains(t, out, "failed     bridge_not_found", "decided before")

	out, _ = runs(t, 0, publish("--json", "--metadata", "row=1;2", "--metadata", "job=friday", "--reveal")...)
	var document published
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatal(err)
	}
	event, err := messages.DecodeEvent(document.Event)
	if err != nil || document.Outcome != "connected" || event.CommandID != document.CommandID || event.Sequence != document.Sequence ||
		event.Data.PhoneNumber != "+1234567890" || event.Data.Metadata["row"] != "1;2" || event.Data.Metadata["job"] != "friday" {
		t.Errorf("%v\n%s", err, out)
	}

	// a repeat's outcome does not come from the events
	stream, err := s.js.Stream(t.Context(), messages.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, _ = runs(t, 0, publish("--id", "one", "--json")...)
	document = published{}
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatal(err)
	}
	var decided struct {
		CommandID   string `json:"command_id"`
		PhoneNumber string `json:"phone_number"`
		Sequence    uint64 `json:"sequence"`
	}
	if err := json.Unmarshal(document.Decided, &decided); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if document.Outcome != "connected" || !document.Repeat || document.Event != nil || document.Lane != nil ||
		decided.CommandID != "one" || decided.PhoneNumber != "+1234567890" || decided.Sequence != 1 {
		t.Errorf("a repeat: %s", out)
	}

	// somebody has acme's lane, and does nothing
	lane := messages.Lane{Class: messages.Interactive, Number: messages.Partition("acme", 16)}.String()
	if _, err := s.pool.Exec(t.Context(), `update connect_provider.lanes
		set owner = gen_random_uuid(), owner_token = gen_random_uuid(), lease_expires_at = 'infinity' where lane = $1`, lane); err != nil {
		t.Fatal(err)
	}
	out, _ = runs(t, exitUndecided, publish("--id", "waits", "--wait", "5s")...)
	contains(t, out, "undecided  no outcome within 5s: not decided yet (lane "+lane+" stands at ", ", the command is 7)", "--id waits")
	out, _ = runs(t, exitUndecided, publish("--id", "waits2", "--wait", "5s", "--json")...)
	contains(t, out, `"lane": "`+lane+`"`, `"cursor": `, `"outcome": "undecided"`)
	if _, err := s.pool.Exec(t.Context(), `update connect_provider.lanes
		set owner = null, owner_token = null, lease_expires_at = null where lane = $1`, lane); err != nil {
		t.Fatal(err)
	}

	if err := s.stopWorker(); err != nil {
		t.Fatal(err)
	}
	out, _ = runs(t, exitUndecided, publish("--id", "three", "--wait", "300ms")...)
	contains(t, out, "undecided  no outcome within 300ms: ", "no worker tells", "--id three")
	out, _ = runs(t, 0, publish("--wait", "0s", "--id", "three")...)
	contains(t, out, "accepted   command three")
	if err := s.startWorker(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPublishRefusesWhatNobodyCouldDecide(t *testing.T) {
	t.Parallel()
	_, stderr := runs(t, 2, "publish", "--org", "", "--bridge", "", "--provider-config", "1", "--phone", "1234",
		"--id", "not an id", "--class", "express", "--server", "http://h")
	contains(t, stderr, "--org: ", "--id: ", "--class", "scheme")
	_, stderr = runs(t, 2, "publish", "--org", "acme", "--bridge", "b", "--provider-config", "1", "--phone", "1234")
	contains(t, stderr, "--phone: ")
	_, stderr = runs(t, 2, "publish", "--org", "acme", "--provider-config", "many")
	contains(t, stderr, "--provider-config")
}

func TestPublishSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	command := func(url string) []string {
		return []string{"publish", "--server", url, "--org", "acme", "--bridge", "b", "--provider-config", "1", "--phone", "+1234567890"}
	}
	_, stderr := runs(t, 1, command("nats://user:s3cret@127.0.0.1:1")...)
	contains(t, stderr, "NATS at nats://user:xxxxx@127.0.0.1:1", "dev")
	_, stderr = runs(t, 1, command(systemtest.NATS(t).URL())...)
	contains(t, stderr, "connect-provider streams")
}

func TestAnAcknowledgementOfADuplicateIsNoAcceptance(t *testing.T) {
	t.Parallel()
	server := systemtest.NATS(t)
	js := withStreams(t, server.URL(), devStreams)
	config := messages.CommandsStreamConfig(messages.Interactive, devStreams)
	config.Duplicates = time.Hour // so that the test's own pace does not matter
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	acme, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		t.Fatal(err)
	}
	_, err = publish(t.Context(), duplicates{js}, nil, question{organization: acme, class: messages.Interactive, command: exampleCommand})
	if err == nil {
		t.Fatal("accepted")
	}
	contains(t, err.Error(), "was not accepted", "publish it again")
}

// Not parallel: the environment is the process's.
func TestPublishThroughAContextOfTheNATSCommandLine(t *testing.T) {
	server := systemtest.NATS(t)
	withStreams(t, server.URL(), devStreams)
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "nats", "context"), 0o700); err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]string{"url": server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "nats", "context", "there.json"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", home)
	command := []string{"publish", "--org", "acme", "--bridge", "b", "--provider-config", "1", "--phone", "+1234567890"}
	out, _ := runs(t, 0, append(command, "--context", "there")...)
	contains(t, out, "accepted")
	_, stderr := runs(t, 1, append(command, "--context", "elsewhere")...)
	contains(t, stderr, `unknown context "elsewhere"`)
}

// Workers from before there were questions answer none: the event tells all
// the same.
func TestPublishTellsTheOutcomeWhereNoWorkerAnswers(t *testing.T) {
	t.Parallel()
	server := systemtest.NATS(t)
	js := withStreams(t, server.URL(), devStreams)
	acme, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		t.Fatal(err)
	}
	event := eventOf(acme, 1, nil) // the first command has this sequence
	body, err := event.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Conn().Subscribe("telephony.commands.acme.connect-provider", func(*nats.Msg) {
		if err := js.Conn().Publish(event.MessageSubject(), body); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := js.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	out, _ := runs(t, 0, "publish", "--server", server.URL(), "--org", "acme", "--bridge", "b", "--provider-config", "1",
		"--phone", "+1234567890", "--id", "id", "--wait", "30s")
	contains(t, out, "connected  ")
}
