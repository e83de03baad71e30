package connection

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// JetStream says where JetStream answers, as seen from the user's account.
type JetStream struct {
	Domain string `name:"nats-js-domain" env:"NATS_JS_DOMAIN" placeholder:"NAME" help:"JetStream's domain, where the user's account has no streams of its own: telephony with the permissions that are shipped."`
}

// Problem returns what is wrong with the settings, or nil.
func (j JetStream) Problem() error {
	if strings.ContainsAny(j.Domain, ".*> \t") {
		return fmt.Errorf("NATS_JS_DOMAIN %q: give a name without dots, wildcards and spaces", j.Domain)
	}
	return nil
}

// Open returns JetStream over a connection.
func (j JetStream) Open(nc *nats.Conn) (jetstream.JetStream, error) {
	if j.Domain == "" {
		return jetstream.New(nc)
	}
	return jetstream.NewWithDomain(nc, j.Domain)
}
