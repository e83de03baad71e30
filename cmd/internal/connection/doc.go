// Package connection is how the programs reach NATS and Postgres: the settings
// (nats.go, database.go), secrets that come from files (secret.go), and how
// what is wrong with them is said before anything is dialled.
//
// A password may stand in the URL, in a variable of its own or in a file; it is
// noted in program.Secrets in every case, so that no log shows it. MaskURL
// (mask.go) writes URLs without it.
package connection
