package connection

import (
	"net/url"
	"regexp"
	"strings"
)

const (
	masked     = "xxxxx"
	unreadable = "(not shown)"
)

// keyPassword finds passwords in a PostgreSQL key/value string.
var keyPassword = regexp.MustCompile(`(?i)\b(password|sslpassword)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)`)

// MaskURL returns a database's or NATS' URL, several with commas between them,
// or a PostgreSQL key/value string, without passwords and tokens. Of what it
// can't read it shows nothing.
func MaskURL(text string) string {
	if !strings.Contains(text, "://") {
		if strings.Contains(text, "=") {
			return keyPassword.ReplaceAllString(text, "${1}="+masked)
		}
		if strings.Contains(text, "@") {
			return unreadable
		}
		return text
	}
	if strings.HasPrefix(text, "postgres") {
		return maskOne(text) // its commas are between hosts, or in the password
	}
	parts := strings.Split(text, ",")
	for i, part := range parts {
		if parts[i] = maskOne(part); parts[i] == unreadable {
			return unreadable // a comma in a password is in two parts
		}
	}
	return strings.Join(parts, ",")
}

func maskOne(text string) string {
	if !strings.ContainsAny(text, "@=") {
		return text
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme == "" || u.Host == "" {
		return unreadable
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), masked)
		} else if !isPostgres(u) {
			u.User = url.User(masked) // nats://TOKEN@host
		}
	}
	query := u.Query()
	for _, name := range []string{"password", "sslpassword"} {
		if query.Has(name) {
			query.Set(name, masked)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func isPostgres(u *url.URL) bool { return u.Scheme == "postgres" || u.Scheme == "postgresql" }
