// Package outbox carries outcome events from the transaction that decided them
// into the events stream, each once and in order.
//
// # The way of an event
//
//  1. Append queues the insert of a batch's events into the caller's
//     transaction (append.go), so an event exists if and only if its effect
//     does.
//  2. After the commit the lane hands the same rows to its Relay, which
//     publishes them in command order with at most one batch in flight
//     (relay.go, publish.go): up to five as ordinary publishes one after
//     another, more as JetStream atomic batches of at most 1,000.
//  3. Remove queues the deletion of what was published into a later
//     transaction of the lane (append.go), so the outbox costs no commit of
//     its own.
//
// # Why an event can't be there twice
//
// Every event is published with the expectation that the lane's last event is
// the one this relay knows (Nats-Expected-Last-Subject-Sequence over
// "telephony.events.<lane>.>"). Two relays of one lane, say of a worker that
// was paused and of its successor, can't both succeed, and neither can a retry
// of a publish whose acknowledgement was lost. Whatever goes wrong (a refusal,
// a time-out, no responder) is answered in one way: make sure that the lane is
// still owned, read the lane's last event through the stream's leader, compare
// the rows at hand with what has been added since (replay.go), publish the
// rest. Nothing depends on a deduplication window.
//
// What has been added may be the rows themselves, or those of a former owner
// whose database went back since: then it can reach further than the rows at
// hand, and tell other outcomes. So rows are compared one by one, in doubt as
// after a restore.
//
// How far the events of a lane reach is known from the last one: they are in
// command order, and each carries the lane's position (generation and command
// sequence) in a header, which never goes down along the lane.
//
// # Taking over
//
// A new owner of a lane calls Inspect, then Resume with the rows it found in
// the outbox: those up to the last event's position are there, the others are
// published before anything new.
//
// # After a restore
//
// A database that was restored from a backup, or a standby that lagged, has a
// cursor below the position of the lane's last event. The commands between
// are decided again; their events are there already. Until the lane has caught
// up, its relay merges (replay.go): it reads the lane's events, from the last
// that the restored row knew, beside the rows it is given, and tells by event
// id and outcome what to do with each row: the same outcome is not sent again;
// a different one goes out as a correction, whose id is made from the id it
// corrects and the new outcome, so that it too is made once; an event that is
// not there is published late. The lane's row remembers the span being
// replayed, so a takeover in the middle goes on merging.
//
// A relay merges its own lane's events only. Where a command id was sent to both
// classes, the restored database may let the other message come first: then
// each of the two lanes has an event under that id. To know of it, a lane would
// have to read the other one's events, and to wait for it to catch up.
//
// # Spans
//
// trace.go makes a span for each Publish: a child of the batch that decided the
// rows, or, for what a former owner left, a root with links to the commands'
// contexts, which their events carry. An event's own context is never touched,
// so that it is the same whenever, and by whomever, it is made again.
//
// # Failure
//
// Publish returns only when all rows are in the stream, the context has ended,
// or Confirm said that the lane is lost. The rows stay in the table until
// their removal commits, so whatever is lost in memory is found by the next
// owner.
//
// Prune (prune.go) deletes inbox rows and dead letters past their retention.
package outbox
