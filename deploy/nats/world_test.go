package nats_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"connect-provider/deploy/credentials"
	access "connect-provider/deploy/nats"
	"connect-provider/messages"
	"connect-provider/worker"
)

// The organizations: acme is attacked by globex, and one's handle is not its
// token. nobody has no account.
const (
	acme    = "acme"
	globex  = "globex"
	dotted  = "example%2Ecom"
	nobody  = "nobody"
	account = "telephony.platform"
)

// conf is a configuration: the files by name, and the template of the
// organizations' accounts.
type conf struct {
	files        map[string]string
	organization string
	// patch, if set, changes the organizations' accounts as they were made.
	patch func(accounts string) string
	// platformUsers, if set, are users of the platform's account, a template for
	// each organization's.
	platformUsers string
}

func shipped() conf {
	c := conf{files: map[string]string{}, organization: access.OrganizationTemplate()}
	for _, name := range []string{"nats.conf", "access.conf", "tls.conf"} {
		content, err := fs.ReadFile(access.Files(), name)
		if err != nil {
			panic(err)
		}
		c.files[name] = string(content)
	}
	return c
}

func (c conf) clone() conf {
	c.files = maps.Clone(c.files)
	return c
}

// keyring is a directory of credentials that all tests share.
var keyring = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "connect-provider-keys-*")
	if err != nil {
		return "", err
	}
	_, err = credentials.Create(credentials.Options{Dir: dir, Hosts: credentials.DefaultHosts(), Organizations: organizations()})
	return dir, err
})

func organizations() (all []messages.Organization) {
	for _, token := range []string{acme, globex, dotted} {
		all = append(all, messages.OrganizationFromToken(token))
	}
	return all
}

