// Command connectctl is the command line for people.
//
//   - demo (demo.go): the whole system in a temporary directory. It publishes
//     an example of every outcome (demo_script.go) and a mass of valid commands
//     (demo_fleet.go), tells what happened (report.go), and checks that every
//     command had one outcome, in order (demo_audit.go).
//   - dev (dev.go): the same system, kept in a directory, until interrupted, with
//     the REST gateway (dev_gateway.go).
//   - publish (publish.go): publishes one command and, with --wait, tells its
//     outcome (outcome.go): from its event, or, of a repeat, which has none,
//     from what the workers remember (inquiry.go).
//   - onboard (onboard.go): connects the numbers of a file; the work is package
//     cmd/internal/onboard's, over NATS (onboard_platform.go), with its progress
//     shown (onboard_progress.go). list and show (onboard_jobs.go) tell of past jobs.
//   - watch (watch.go): shows outcome events as they come (watch_printer.go), and
//     those of the past. event_reader.go reads them through whatever happens.
//   - pause, resume (pause.go, resume.go): stop deciding an organization's or a
//     class's commands for a while. The rule is package worker's (its pause.go).
//   - skip (skip.go): gives up the one command at which a lane is held.
//   - dead-letters list, show, redrive, discard (dead_letters*.go): what became
//     of messages that nobody could act on. masked.go keeps phone numbers out of
//     what is shown of them.
//   - status (status.go): the state of a whole system (status_system.go), or the
//     history of a command or of a phone number (status_history.go), as read by
//     package cmd/internal/status, once or again and again (status_view.go).
//   - bench throughput, pipeline, latency, remove (bench.go): measures a whole system,
//     one that runs (bench_elsewhere.go) or an embedded one (bench_embedded.go),
//     whose parts are processes of their own (bench_part.go, bench_roles.go), and
//     tells what it found (bench_report.go). The work is package
//     cmd/internal/bench's.
//   - tokens create, list, revoke (tokens*.go): the tokens with which callers of
//     the REST gateway identify.
//   - demo-data (demo_data.go): loads the demo organizations into a database.
//
// The system of demo and dev (system.go) is NATS in this process, a private Postgres found on
// the machine, the streams, the demo organizations and a worker in this process.
// These servers are linked into this program only, never into the service.
//
// What the exit codes mean stands in run.go and in --help.
package main
