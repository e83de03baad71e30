package main

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// nowhere is a server that nobody runs: what is told before dialling does not
// need one.
const nowhere = "nats://127.0.0.1:1"

func TestWrongSettingsAreToldBeforeAnythingIsDialled(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{}, []string{"worker", "migrate", "streams"}},
		{[]string{"worker"}, []string{"DATABASE_URL is not set"}},
		{[]string{"worker", "--database-url", "postgres://u:cret%zz@h/d", "--nats-url", "nats://u:cret@:1", "--lease-ttl=soon", "--in-flight=99",
			"--replay-window=721h", "--listen=nowhere", "--log-level=loud"},
			[]string{"7 problems", "percent-encoded", "names no host", `"soon"`, "in flight 99", "721h", "--listen", "log level"}},
		{[]string{"gateway", "--database-url", "postgres://h/d", "--wait=1ms", "--in-flight=0", "--drain-timeout=1s", "--api=nowhere", "--listen=nowhere", "--nats-js-domain=a.b", "--nats-inbox-prefix=mine"},
			[]string{"7 problems", "wait 1ms", "in flight 0", "drain timeout 1s", "--api", "--listen", "NATS_JS_DOMAIN", "NATS_INBOX_PREFIX"}},
		{[]string{"gateway", "--database-url", "postgres://h/d", "--api="}, []string{"--api (CONNECT_PROVIDER_API) is empty"}},
		{[]string{"migrate", "--database-url", "postgres://h/d", "--more"}, []string{"--more"}},
		{[]string{"streams", "--lanes=0x", "--replicas=2", "--nats-url=http://h"}, []string{"--lanes", "replicas: 2", "scheme"}},
	} {
		_, stderr := runs(t, 2, test.args...)
		for _, want := range test.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: %q is not in %s", test.args, want, stderr)
			}
		}
		if strings.Contains(stderr, "cret") {
			t.Errorf("%q shows a secret: %s", test.args, stderr)
		}
	}
}

func TestHelpNamesTheExitCodes(t *testing.T) {
	t.Parallel()
	if out, _ := runs(t, 0, "--help"); !strings.Contains(out, "Exit codes:") {
		t.Error(out)
	}
	if out, _ := runs(t, 0, "--version"); out == "" {
		t.Error("no version")
	}
}

func TestADatabaseThatWasNotMigratedEndsTheWorker(t *testing.T) {
	t.Parallel()
	_, stderr := runs(t, exitSchema, "worker", "--database-url", systemtest.Database(t), "--nats-url", nowhere, "--listen=")
	if !strings.Contains(stderr, "run: connect-provider migrate") {
		t.Error(stderr)
	}
}

func TestStreamsThatDoNotFitEndTheWorker(t *testing.T) {
	t.Parallel()
	server, database := systemtest.NATS(t), systemtest.MigratedDatabase(t)
	worker := []string{"worker", "--database-url", database, "--nats-url", server.URL(), "--listen="}
	if _, stderr := runs(t, exitStreams, worker...); !strings.Contains(stderr, "run: connect-provider streams") {
		t.Error(stderr)
	}
	runs(t, 0, "streams", "--nats-url", server.URL())

	harm(t, server.URL(), func(config *jetstream.StreamConfig) { config.AllowDirect = true })
	if _, stderr := runs(t, exitStreams, worker...); !strings.Contains(stderr, "allow_direct") {
		t.Error(stderr)
	}
	out, stderr := runs(t, exitStreams, "streams", "--nats-url", server.URL())
	if !strings.Contains(out, "fatal: stream TELEPHONY_EVENTS: allow_direct is on, want off") || !strings.Contains(out, "streams --mend") {
		t.Errorf("%s%s", out, stderr)
	}
	runs(t, 0, "streams", "--nats-url", server.URL(), "--mend")
	out, _ = runs(t, exitStreams, "streams", "--nats-url", server.URL(), "--lanes=8", "--mend")
	if !strings.Contains(out, "lanes is 16, want 8") || !strings.Contains(out, "can't be changed in place") {
		t.Errorf("a stream was cut anew: %s", out)
	}
	if out, _ := runs(t, 0, "streams", "--nats-url", server.URL(), "--events-max-age=48h"); !strings.Contains(out, "notice: stream TELEPHONY_EVENTS: max_age") {
		t.Error(out)
	}
}

// harm changes the events stream's definition.
func harm(t *testing.T, url string, change func(*jetstream.StreamConfig)) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), messages.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	change(&config)
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

func TestOneShotCommandsFailWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	_, stderr := runs(t, 1, "streams", "--nats-url", "nats://user:s3cret@127.0.0.1:1")
	if !strings.Contains(stderr, "127.0.0.1:1") || strings.Contains(stderr, "s3cret") {
		t.Error(stderr)
	}
	_, stderr = runs(t, 1, "migrate", "--database-url", "postgres://user:s3cret@127.0.0.1:1/name")
	if !strings.Contains(stderr, "127.0.0.1:1") || strings.Contains(stderr, "s3cret") {
		t.Error(stderr)
	}
}