// write puts the configuration into a directory as it stands in /etc/nats, but
// for that directory's own name.
func (c conf) write(dir string) error {
	keys, err := keyring()
	if err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(dir, "credentials"), os.DirFS(filepath.Join(keys, "nats"))); err != nil {
		return err
	}
	var all []access.Organization
	for _, o := range organizations() {
		account := access.Organization{Organization: o}
		for user, key := range map[string]*string{"producer": &account.Producer, "consumer": &account.Consumer} {
			content, err := os.ReadFile(filepath.Join(keys, "organizations", o.Token, user+".pub"))
			if err != nil {
				return err
			}
			*key = strings.TrimSpace(string(content))
		}
		all = append(all, account)
	}
	accounts, err := access.OrganizationsFrom(c.organization, all)
	if err != nil {
		return err
	}
	if c.patch != nil {
		accounts = c.patch(accounts)
	}
	files := maps.Clone(c.files)
	if c.platformUsers != "" {
		users, err := access.OrganizationsFrom("\n\n"+c.platformUsers, all)
		if err != nil {
			return err
		}
		files["access.conf"] = strings.Replace(files["access.conf"], "users: [\n", "users: [\n"+users, 1)
	}
	files["credentials/organizations.conf"] = accounts
	there := strings.NewReplacer("/etc/nats/", dir+"/", `"/data"`, `"`+dir+`/data"`)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(there.Replace(content)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// options loads the configuration as the server does, on free ports.
func (c conf) options(dir, main string) (*server.Options, error) {
	if err := c.write(dir); err != nil {
		return nil, err
	}
	options, err := server.ProcessConfigFile(filepath.Join(dir, main))
	if err != nil {
		return nil, fmt.Errorf("the server refuses the configuration: %w", err)
	}
	if err := settled(options); err != nil {
		return nil, err
	}
	options.Host, options.Port, options.HTTPPort = "127.0.0.1", server.RANDOM_PORT, 0
	options.SyncAlways = false // nothing of these tests is to outlive the power
	options.NoSigs = true
	return options, nil
}

// settled says which of the server's settings is not what it should be.
func settled(o *server.Options) error {
	switch {
	case !o.SyncAlways:
		return errors.New("the server does not sync every write")
	case o.HTTPHost != "127.0.0.1" || o.HTTPPort != 8222:
		return fmt.Errorf("monitoring listens on %q, port %d", o.HTTPHost, o.HTTPPort)
	case o.JetStreamLimits.MaxBatchInflightPerStream < 1000:
		return fmt.Errorf("a stream has room for %d open batches", o.JetStreamLimits.MaxBatchInflightPerStream)
	case o.JetStreamLimits.MaxBatchInflightTotal < 2*o.JetStreamLimits.MaxBatchInflightPerStream:
		return errors.New("an organization that holds all open batches of the bulk stream leaves none for events")
	case o.JetStreamLimits.MaxBatchTimeout != 5*time.Second:
		return fmt.Errorf("abandoned batches are kept for %s", o.JetStreamLimits.MaxBatchTimeout)
	}
	return nil
}

// world is a server with a configuration, the streams, a stand-in for the
// service of outcomes with the worker's key, and what each organization has
// stored: the word of its own that nobody else may read.
type world struct {
	server *server.Server
	dir    string
	// patience bounds the wait for an answer that ought to come.
	patience time.Duration
	tls      bool

	mu      sync.Mutex
	clients map[string]*client

	god   *client // may do anything in the platform's account
	godJS jetstream.JetStream

	// answered tells that the stand-in has come to settle's own question.
	answered chan struct{}

	acks []string // subjects that acknowledge what acme has read
}

// word is in all that belongs to an organization.
func word(token string) string { return "word-of-" + token }

// build starts a server and fills it. The administrator makes the streams. The
// caller closes the world.
func build(ctx context.Context, dir string, c conf, main string) (*world, error) {
	w, err := buildEmpty(ctx, dir, c, main)
	if err != nil {
		return nil, err
	}
	if err := w.fill(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// buildEmpty starts a server with the streams and nothing in them.
func buildEmpty(ctx context.Context, dir string, c conf, main string) (*world, error) {
	options, err := c.options(dir, main)
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, patience: 20 * time.Second, answered: make(chan struct{}, 1), clients: map[string]*client{}, tls: options.TLSConfig != nil}
	for _, a := range options.Accounts {
		if a.Name == account {
			options.Users = append(options.Users, &server.User{Username: "god", Password: "god", Account: a})
		}
	}
	if w.server, err = server.NewServer(options); err != nil {
		return nil, fmt.Errorf("the server refuses the configuration: %w", err)
	}
	w.server.Start()
	if !w.server.ReadyForConnections(20 * time.Second) {
		w.close()
		return nil, errors.New("the server does not start")
	}
	if err := w.makeStreams(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) makeStreams(ctx context.Context) error {
	var err error
	if w.god, err = w.dial("god", nats.UserInfo("god", "god")); err != nil {
		return err
	}
	if w.godJS, err = jetstream.New(w.god.Conn); err != nil {
		return err
	}
	administrator, err := w.client(access.Administrator)
	if err != nil {
		return err
	}
	js, err := administrator.jetStream()
	if err != nil {
		return err
	}
	err = administrator.patiently(ctx, func(ctx context.Context) error {
		_, _, err := worker.EnsureStreams(ctx, js, messages.StreamOptions{
			InteractiveMaxBytes: 1 << 24, BulkMaxBytes: 1 << 24, EventsMaxBytes: 1 << 24}, false)
		return err
	})
	if err != nil {
		return fmt.Errorf("administrator: create the streams: %w", err)
	}
	return nil
}

func (w *world) fill(ctx context.Context) error {
	if err := w.serveOutcomes(); err != nil {
		return fmt.Errorf("worker: serve outcomes: %w", err)
	}
	for _, token := range []string{acme, globex, dotted} {
		if _, err := w.godJS.CreateConsumer(ctx, messages.EventsStream, ownConsumer(token)); err != nil {
			return err
		}
		for i := range 5 {
			subject := messages.EventSubject(laneOf(messages.Interactive, token), messages.OrganizationFromToken(token), messages.EventConnected)
			if _, err := w.godJS.Publish(ctx, subject, fmt.Appendf(nil, "%s event %d", word(token), i)); err != nil {
				return err
			}
		}
		for _, class := range messages.Classes() {
			if _, err := w.godJS.Publish(ctx, commandSubject(class, token), []byte(word(token))); err != nil {
				return err
			}
		}
	}
	return nil
}

// serveOutcomes answers questions as the worker's service will.
func (w *world) serveOutcomes() error {
	served, err := w.client(access.Worker)
	if err != nil {
		return err
	}
	service, err := micro.AddService(served.Conn, micro.Config{Name: "outcomes", Version: "1.0.0"})
	if err != nil {
		return err
	}
	for _, kind := range []string{"outcomes", "previews"} {
		err = service.AddEndpoint(kind, micro.HandlerFunc(func(r micro.Request) {
			_, token, _ := strings.Cut(r.Subject(), "telephony."+kind+".")
			if token == "settled" {
				w.answered <- struct{}{}
				return
			}
			_ = r.Respond([]byte(word(token))) // who does not get it says so
		}), micro.WithEndpointSubject("telephony."+kind+".*"))
		if err != nil {
			return err
		}
	}
	if err := served.Flush(); err != nil {
		return err
	}
	return served.LastError()
}

// lastEvent is the sequence of a lane's last event.
func (w *world) lastEvent(ctx context.Context, lane messages.Lane) uint64 {
	stream, err := w.godJS.Stream(ctx, messages.EventsStream)
	if err != nil {
		return 0
	}
	last, err := stream.GetLastMsgForSubject(ctx, lane.EventFilter())
	if err != nil {
		return 0
	}
	return last.Sequence
}

func (w *world) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.clients {
		c.Close()
	}
	if w.god != nil {
		w.god.Close()
	}
	w.server.Shutdown()
	w.server.WaitForShutdown()
}

// consumerOf is the name of an organization's account for reading, and of its
// consumer.
func consumerOf(token string) string { return token + "~consumer" }

func laneOf(class messages.Class, token string) messages.Lane {
	return messages.Lane{Class: class, Number: messages.Partition(token, 16)}
}

func commandSubject(class messages.Class, token string) string {
	return messages.CommandSubject(class, messages.Organization{Token: token}, messages.VerbConnectProvider)
}

// theWorld builds one as it is shipped, for a test.
func theWorld(t *testing.T) *world {
	t.Helper()
	w, err := build(t.Context(), t.TempDir(), shipped(), "nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}
