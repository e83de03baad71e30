// Package worker decides ConnectProvider commands: each once, in the order in
// which its stream accepted it, with its effects, its inbox row and its
// outcome event in one transaction.
//
// # The cursor
//
// A reader who knows JetStream looks for the acknowledgements. There are none
// on the wire: an acknowledgement can't be part of a Postgres transaction, and
// around the gap grow redelivery timers, delivery counters and workers that
// wake up late. Here the acknowledgement is a lane's cursor, a row in Postgres
// that moves in the transaction that applies the commands (commitCursor in
// write.go):
//
//	redelivery            → read again from the cursor
//	MaxDeliver, dead-letter queue → isolation (apply.go) and dead letters
//	ack wait              → lease
//	pending               → lane lag
//
// The cursor is compared and set, together with the lane's owner token, epoch
// and generation. If no row is updated, the world is not what this worker
// thinks: a new owner, a restored database, a standby that lagged. It rolls
// back, drops the lane with all that it holds of it in memory, and takes it
// anew. So a worker that was paused and wakes up late can do no harm.
//
// # The way of a command
//
//  1. reader.go: an ordered consumer for each lane delivers what has arrived,
//     read by the protocol itself (feed.go), since a client library takes a
//     stored message with a Status header for a notice of the server; queue.go
//     holds it, decoded, bounded by bytes, and budget.go bounds all lanes.
//  2. lane.go: a batch is whatever waits, up to 1,000, without lingering: while
//     one commits the next gathers. A few batches of different lanes are in
//     flight at once, for each traffic class apart, so that bulk can't delay
//     interactive commands.
//  3. load.go: the partition's advisory lock, then all state that the batch can
//     touch, in one round trip. A lock of the partition and not of the
//     organization: a few thousand of those use up Postgres' lock memory.
//  4. decide.go: a pure function of state and batch, in stream order. It is the
//     specification of the domain.
//  5. write.go: connections, inbox, outbox, dead letters and cursor, set-based
//     and sorted by key, in one round trip, and the counts of jobs (jobs.go);
//     transact.go commits.
//  6. publisher.go: package outbox publishes the events while the next batch is
//     applied; the rows are removed in a later batch's transaction, or in one
//     of their own when the lane is idle (tidy in lane_row.go).
//
// A batch costs three round trips (begin, lock and load; write; commit), and a
// fourth where a bridge has another provider or an id was used before.
//
// # Lanes
//
// A command stream is cut into lanes by the server's partition() transform on
// the organization's token. Leases (lease.go) use the database's clock only. A
// worker renews them three times in their length, claims its fair share (lanes
// by live workers, rounded up, each class apart), and hands back what is over
// it. A lane that is handed back is finished first: stop reading, commit,
// publish, remove outbox rows, release. Workers tell each other of it over
// NATS, which only saves time. Rows that are locked are skipped, by renewal and
// by claims: their owner is at work. A worker without NATS does not renew.
//
// Taking a lane over (takeOver in lane.go) brings its events up to date first:
// see package outbox. Then open (same_log.go) makes sure that the stream is
// still the log that the cursor counts in: it reads from the cursor, not from
// behind it, and compares that message with what the row remembers, whenever a
// consumer is made anew, so also after each reconnect. It may be missing only
// below the stream's first sequence. A stream that was cut back and has grown
// again, or was replaced, begins a new generation of the lane; what is known
// to be lost is logged as an error and counted.
//
// # Asking
//
// outcomes.go answers NATS requests for the outcomes of an organization's
// commands, as a service that `nats micro ls` finds; look_up.go reads first how
// far the organization's lanes have come, then the inbox, so that an asker can
// tell "not yet" from "never". All workers share the questions. Each answers one
// at a time, on a connection that the pool has beyond those of the lanes; previews
// apart, on another (preview.go: what would come of commands, by decide, on state
// that is read in one read-only transaction, and forgotten). It
// answers to inboxes only: the asker chooses the subject of the answer, and the
// worker may publish where the asker may not. What the subject says is who asks;
// NATS permissions make it true. A worker that ends stops answering first: the
// others do, and its lanes have the time.
//
// # Pauses
//
// An operator can stop an organization or a class (pauses.go). A batch reads
// what is paused in its own transaction, after it has taken the partition's
// lock (load.go), and is cut before its first paused command (pause.go); the
// rest of it waits, and so does all that stands behind in the lane, other
// organizations' commands too: nothing is decided out of order, and the cursor
// can't leave anything out. Whoever sets a pause takes that lock once, so when
// SetPause has returned no batch is under way that has not seen it.
//
// A lane that waits keeps its lease, publishes its events and removes their
// rows, hands itself back at once when asked, and looks again each second, or
// when it is told over NATS (Nudge). Its state is the row in the database and
// nothing else, so restarts, kills and takeovers change nothing. A paused lane
// is not held, and a pause is no failure.
//
// # Failure
//
// classify.go is the one place that says what an error means, with a reason for
// each branch; apply.go acts on it:
//
//   - unavailable: the same batch again, with backoff, without limit.
//   - conflict (unique violation, serialization failure, deadlock): load and
//     decide again; if that goes on for a minute, as an unknown error, since
//     no other transaction can have been in the way for so long.
//   - COMMIT not answered: a new connection locks the lane's row, which waits
//     for the backend in doubt; token and cursor then tell. COMMIT is never
//     cancelled: a cancelled wait for a synchronous standby has committed.
//   - a data error or a panic: halve the batch until the command stands alone;
//     if it fails again there, it gets internal_error and a dead letter.
//     Where the data error comes while state is read it is not the command's:
//     a view of the platform's fails. That is held as an unknown error is.
//   - an error that nobody classified, for a minute while others commit: halve
//     likewise, then hold the lane at the command and say so on its row, until
//     the cause is mended or an operator gives the command up (connectctl skip
//     sets skip_sequence on the row). Of a skipped command nothing of the
//     platform's is read. One whose failure can't be written either is not given
//     up: it would be lost without an outcome. The row says so.
//   - not migrated, not allowed: retry, and say what an operator must do.
//
// A client that stops in the middle of a transaction would keep its locks: the
// server ends it after the lease time (idle_in_transaction_session_timeout).
//
// # Spans
//
// trace.go makes a span for each batch, with links to the commands' own trace
// contexts, and one for each COMMIT in it; a batch of one command is also the
// child of that command's. Retries, halves and doubts are events of the batch's
// span. Without Config.TracerProvider there are none, and nothing is allocated.
//
// # Upkeep
//
// upkeep.go purges from the command streams what every lane has passed and the
// replay window no longer covers, by sequence, and prunes inbox and dead
// letters past their retention. streams.go creates and compares the streams; a
// worker does not start on those that would lose data or break the fence.
//
// # Speed
//
// At full load the processors are what is short, not the disk: of the time that a
// command takes, about a quarter is the worker's, a quarter NATS', half
// Postgres'. What was measured (100,000 commands of 100 organizations, two cores,
// every write synced; deploy/bench repeats it), and is kept:
//
//   - batches of up to 1,000 of one lane, two in flight. Three and four in flight
//     gave nothing (19,600 and 19,900 commands/s for three, where two gave 20,400
//     and 20,900).
//   - arrays written in one go (arrays.go): pgx's own way, an element at a time,
//     took 4 to 5 of the worker's 30 µs a command.
//   - garbage collected when the heap has grown to five times what is live, within
//     a memory limit (GCPercent; package cmd/internal/serve): 5 µs.
//   - keys that compare by their bytes (migration 4): a look at 1,000 bridges 4.8 ms
//     in place of 6.3. It matters more where the database has a language's order.
//   - a bridge's last provider is looked for behind its first, so that one without
//     connections costs one look: 5.5 ms in place of 6.3.
//   - generic plans without sequential scans and hash joins (sql/prepare.sql).
//
// And what was tried, or looked at, and is not here:
//
//   - The regular expression that checks a connection's number costs 1.2 µs a row; the
//     same rule in string functions 0.5 to 0.6, but nobody reads it. The inbox's
//     checks cost nothing that can be measured.
//   - The index of connections by bridge costs 4 µs a row. Without it a bridge's
//     providers would have to be counted in a table of their own, written for nearly
//     every command.
//   - COPY in place of unnest takes Postgres 4 µs a command less (deploy/bench,
//     floor-copy), but three more round trips, which a single command would feel.
//   - An outbox row for each batch in place of each event: not tried. 800 of the
//     1,490 bytes of WAL a command are the outbox's, and a sixth of Postgres' time;
//     a lane's rows would be harder to look at.
//   - State read only after a key was violated: not tried here, a prototype gained
//     8 %. A file that is run again would pay for it twice.
//   - Writing and committing in one round trip: not tried. It would take one of three
//     from a single command, but whether the cursor and the connections were as
//     expected is seen from the rows that the statements tell, before COMMIT is sent.
//   - An outbox through pg_logical_emit_message, without a table: not tried, a prototype
//     was a quarter faster. It asks for wal_level logical, a role that may replicate,
//     and a slot that keeps the log for as long as nobody reads it, and that is gone
//     after a failover before Postgres 17.
package worker
