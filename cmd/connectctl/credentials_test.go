package main

import (
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCredentialsAreMadeOnceAndKept: every file with its mode, nothing replaced
// by running again, an organization added, and no secret printed.
func TestCredentialsAreMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	out, _ := runs(t, 0, "credentials", "--dir", dir, "--org", "acme")
	before := files(t, dir)
	for _, name := range []string{
		"nats/keys.conf", "nats/organizations.conf", "nats/tls/server.crt", "nats/tls/server.key", "nats/tls/ca.crt",
		"postgres/password", "postgres/tls/server.crt", "postgres/tls/server.key", "ca.crt", "ca/ca.key",
		"migrate/database.password", "worker/nats.nk", "worker/database.password", "gateway/nats.nk", "gateway/database.password",
		"operator/nats.nk", "operator/database.password", "administrator/nats.nk", "reader/database.password",
		"organizations/acme/producer.nk", "organizations/acme/producer.pub", "organizations/acme/consumer.nk", "organizations/acme/consumer.pub",
	} {
		if _, ok := before[name]; !ok {
			t.Errorf("%s was not made", name)
		}
		contains(t, out, "made "+filepath.Join(dir, name))
		delete(before, name)
	}
	for name := range before {
		t.Errorf("%s is unknown", name)
	}
	contains(t, out, "23 files made, 0 kept", "Organizations: acme", "ca.crt is valid until 20", "nats/tls/server.crt is valid until 20")

	before = files(t, dir)
	again, _ := runs(t, 0, "credentials", "--dir", dir)
	contains(t, again, "0 files made", "Organizations: acme")
	added, _ := runs(t, 0, "credentials", "--dir", dir, "--org", "example.com", "--org", "acme")
	contains(t, added, "made "+filepath.Join(dir, "organizations/example%2Ecom/consumer.nk"), "Organizations: acme, example%2Ecom", "reloaded, twice")
	after := files(t, dir)
	for name, content := range before {
		if after[name] != content && name != "nats/organizations.conf" {
			t.Errorf("%s was replaced", name)
		}
	}
	contains(t, after["nats/organizations.conf"], strings.TrimSpace(after["organizations/acme/producer.pub"]), `"example%2Ecom~consumer"`)
	for name, content := range after {
		if secret := strings.HasSuffix(name, ".nk") || strings.HasSuffix(name, "password"); secret && strings.Contains(out+again+added, strings.TrimSpace(content)) {
			t.Errorf("the secret in %s was printed", name)
		}
	}
}

// files returns what is in a directory, and checks who may read it.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, file)
		want := fs.FileMode(0o600)
		switch extension := filepath.Ext(name); {
		case entry.IsDir():
			want = 0o700
		case extension == ".pub" || extension == ".crt" || extension == ".conf":
			want = 0o644
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
		if entry.IsDir() {
			return nil
		}
		content, err := os.ReadFile(file)
		all[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCredentialsOfWhatIsGone: a file that was deleted is made anew, a seed that
// was handed over is not missed, an organization whose directory is gone has no
// account any more.
func TestCredentialsOfWhatIsGone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	runs(t, 0, "credentials", "--dir", dir, "--org", "acme", "--org", "globex")
	before := files(t, dir)
	for _, name := range []string{"worker/nats.nk", "worker/database.password", "nats/tls/server.crt", "organizations/acme/producer.nk"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "organizations/globex")); err != nil {
		t.Fatal(err)
	}
	out, _ := runs(t, 0, "credentials", "--dir", dir)
	after := files(t, dir)
	for _, name := range []string{"worker/nats.nk", "worker/database.password", "nats/tls/server.crt", "nats/keys.conf"} {
		contains(t, out, "made "+filepath.Join(dir, name))
		if after[name] == before[name] {
			t.Errorf("%s is the old one", name)
		}
	}
	if _, there := after["organizations/acme/producer.nk"]; there {
		t.Error("a seed that was handed over was made anew")
	}
	contains(t, after["nats/organizations.conf"], strings.TrimSpace(before["organizations/acme/producer.pub"]))
	if strings.Contains(after["nats/organizations.conf"], "globex") {
		t.Error("globex still has an account")
	}
}

