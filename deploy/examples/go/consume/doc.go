// Command consume is an example of a consumer of one organization's outcome
// events that loses none, handles none twice, keeps their order, and goes on
// where it stopped:
//
//	go run ./deploy/examples/go/consume --org acme --outcomes outcomes.jsonl
//
// A durable consumer (subscribe.go) has its place in the stream kept by the
// server, under the consumer's name. An event is acknowledged after it has been
// handled, so a crash between the two has it delivered again: at least once.
//
// Handling (outcomes.go) is idempotent: what was handled is kept in a file,
// synced before the acknowledgement, and an event whose id is in there is
// passed over. Together that is exactly once. A service would keep the ids in
// its own database, in the transaction that does what the event calls for.
//
// A correction (member corrects) is an event like any other that takes the
// place of an earlier one: the outcome changes. It only happens after the
// workers' database was restored from a backup.
package main
