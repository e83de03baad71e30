package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Who connects and to what. The role is the cluster's superuser; the server is
// private to its directory.
const (
	roleName     = "connect_provider"
	databaseName = "connect_provider"
)

func dataDir(dir string) string      { return filepath.Join(dir, "data") }
func passwordFile(dir string) string { return filepath.Join(dir, "password") }

// clusterVersion is the major version of the cluster in the data directory, or
// 0 if there is none.
func clusterVersion(data string) int {
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return 0
	}
	return firstNumber(string(b))
}

// initialize makes the cluster unless it exists, and gives its password. It is
// made under another name and then renamed: what is called data is whole.
func (p *Postgres) initialize(ctx context.Context) error {
	password, err := p.readPassword()
	if err != nil {
		return err
	}
	p.password = password
	if clusterVersion(p.data) != 0 {
		return nil
	}
	unfinished := p.data + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("remove an unfinished cluster: %w", err)
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := p.account.own(unfinished, 0o700); err != nil {
		return fmt.Errorf("give the data directory to the server's account: %w", err)
	}
	out, err := p.initdb(ctx, unfinished, "C.UTF-8")
	if err != nil && strings.Contains(out, "invalid locale name") {
		out, err = p.initdb(ctx, unfinished, "C") // a system without it; C sorts by code point as well
	}
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return os.Rename(unfinished, p.data)
}

func (p *Postgres) initdb(ctx context.Context, data, locale string) (string, error) {
	args := []string{
		"-D", data, "-U", roleName, "--pwfile=" + passwordFile(p.dir),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=" + locale, "--lc-collate=C", "--no-instructions",
	}
	if p.options.Unsynced {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, p.binaries.path("initdb"), args...)
	cmd.Dir = p.dir
	cmd.Env = serverEnv()
	cmd.SysProcAttr = p.account.attributes()
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// readPassword gives the directory's password and makes one the first time.
func (p *Postgres) readPassword() (string, error) {
	b, err := os.ReadFile(passwordFile(p.dir))
	if err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("password of the local Postgres: %w", err)
	}
	password := rand.Text()
	if err := os.WriteFile(passwordFile(p.dir), []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("password of the local Postgres: %w", err)
	}
	if err := p.account.own(passwordFile(p.dir), 0o600); err != nil {
		return "", fmt.Errorf("password of the local Postgres: %w", err)
	}
	return password, nil
}

// serverEnv is the environment without what would change the server's
// behaviour (PGDATA, PGPORT …) or the language of its messages.
func serverEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANG") {
			env = append(env, v)
		}
	}
	return append(env, "LC_ALL=C")
}
