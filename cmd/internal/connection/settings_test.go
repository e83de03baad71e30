package connection_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
)

func TestDatabasePasswords(t *testing.T) {
	file := write(t, "from a file\n")
	for name, d := range map[string]connection.Database{
		"in the URL":        {URL: "postgres://user:from%20a%20file@host/name?pool_max_conns=9"},
		"over the URL's":    {URL: "postgres://user:other@host/name?password=third&pool_max_conns=9", Password: "from a file"},
		"file":              {URL: "postgres://user@host/name?pool_max_conns=9", PasswordFile: file},
		"key=value":         {URL: "host=host user=user dbname=name pool_max_conns=9", PasswordFile: file},
		"URL from a file":   {URLFile: write(t, "postgres://user:from%20a%20file@host/name?pool_max_conns=9\r\n")},
		"quoted, key=value": {URL: "user=user dbname=name password='from a file' host=host pool_max_conns=9"},
	} {
		secrets := &program.Secrets{}
		if err := errors.Join(d.Resolve(secrets)...); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		config, err := pgx.ParseConfig(d.SessionURL())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if config.Password != "from a file" || config.Host != "host" || config.Database != "name" {
			t.Errorf("%s: connects to %s, %s with password %q", name, config.Host, config.Database, config.Password)
		}
		if config.RuntimeParams["pool_max_conns"] != "" {
			t.Errorf("%s: a pool's setting would be sent to the server", name)
		}
		if got := secrets.Mask("says: from a file"); strings.Contains(got, "from a file") {
			t.Errorf("%s: the password is not among the secrets", name)
		}
	}
}

func TestProblems(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		settings interface {
			Resolve(*program.Secrets) []error
		}
		want string
	}{
		"no database":                 {&connection.Database{}, "DATABASE_URL is not set"},
		"two URLs":                    {&connection.Database{URL: "postgres://h/d", URLFile: missing}, "DATABASE_URL and DATABASE_URL_FILE are both set"},
		"no file":                     {&connection.Database{URLFile: missing}, "DATABASE_URL_FILE: open"},
		"empty file":                  {&connection.Database{URLFile: write(t, "\n")}, "is empty"},
		"slash in the password":       {&connection.Database{URL: "postgres://user:se/cret@h/d"}, "percent-encoded"},
		"percent in the password":     {&connection.Database{URL: "postgres://user:cret%zz@h/d"}, "percent-encoded"},
		"not Postgres":                {&connection.Database{URL: "mysql"}, "neither a URL beginning with postgres://"},
		"wrong parameter":             {&connection.Database{URL: "postgres://user:cret@h/d?sslmode=x"}, "sslmode"},
		"wrong pool":                  {&connection.Database{URL: "postgres://user:cret@h/d?pool_max_conns=x"}, "pool"},
		"no NATS":                     {&connection.NATS{}, "NATS_URL is empty"},
		"wrong scheme":                {&connection.NATS{URL: "http://h"}, "scheme"},
		"slash in NATS' password":     {&connection.NATS{URL: "nats://user:se/cret@h"}, "percent-encoded"},
		"no host":                     {&connection.NATS{URL: "nats://:4222"}, "names no host"},
		"password without user":       {&connection.NATS{URL: "h", Password: "cret"}, "without NATS_USER"},
		"two ways":                    {&connection.NATS{URL: "h", User: "u", Token: "cret"}, "keep one"},
		"credentials missing":         {&connection.NATS{URL: "h", Creds: missing}, "NATS_CREDS: open"},
		"seed is none":                {&connection.NATS{URL: "h", NKey: write(t, "cret")}, "NATS_NKEY"},
		"certificate without its key": {&connection.NATS{URL: "h", TLSCert: missing}, "set both"},
		"certificates missing":        {&connection.NATS{URL: "h", TLSCert: missing, TLSKey: missing}, "NATS_TLS_CERT"},
		"wildcard in the inbox":       {&connection.NATS{URL: "h", InboxPrefix: "a.>"}, "NATS_INBOX_PREFIX"},
	} {
		secrets := &program.Secrets{}
		err := errors.Join(test.settings.Resolve(secrets)...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
			continue
		}
		if strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
