package main

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// An organization's own user may read its own events, through a consumer whose
// name its operator has given, and nothing else.
func TestWatchAsAnOrganizationsOwnUser(t *testing.T) {
	t.Parallel()
	const stream, consumer = messages.EventsStream, "acme-consumer"
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true,
		Users: []*server.User{
			{Username: "operator", Password: "operator-s3cret"},
			{Username: "acme", Password: "acme-s3cret", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: []string{
					"$JS.API.CONSUMER.CREATE." + stream + "." + consumer + ".telephony.events.*.acme.>",
					"$JS.API.CONSUMER.INFO." + stream + "." + consumer,
					"$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer,
					"$JS.ACK." + stream + "." + consumer + ".>",
				}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_acme.>"}},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("operator", "operator-s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	b := &watchBed{t: t, js: js}
	b.createStream()
	b.put(watchedEvent("globex", "theirs"))
	ids := b.publish(3)

	acme := []string{"--nats-user", "acme", "--nats-password", "acme-s3cret", "--nats-inbox-prefix", "_INBOX_acme"}
	w := b.startAt(s.ClientURL(), append(acme, "--org", "acme", "--consumer", consumer, "--since", "start", "--count", "2")...)
	w.exits(0)
	w.check(ids[:2])
	w = b.startAt(s.ClientURL(), append(acme, "--org", "acme", "--consumer", consumer)...)
	w.shows(ids[2:]...)
	if err := js.DeleteConsumer(t.Context(), stream, consumer); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, b.publish(5)...)
	w.shows(ids[2:]...)
	w.end(ids[2:]...)

	for _, args := range [][]string{{"--org", "acme"}, {"--org", "globex", "--consumer", "another"}} {
		_, stderr := runs(t, 1, append(append([]string{"watch", "--server", s.ClientURL()}, acme...), args...)...)
		contains(t, stderr, "Permissions Violation", "no answer: this user may not be allowed", "--consumer", "NATS_INBOX_PREFIX")
	}
}
