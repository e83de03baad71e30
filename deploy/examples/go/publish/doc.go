// Command publish is an example of a producer: it publishes one ConnectProvider
// command, as often as it takes to have it accepted, and reads its outcome.
//
//	go run ./deploy/examples/go/publish --org acme --bridge sales-bridge-001 --provider-config 42 --phone +1234567890
//
// The command's id is chosen before it is published first, so publishing it
// again after a lost answer can't connect anything twice (publish.go). The
// outcome is the first event about that id that comes after (outcome.go).
package main
