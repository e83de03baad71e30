// Package workload is the commands that measurements use, the platform's rows
// that they need, and the check of what came of them.
//
// A Workload (workload.go) connects every number of its organizations once; of
// some commands the bridge is unknown. Command n is the same whenever it is made,
// so nothing needs to be kept of 10,000,000 of them. The organizations, and
// with them the numbers, are the workload's own: several can be in a database
// beside each other and beside a platform's data.
//
//  1. Load (load.go) writes the platform's rows in the database.
//  2. Publish (publish.go) puts commands into the bulk stream; Message makes one
//     for whoever publishes by himself.
//  3. Check (check.go) compares what a service has written with what must be.
//  4. Remove (remove.go) deletes the platform's rows and all that a service made
//     of the commands in the database. The streams keep their messages until
//     upkeep or their age removes them.
//
// The SQL is below sql.
package workload
