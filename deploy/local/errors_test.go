package local_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connect-provider/deploy/local"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	wantError := func(t *testing.T, err error, parts ...string) {
		t.Helper()
		if err == nil {
			t.Fatal("no error")
		}
		for _, part := range parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is not in: %v", part, err)
			}
		}
	}
	t.Run("nothing in the directory given", func(t *testing.T) {
		dir := t.TempDir()
		_, err := local.FindPostgres(local.PostgresOptions{BinDir: dir})
		wantError(t, err, dir, "no postgres program there", "apt install postgresql", "URL of a database")
	})
	t.Run("a version that is too old", func(t *testing.T) {
		dir := fakePostgres(t, "postgres (PostgreSQL) 13.22")
		_, err := local.FindPostgres(local.PostgresOptions{BinDir: dir})
		wantError(t, err, "version 13; 14 to 18 will do")
	})
	t.Run("a version that is too new", func(t *testing.T) {
		dir := fakePostgres(t, "postgres (PostgreSQL) 19beta1")
		_, err := local.FindPostgres(local.PostgresOptions{BinDir: dir})
		wantError(t, err, "version 19; 14 to 18 will do")
	})
	t.Run("data of a version that is not there", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "data", "PG_VERSION"), "12\n", 0o600)
		_, err := local.FindPostgres(local.PostgresOptions{Dir: dir, NoDownload: true})
		wantError(t, err, "PostgreSQL 12 (the version of the data in the directory)", "PATH", "/usr/pgsql-*/bin")
	})
	t.Run("a port in use", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		_, err = local.Start(t.Context(), local.Options{Dir: t.TempDir(), NATSAddr: l.Addr().String(), DatabaseURL: "postgres://elsewhere"})
		wantError(t, err, "NATS cannot listen", l.Addr().String(), "address already in use")
	})
	t.Run("no host and port", func(t *testing.T) {
		_, err := local.Start(t.Context(), local.Options{Dir: t.TempDir(), NATSAddr: "4222", DatabaseURL: "postgres://elsewhere"})
		wantError(t, err, `NATS address "4222": want host:port`)
	})
	t.Run("no directory", func(t *testing.T) {
		_, err := local.Start(t.Context(), local.Options{})
		wantError(t, err, "needs a directory")
	})
}

// Root's server runs as another account, so a directory below root's private
// one cannot work; for an ordinary user it can.
func TestAPrivateParent(t *testing.T) {
	t.Parallel()
	private := filepath.Join(tempDir(t), "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := local.Start(t.Context(), local.Options{Dir: filepath.Join(private, "stack"), Unsynced: true})
	if os.Geteuid() != 0 {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), "cannot enter "+private+":") || !strings.Contains(err.Error(), "chmod o+x "+private) {
		t.Fatalf("got %v", err)
	}
}

// fakePostgres makes programs that only tell a version.
func fakePostgres(t *testing.T, version string) string {
	t.Helper()
	dir := tempDir(t)
	for _, program := range []string{"postgres", "initdb"} {
		writeFile(t, filepath.Join(dir, program), "#!/bin/sh\necho '"+version+"'\n", 0o755)
	}
	return dir
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
