package connection

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"connect-provider/cmd/internal/program"
)

// Database says where Postgres is.
type Database struct {
	URL          string `name:"database-url" env:"DATABASE_URL" url:"" placeholder:"URL" help:"PostgreSQL, as postgres://user@host:5432/name or as key=value pairs."`
	URLFile      string `name:"database-url-file" env:"DATABASE_URL_FILE" placeholder:"FILE" help:"File that holds the URL."`
	Password     string `name:"database-password" env:"DATABASE_PASSWORD" secret:"" placeholder:"TEXT" help:"Password, in place of the URL's. Better given by variable or file: others can see flags."`
	PasswordFile string `name:"database-password-file" env:"DATABASE_PASSWORD_FILE" placeholder:"FILE" help:"File that holds the password."`

	resolved string
}

// Resolve reads the files and returns what is wrong with the settings. Nothing
// is dialled. The secrets are noted.
func (d *Database) Resolve(secrets *program.Secrets) []error {
	var problems []error
	text, err := secret("DATABASE_URL", d.URL, d.URLFile)
	problems = append(problems, err)
	password, err := secret("DATABASE_PASSWORD", d.Password, d.PasswordFile)
	problems = append(problems, err)
	secrets.Add(password)
	if text == "" && errors.Join(problems...) == nil {
		problems = append(problems, errors.New("DATABASE_URL is not set: give it, DATABASE_URL_FILE or --database-url, as in postgres://user@host:5432/name"))
	}
	if text == "" {
		return problems
	}
	d.resolved, err = withPassword(text, password)
	if err != nil {
		return append(problems, err)
	}
	config, err := pgxpool.ParseConfig(d.resolved)
	if err != nil {
		// the library's words may repeat the URL and with it the password
		secrets.Add(passwordsIn(d.resolved)...)
		return append(problems, fmt.Errorf("DATABASE_URL %s can't be used: %s", MaskURL(d.resolved), secrets.Mask(reasonOf(err))))
	}
	secrets.Add(config.ConnConfig.Password)
	return problems
}

// reasonOf leaves out of pgx's error where it repeats what it could not read.
func reasonOf(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// withPassword puts a password into a URL or a key/value string.
func withPassword(text, password string) (string, error) {
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		if !strings.Contains(text, "=") {
			return "", errors.New("DATABASE_URL is neither a URL beginning with postgres:// nor key=value pairs")
		}
		if password == "" {
			return text, nil
		}
		return text + " password='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password) + "'", nil
	}
	u, err := url.Parse(text)
	if err != nil {
		// the library's error would repeat the password
		return "", errors.New("DATABASE_URL is no URL: characters such as / # ? @ % : in the password must be percent-encoded, or put it into DATABASE_PASSWORD")
	}
	if password == "" {
		return text, nil
	}
	query := u.Query()
	query.Del("password")
	u.RawQuery = query.Encode()
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String(), nil
}

func passwordsIn(text string) []string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return nil
	}
	password, _ := u.User.Password()
	return []string{password, u.Query().Get("password"), u.Query().Get("sslpassword")}
}

// PoolURL returns what worker.NewPool takes. It contains the password.
func (d *Database) PoolURL() string { return d.resolved }

var poolSetting = regexp.MustCompile(`\s*\bpool_\w+\s*=\s*('(?:[^'\\]|\\.)*'|\S+)`)

// SessionURL returns the same without the settings of a pool, which a single
// session would pass on to the server. It contains the password.
func (d *Database) SessionURL() string {
	u, err := url.Parse(d.resolved)
	if err != nil || !isPostgres(u) {
		return poolSetting.ReplaceAllString(d.resolved, "")
	}
	query := u.Query()
	for name := range query {
		if strings.HasPrefix(name, "pool_") {
			query.Del(name)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}
