package main

import (
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/natscontext"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
)

// natsSettings say where NATS is: by themselves, or through a context of the
// nats command line.
type natsSettings struct {
	connection.NATS `embed:""`
	JetStream       connection.JetStream `embed:""`
	Context         string               `name:"context" env:"NATS_CONTEXT" placeholder:"NAME" help:"Context of the nats command line, in place of all other settings of NATS."`
}

func (s *natsSettings) problems(secrets *program.Secrets) []error {
	if s.Context != "" {
		return nil
	}
	return append(s.Resolve(secrets), s.JetStream.Problem())
}

// connect dials NATS. The caller closes the connection.
func (s *natsSettings) connect(secrets *program.Secrets, options ...nats.Option) (*nats.Conn, jetstream.JetStream, error) {
	if s.Context == "" {
		nc, err := s.Dial("connectctl", options...)
		if err != nil {
			return nil, nil, fmt.Errorf("%w; is it running? `%s dev` starts one", err, self())
		}
		return withJetStream(nc, natscontext.Settings{JSDomain: s.JetStream.Domain})
	}
	nc, settings, err := natscontext.Connect(s.Context, append(options, nats.Name("connectctl"))...)
	secrets.Add(settings.Password, settings.Token, settings.UserJwt)
	if err != nil {
		return nil, nil, fmt.Errorf("NATS by context %q: %w", s.Context, err)
	}
	return withJetStream(nc, settings)
}

func withJetStream(nc *nats.Conn, settings natscontext.Settings) (*nats.Conn, jetstream.JetStream, error) {
	var js jetstream.JetStream
	var err error
	switch {
	case settings.JSAPIPrefix != "":
		js, err = jetstream.NewWithAPIPrefix(nc, settings.JSAPIPrefix)
	case settings.JSDomain != "":
		js, err = jetstream.NewWithDomain(nc, settings.JSDomain)
	default:
		js, err = jetstream.New(nc)
	}
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return nc, js, nil
}
