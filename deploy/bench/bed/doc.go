// Package bed has the servers that something is measured on: a Postgres and a
// NATS of its own for each measurement, so that none inherits another's files, and
// both syncing every write, without which the figures would be no use to anyone.
//
// Start (bed.go) returns them migrated and with the streams. Usage (usage.go)
// reads the processor time that they and this process have spent.
package bed
