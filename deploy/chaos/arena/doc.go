// Package arena is a whole system on one machine that can be attacked: workers,
// NATS and Postgres as real processes, a line between each two of them that can
// be harmed (package faults), and producers that publish, or call a gateway
// (gateway.go, caller.go), and write down what they are told (producer.go).
//
// What the system can't be trusted to tell is noted from outside: an archive
// reads the streams as they grow, beside the lines and before anything is
// destroyed (archive.go), a watcher looks whether an event's effect is there
// when the event is (watcher.go), and a journal keeps what was done to whom
// (journal.go). When all attacks are over, settle.go waits until everything
// accepted is decided and told, and evidence.go takes down what is left, for
// package judge.
//
// Whoever harms a process or a line holds its lock for as long, so that attacks
// drawn at random don't undo each other.
package arena
