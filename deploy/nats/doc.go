// Package nats holds the NATS server's configuration: who may connect, and what
// each may say and hear. README.md tells how it is used; the .conf files are the
// configuration itself, embedded here so that tests load exactly them and so
// that connectctl can make an account for each organization
// (organization.go, keys.go).
package nats
