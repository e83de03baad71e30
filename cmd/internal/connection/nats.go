package connection

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/program"
)

// NATS says where NATS is and who connects.
type NATS struct {
	URL          string `name:"nats-url" aliases:"server" short:"s" env:"NATS_URL" url:"" default:"${nats_url}" placeholder:"URL" help:"NATS, several with commas between them; also --server (default ${nats_url})."`
	Creds        string `name:"nats-creds" env:"NATS_CREDS" placeholder:"FILE" help:"Credentials file (JWT and seed)."`
	User         string `name:"nats-user" env:"NATS_USER" placeholder:"NAME" help:"User name."`
	Password     string `name:"nats-password" env:"NATS_PASSWORD" secret:"" placeholder:"TEXT" help:"Password. Better given by variable or file: others can see flags."`
	PasswordFile string `name:"nats-password-file" env:"NATS_PASSWORD_FILE" placeholder:"FILE" help:"File that holds the password."`
	Token        string `name:"nats-token" env:"NATS_TOKEN" secret:"" placeholder:"TEXT" help:"Token. Better given by variable or file."`
	TokenFile    string `name:"nats-token-file" env:"NATS_TOKEN_FILE" placeholder:"FILE" help:"File that holds the token."`
	NKey         string `name:"nats-nkey" env:"NATS_NKEY" placeholder:"FILE" help:"File that holds an nkey seed."`
	TLSCA        string `name:"nats-tls-ca" env:"NATS_TLS_CA" placeholder:"FILE" help:"Certificates to trust in place of the system's."`
	TLSCert      string `name:"nats-tls-cert" env:"NATS_TLS_CERT" placeholder:"FILE" help:"Client certificate."`
	TLSKey       string `name:"nats-tls-key" env:"NATS_TLS_KEY" placeholder:"FILE" help:"Client certificate's key."`
	InboxPrefix  string `name:"nats-inbox-prefix" env:"NATS_INBOX_PREFIX" placeholder:"SUBJECT" help:"Subject that answers go to, where permissions limit it (default _INBOX)."`

	options []nats.Option
}

// DefaultNATSURL is where a server listens that nobody configured.
const DefaultNATSURL = nats.DefaultURL

// Resolve reads the files and returns what is wrong with the settings. Nothing
// is dialled. The secrets are noted.
func (n *NATS) Resolve(secrets *program.Secrets) []error {
	problems := n.checkURL(secrets)
	password, err := secret("NATS_PASSWORD", n.Password, n.PasswordFile)
	problems = append(problems, err)
	token, err := secret("NATS_TOKEN", n.Token, n.TokenFile)
	problems = append(problems, err)
	secrets.Add(password, token)
	if password != "" && n.User == "" {
		problems = append(problems, errors.New("NATS_PASSWORD is set without NATS_USER: set both"))
	}
	ways := 0
	for _, given := range []bool{n.User != "", token != "", n.Creds != "", n.NKey != ""} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		problems = append(problems, errors.New("more than one of NATS_USER, NATS_TOKEN, NATS_CREDS and NATS_NKEY is set: keep one"))
	}
	n.options = nil
	switch {
	case n.User != "":
		n.options = append(n.options, nats.UserInfo(n.User, password))
	case token != "":
		n.options = append(n.options, nats.Token(token))
	case n.Creds != "":
		problems = append(problems, readable("NATS_CREDS", n.Creds))
		n.options = append(n.options, nats.UserCredentials(n.Creds))
	case n.NKey != "":
		option, err := nats.NkeyOptionFromSeed(n.NKey)
		if err != nil {
			problems = append(problems, fmt.Errorf("NATS_NKEY: %w", err))
		} else {
			n.options = append(n.options, option)
		}
	}
	return append(append(problems, n.tls()...), n.inbox())
}

// checkURL reads the URLs as the library will, whose own error repeats them.
func (n *NATS) checkURL(secrets *program.Secrets) []error {
	var problems []error
	if strings.TrimSpace(n.URL) == "" {
		return []error{errors.New("NATS_URL is empty: give it as in " + DefaultNATSURL)}
	}
	for text := range strings.SplitSeq(n.URL, ",") {
		text = strings.TrimSpace(text)
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		switch {
		case err != nil:
			problems = append(problems, errors.New("NATS_URL is no URL: characters such as / # ? @ % : in the password must be percent-encoded, or put it into NATS_PASSWORD"))
			continue
		case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
			problems = append(problems, fmt.Errorf("NATS_URL: scheme %q is not one of nats, tls, ws and wss", u.Scheme))
		case u.Hostname() == "":
			problems = append(problems, fmt.Errorf("NATS_URL: %s names no host", MaskURL(text)))
		}
		if u.User == nil {
			continue
		}
		password, has := u.User.Password()
		if !has {
			password = u.User.Username() // a token
		}
		secrets.Add(password)
	}
	return problems
}

func (n *NATS) tls() (problems []error) {
	if (n.TLSCert == "") != (n.TLSKey == "") {
		problems = append(problems, errors.New("only one of NATS_TLS_CERT and NATS_TLS_KEY is set: set both"))
	} else if n.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(n.TLSCert, n.TLSKey); err != nil {
			problems = append(problems, fmt.Errorf("NATS_TLS_CERT and NATS_TLS_KEY: %w", err))
		}
		n.options = append(n.options, nats.ClientCert(n.TLSCert, n.TLSKey))
	}
	if n.TLSCA != "" {
		problems = append(problems, readable("NATS_TLS_CA", n.TLSCA))
		n.options = append(n.options, nats.RootCAs(n.TLSCA))
	}
	return problems
}

func (n *NATS) inbox() error {
	if n.InboxPrefix == "" {
		return nil
	}
	if strings.ContainsAny(n.InboxPrefix, "*> \t") || strings.HasSuffix(n.InboxPrefix, ".") {
		return fmt.Errorf("NATS_INBOX_PREFIX %q: give a subject without wildcards and without a dot at its end", n.InboxPrefix)
	}
	n.options = append(n.options, nats.CustomInboxPrefix(n.InboxPrefix))
	return nil
}

// Keep connects for as long as the process lives: a server that is away, now or
// later, is awaited, and so is one that refuses the credentials, since they may
// be mended. The connection is returned before it is made. Call it after
// Resolve.
func (n *NATS) Keep(name string, logger *zap.Logger) (*nats.Conn, error) {
	options := append([]nats.Option{nats.Name(name), nats.RetryOnFailedConnect(true)}, Lasting(logger)...)
	return nats.Connect(n.URL, append(options, n.options...)...)
}

// Lasting returns the options of a connection that is made again, for as long as
// the process lives, whenever it is lost, and that says so.
func Lasting(logger *zap.Logger) []nats.Option {
	return append([]nats.Option{
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 500*time.Millisecond),
		// what is published while there is no connection fails at once; the
		// relay knows best what to send when there is one
		nats.ReconnectBufSize(-1),
		nats.Timeout(5 * time.Second),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
	}, logTo(logger)...)
}

// Dial connects now or fails, as a person at a terminal wants it. Call it after
// Resolve.
func (n *NATS) Dial(name string, more ...nats.Option) (*nats.Conn, error) {
	options := append([]nats.Option{nats.Name(name), nats.Timeout(5 * time.Second)}, more...)
	nc, err := nats.Connect(n.URL, append(options, n.options...)...)
	if err != nil {
		return nil, fmt.Errorf("NATS at %s: %w", MaskURL(n.URL), err)
	}
	return nc, nil
}
