package nats_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	access "connect-provider/deploy/nats"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

// TestAnOrganizationIsAddedWhileOthersWork: credentials for one more, a reload,
// and it can publish; connections and consumers of the others stay.
func TestAnOrganizationIsAddedWhileOthersWork(t *testing.T) {
	t.Parallel()
	server := systemtest.Guarded(t, "nats.conf", acme)
	streamsOn(t, server)
	producer, consumer := connect(t, server, "producer@"+acme), connect(t, server, "consumer@"+acme)
	publishTo(t, producer, acme)
	js, err := jetstream.NewWithDomain(consumer, "telephony")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(t.Context(), messages.EventsStream, ownConsumer(acme)); err != nil {
		t.Fatal(err)
	}

	server.Admit("example.com")
	if refused, err := connectAs(server, "producer@example.com"); err == nil {
		refused.Close()
		t.Error("an organization is let in before the reload")
	}
	server.Reload()
	added := connect(t, server, "producer@example.com")
	if _, err := added.Request(commandSubject(messages.Interactive, dotted), nil, time.Minute); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("one reload is enough now (%v): say so in README.md and in connectctl credentials", err)
	}
	server.Reload()
	publishTo(t, added, dotted)
	publishTo(t, producer, acme)
	if _, err := js.Consumer(t.Context(), messages.EventsStream, consumerOf(acme)); err != nil {
		t.Error(err)
	}
	for _, nc := range []*nats.Conn{producer, consumer} {
		if nc.Statistics.Reconnects > 0 {
			t.Error("a connection was lost by the reload")
		}
	}
}

// TestAKeyIsTakenBack: with its files gone and the configuration reloaded, a
// user's old key is of no use, and its connection ends.
func TestAKeyIsTakenBack(t *testing.T) {
	t.Parallel()
	server := systemtest.Guarded(t, "nats.conf", acme)
	ended := make(chan struct{})
	old, err := connectAs(server, "producer@"+acme, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(ended) }))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	for _, file := range []string{"producer.nk", "producer.pub"} {
		if err := os.Remove(filepath.Join(server.Credentials, "organizations", acme, file)); err != nil {
			t.Fatal(err)
		}
	}
	server.Admit()
	server.Reload()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the old key's connection lives on")
	}
	streamsOn(t, server)
	publishTo(t, connect(t, server, "producer@"+acme), acme)
}

// TestTLS: who trusts the authority connects, who does not, or speaks in the
// clear, does not.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := systemtest.Guarded(t, "tls.conf", acme)
	if nc, err := connectAs(server, "producer@"+acme); err == nil {
		nc.Close()
		t.Error("a client trusts a server that it has no reason to")
	}
	trusting := nats.RootCAs(server.Credentials + "/ca.crt")
	nc, err := connectAs(server, "producer@"+acme, trusting)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if state, err := nc.TLSConnectionState(); err != nil || state.Version < 0x0303 {
		t.Errorf("TLS %x, %v", state.Version, err)
	}
	// its own name is checked: the certificate is not for this address
	if other, err := nats.Connect("tls://127.0.0.2:4222", trusting, nats.Timeout(time.Second)); err == nil {
		other.Close()
		t.Error("connected elsewhere")
	}
	w, err := build(t.Context(), t.TempDir(), shipped(), "tls.conf")
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, n := range needs() {
		if err := w.meet(t.Context(), n); err != nil {
			t.Error(err)
		}
	}
}

// TestStrangersAreRefused: nobody is let in without a key that is known.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	server := systemtest.Guarded(t, "nats.conf", acme)
	stranger := systemtest.Guarded(t, "nats.conf", acme).User("producer@" + acme)
	key, err := nats.NkeyOptionFromSeed(stranger)
	if err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string][]nats.Option{
		"nobody": nil, "a key of elsewhere": {key}, "a name": {nats.UserInfo("worker", "")}, "a token": {nats.Token("worker")},
	} {
		if nc, err := nats.Connect(server.URL, options...); err == nil {
			nc.Close()
			t.Errorf("%s is let in", name)
		}
	}
}

func connectAs(server *systemtest.GuardedNATS, user string, options ...nats.Option) (*nats.Conn, error) {
	key, err := nats.NkeyOptionFromSeed(server.User(user))
	if err != nil {
		return nil, err
	}
	return nats.Connect(server.URL, append(options, key)...)
}

func connect(t *testing.T, server *systemtest.GuardedNATS, user string) *nats.Conn {
	t.Helper()
	nc, err := connectAs(server, user)
	if err != nil {
		t.Fatalf("%s: %v", user, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func streamsOn(t *testing.T, server *systemtest.GuardedNATS) {
	t.Helper()
	js, err := jetstream.NewWithDomain(connect(t, server, access.Administrator), "telephony")
	if err != nil {
		t.Fatal(err)
	}
	options := messages.StreamOptions{InteractiveMaxBytes: 1 << 24, BulkMaxBytes: 1 << 24, EventsMaxBytes: 1 << 24}
	if _, _, err := worker.EnsureStreams(t.Context(), js, options, false); err != nil {
		t.Fatal(err)
	}
}

func publishTo(t *testing.T, nc *nats.Conn, token string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := nc.RequestWithContext(ctx, commandSubject(messages.Interactive, token), []byte("x"))
	if err == nil {
		err = apiError(answer)
	}
	if err != nil {
		t.Errorf("publish as %s: %v", token, err)
	}
}
