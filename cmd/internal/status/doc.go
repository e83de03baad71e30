// Package status reads what the database and NATS tell of a running system,
// for people who have to know. It only reads: a database role that may select,
// and a NATS user that may look at streams, are enough for it.
//
//   - System (system.go) is the whole system: lanes (lanes.go) with their lag
//     (lag.go), workers, pauses and dead letters (tables.go), streams
//     (streams.go), and what is wrong (problems.go).
//   - Command (command.go) is the history of one command: what the inbox has of
//     it (decided.go), its events (events.go), where it waits (waiting.go), the
//     dead letters about it (letters.go).
//   - Phone (phone.go) is the history of one phone number.
//
// Each is a document: its JSON form is a promise, held by golden files. What is
// not known, because a server is away, is null; what is known to be empty is
// an empty list or zero.
//
// # Which clock
//
// Every age is told by the clock of the server that keeps the time it is
// reckoned from: leases by Postgres', lag by the streams'. The clock of the
// machine that asks plays no part.
//
// # In which order
//
// The database is read first, in one snapshot, then the streams. So a stream
// that ends before a lane's cursor has been cut back, and a command that is
// neither in the inbox nor behind the cursor was never accepted, or is
// forgotten.
package status
