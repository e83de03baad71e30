package systemtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"connect-provider/deploy/credentials"
	"connect-provider/deploy/nats"
	"connect-provider/messages"
)

// GuardedNATS is a server in this process with the configuration that is
// shipped: users, accounts, permissions, and TLS if asked for.
type GuardedNATS struct {
	t      testing.TB
	server *server.Server
	// URL is where clients connect.
	URL string
	// Credentials is the directory of keys, as connectctl credentials makes it.
	Credentials string
}

// Guarded starts a server that knows organizations by their handles. main is
// the configuration's main file, nats.conf or tls.conf. It ends with the test.
func Guarded(t testing.TB, main string, handles ...string) *GuardedNATS {
	t.Helper()
	dir := t.TempDir()
	n := &GuardedNATS{t: t, Credentials: filepath.Join(dir, "all")}
	n.Admit(handles...)
	if err := os.Symlink(filepath.Join(n.Credentials, "nats"), filepath.Join(dir, "credentials")); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("/etc/nats/", dir+"/", `"/data"`, `"`+dir+`/data"`,
		"port: 4222", "host: \"127.0.0.1\"\nport: -1", "127.0.0.1:8222", "127.0.0.1:-1")
	files := nats.Files()
	names, err := fs.Glob(files, "*.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(here.Replace(string(content))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	options, err := server.ProcessConfigFile(filepath.Join(dir, main))
	if err != nil {
		t.Fatal(err)
	}
	options.NoSigs = true
	if n.server, err = server.NewServer(options); err != nil {
		t.Fatal(err)
	}
	n.server.Start()
	t.Cleanup(func() {
		n.server.Shutdown()
		n.server.WaitForShutdown()
	})
	if !n.server.ReadyForConnections(time.Minute) {
		t.Fatal("NATS does not start")
	}
	n.URL = n.server.ClientURL()
	return n
}

// Admit makes credentials for more organizations, as connectctl credentials
// does. The server does not know them before it is reloaded.
func (n *GuardedNATS) Admit(handles ...string) {
	n.t.Helper()
	options := credentials.Options{Dir: n.Credentials, Hosts: credentials.DefaultHosts()}
	for _, handle := range handles {
		organization, err := messages.OrganizationFromHandle(handle)
		if err != nil {
			n.t.Fatal(err)
		}
		options.Organizations = append(options.Organizations, organization)
	}
	if _, err := credentials.Create(options); err != nil {
		n.t.Fatal(err)
	}
}

// Reload has the server read its configuration anew, as it does at SIGHUP.
func (n *GuardedNATS) Reload() {
	n.t.Helper()
	if err := n.server.Reload(); err != nil {
		n.t.Fatalf("reload NATS: %v", err)
	}
}

// User returns the file of a user's seed: a platform's user, or an
// organization's by its handle, as in producer@acme.
func (n *GuardedNATS) User(name string) string {
	n.t.Helper()
	role, handle, ok := strings.Cut(name, "@")
	if !ok {
		return filepath.Join(n.Credentials, name, "nats.nk")
	}
	organization, err := messages.OrganizationFromHandle(handle)
	if err != nil {
		n.t.Fatal(err)
	}
	return filepath.Join(n.Credentials, "organizations", organization.Token, role+".nk")
}
