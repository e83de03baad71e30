// Package attack draws what is done to a system: acts (acts.go), each with
// commands and attacks of one kind or of many, which begin at times drawn with
// them.
//
//   - processes.go kills, pauses and restarts workers, NATS and Postgres.
//   - gateways.go does all that to the REST gateways and their lines.
//   - lines.go cuts, blocks, slows and half opens the lines between them, and
//     loses a COMMIT, its reply, or the acknowledgement of an event.
//   - streams.go takes lanes' consumers away, and purges, replaces and cuts back
//     streams.
//   - database.go restores the database from a backup, promotes a standby that
//     lags, and pauses an organization while its neighbours are purged.
//
// An attack undoes what it does. All randomness is used up while the plan is
// drawn, so a seed gives the same plan again; what comes of it, on a machine
// that others use too, need not be the same.
package attack
