// Package bench measures how fast a whole system is: from a command in NATS to
// its outcome in the events stream and its rows in Postgres.
//
// What it measures with are the commands of package deploy/workload: each connects
// a number, and the last of fifty names an unknown bridge. Their organizations
// are made for the measurement (organizations.go). What came of them is checked
// before anything is told: an outcome for each, and the rows.
//
// # Modes
//
//   - Throughput (round.go): all commands are in the stream before the workers may
//     begin; the time ends when all outcomes are in the events stream. An
//     embedded system's workers are started then, others are held by pausing the
//     organizations (hold.go). Nothing is read of the streams meanwhile but how
//     many messages they have, each 5 ms: whoever reads along takes a share of the
//     machine.
//   - Pipeline (round.go): the workers run, and publishing is part of the time.
//   - Latency (latency.go): commands one at a time, each after the outcome of the
//     one before, then at fixed rates. An outcome counts when a consumer has it.
//
// # Latencies
//
// Throughput and pipeline take a command's latency from its and its event's
// times in the streams, which are read afterwards (stored.go): NATS' clock alone
// counts. It contains all waiting behind others, of a throughput also that for the
// workers.
//
// At a fixed rate a command's latency counts from when it was to be sent, whatever
// held up its sender (pace.go): else a system that stands still for a second is
// charged with one slow command, since nobody sends the others (coordinated
// omission). The sender sleeps in the kernel (sleep_linux.go).
//
// HdrHistogram keeps them, to three digits (latencies.go).
//
// # What else is told
//
//   - usage.go: CPU time and peak memory, of a process from /proc on Linux
//     (package deploy/usage), of a worker elsewhere from its metrics.
//   - metrics.go: the workers' batches and stages, from their metrics before and
//     after. Of a system that others use these, and the WAL (measure.go), are
//     everybody's.
//   - durability.go: what the servers sync. With something off no throughput is
//     told (Report.judge): it compares with nothing.
//   - plot.go: the report as a page with charts.
//
// # When it fails
//
// The organizations are removed from a system that others use too whatever has
// happened, also when the context has ended, once what was published of their
// commands is decided. The commands stay in their stream: to a lane whose cursor
// stands on one, a stream without it has been cut back. Of events the last one of
// each organization stays, since its lane expects it. Remove removes what a killed
// benchmark has left in the database.
package bench
