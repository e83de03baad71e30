// Package nats holds the NATS server's configuration: who may connect, and what
// each may say and hear. README.md tells how it is used and what it does not
// prevent; the .conf files are the configuration itself, embedded here (files.go)
// so that tests load exactly them, and so that connectctl can make the public
// keys' file (keys.go) and each organization's accounts (organization.go).
//
// The tests are tables of what each user must be able to do (needs_test.go) and
// must not (attacks_*_test.go, excess_test.go), played on a real server.
// rules_test.go takes the rules away one by one and shows that the tables notice;
// worker_test.go shows that a real worker needs its own, and no others;
// known_test.go states what can't be prevented.
package nats
