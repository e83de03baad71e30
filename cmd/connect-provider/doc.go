// Command connect-provider is the service: it takes ConnectProvider commands
// from NATS JetStream, decides each once in Postgres, and publishes its outcome.
//
// Its roles are subcommands, any number of which may run:
//
//   - worker (worker.go): decides commands and publishes outcomes, with a
//     listener for /livez, /readyz and /metrics (package cmd/internal/serve).
//   - gateway (gateway.go): serves the platform's REST API in front of the queue,
//     with such a listener too. How it works stands in package cmd/internal/gateway.
//   - migrate (migrate.go): creates or upgrades the database schemas.
//   - streams (streams.go): creates the three streams, or compares those that
//     exist with what they must be.
//   - healthy (healthy.go): asks a worker or gateway on the same machine whether it is
//     ready, where a container has nothing else to ask with.
//
// Settings are flags, environment variables, and defaults, in that order
// (settings.go; --help names them all). They are checked as a whole before
// anything is dialled. The first SIGINT or SIGTERM drains, the second aborts.
// What the exit codes mean stands in run.go and in --help.
package main
