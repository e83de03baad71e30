package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

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

	if err := s.stopWorker(); err != nil {
		t.Fatal(err)
	}
	out, _ = runs(t, exitUndecided, publish("--id", "three", "--wait", "300ms")...)
	contains(t, out, "undecided  no outcome within 300ms", "--id three")
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
	_, err = publish(t.Context(), duplicates{js}, question{organization: acme, class: messages.Interactive, command: exampleCommand})
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
