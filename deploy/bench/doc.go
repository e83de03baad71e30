// Command bench measures connect-provider beside other ways to do its work, each
// on a Postgres and a NATS of its own that sync every write.
//
//	cd deploy/bench && go run .
//
// # What is compared
//
// Package design has the designs. All of them get the same commands (package
// deploy/workload: 100 organizations, 2% of the commands name an unknown bridge),
// and must leave the same connections, inbox rows and outcome events.
//
//   - floor: the rows and events are known beforehand and only written, by one
//     connection and one publisher. What is read and decided, and that it is
//     done safely, is the distance to it.
//   - floor-copy: the same by COPY, of bytes made before the clock starts: no client
//     encodes anything, which nobody who decides commands can do without.
//   - worker: this project's worker with its default settings.
//   - per-command: the same decision and the same rows, but a transaction for each
//     command, 64 at a time, each acknowledged after its commit. Two round trips a
//     command: begin, lock and load; write and commit. The outbox is polled each
//     5 ms, up to 500 events in flight. No order is kept.
//   - river: a River job for each command. A process reads the stream and inserts jobs,
//     1,000 at a time; logic and outbox row are in the job's transaction; the outbox is
//     polled as in per-command.
//   - watermill: a Watermill router with pull subscribers of NATS, a transaction for
//     each message, and Watermill's own outbox: events go into a table of
//     watermill-sql through a forwarder's publisher, and the forwarder publishes them.
//
// The clock (measure.go) runs from the beginning of a design's work, when all
// commands are in the stream, until all events are in theirs, so it contains
// what a design does to get going. Rows and events are counted afterwards. The
// designs take turns in each round, and medians are printed.
//
// # What else is measured
//
//   - latency (latency.go): a single interactive command, from publishing to the
//     receipt of its event, beside the least that it can be: a synced publish of the
//     command, a commit of its rows and a synced publish of the event, with nothing
//     read or decided (SingleFloor in package design). The two take turns.
//   - level (level.go): the worker's throughput with millions of connections and
//     inbox rows that are there already, beside that with none.
//   - steady (steady.go): memory of the service's own process, and the size of the
//     outbox's table, over millions of commands.
//   - idle (idle.go): the processor time and the statements of workers, each a process
//     of its own (service.go), that own all lanes and have nothing to do.
//   - rebalance (rebalance.go): how long commands that come at a fixed rate (paced.go)
//     take while workers join, end and are killed.
//
// # Fairness
//
// Servers, their settings and the machine are the same, and shared by everything:
// where the processors are used up, processor time counts, the measuring
// program's too. It refuses to measure where Postgres doesn't sync.
//
// It is a module of its own, so that the libraries that it compares with never get
// into the product's go.sum.
package main