// TestCertificates: a server's certificate is for the hosts asked for, signed by
// the authority and fit for TLS.
func TestCertificates(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	runs(t, 0, "credentials", "--dir", dir, "--host", "broker.example.com", "--host", "10.1.2.3")
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("ca.crt holds no certificate")
	}
	for _, server := range []string{"nats", "postgres"} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, server, "tls/server.crt"), filepath.Join(dir, server, "tls/server.key"))
		if err != nil {
			t.Fatal(err)
		}
		for host, good := range map[string]bool{"broker.example.com": true, "10.1.2.3": true, "localhost": false} {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); (err == nil) != good {
				t.Errorf("%s for %s: %v", server, host, err)
			}
		}
		if pair.Leaf.IsCA {
			t.Errorf("%s could sign others", server)
		}
	}
	out, _ := runs(t, 0, "credentials", "--dir", dir, "--host", "10.1.2.3", "--host", "nats")
	contains(t, out, "It does not name nats: delete it")

	// another authority: what the old one signed is of no use any more
	for _, name := range []string{"ca.crt", "ca/ca.key"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, stderr := runs(t, 1, "credentials", "--dir", dir)
	contains(t, stderr, "nats/tls/server.crt was not signed by", "delete it")
}

func TestCredentialsThatCanNotBeMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr := runs(t, 2, "credentials", "--dir", dir, "--org", "", "--org", "a\nb", "--host", "no host", "--owner", "worker=root", "--owner", "cellar=1")
	contains(t, stderr, "the organization handle is empty", "control character", `"no host" is neither`, `"root" is neither`, `no directory "cellar"; there are: administrator, ca`)
	_, stderr = runs(t, 1, "credentials", "--dir", file)
	contains(t, stderr, file+" is a file")
	_, stderr = runs(t, 1, "credentials", "--dir", filepath.Join(dir, "not", "there"))
	contains(t, stderr, "directory of credentials", "no such file")

	for name, content := range map[string]string{
		"worker/nats.nk": "nothing", "operator/database.password": "\n", "nats/tls/server.key": "nothing", "nats/tls/server.crt": "nothing",
		"organizations/acme/producer.pub": "nothing", "organizations/%61cme/x": "",
	} {
		broken := filepath.Join(t.TempDir(), "secrets")
		runs(t, 0, "credentials", "--dir", broken, "--org", "acme")
		path := filepath.Join(broken, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr := runs(t, 1, "credentials", "--dir", broken)
		if !strings.Contains(stderr, path) && !strings.Contains(stderr, filepath.Dir(path)) || !strings.Contains(stderr, "delete it") && !strings.Contains(stderr, "remove it") {
			t.Errorf("a spoilt %s is told as %s", name, stderr)
		}
	}
}

func TestCredentialsBelongToWhoReadsThem(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	if os.Geteuid() != 0 {
		_, stderr := runs(t, 1, "credentials", "--dir", dir, "--owner", "worker=1")
		contains(t, stderr, "as root")
		return
	}
	runs(t, 0, "credentials", "--dir", dir, "--org", "acme", "--owner", "worker=65532", "--owner", "nats=1000:1001")
	for name, want := range map[string][2]uint32{"worker/nats.nk": {65532, 65532}, "worker": {65532, 65532}, "nats/tls/server.key": {1000, 1001},
		"nats/keys.conf": {1000, 1001}, "ca.crt": {0, 0}, "organizations/acme/producer.nk": {0, 0}} {
		if uid, gid := ownedBy(t, filepath.Join(dir, name)); uid != want[0] || gid != want[1] {
			t.Errorf("%s belongs to %d:%d, want %v", name, uid, gid, want)
		}
	}
}
