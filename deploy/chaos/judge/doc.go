// Package judge says whether what is left after an attack is what must be left.
//
// The streams are logs and deciding is a pure function, so the truth can be
// computed. A [Judge] takes the evidence of one act of a run at a time
// (evidence.go), collected while the system stood still: what the command
// streams have held, what the database and the events stream hold, and what
// producers were told. It knows the platform, remembers the acts before, and
// returns what is wrong (finding.go).
//
//   - judge.go finds the inbox row of each message, which is its outcome; a row
//     without a message was invented. It puts what was decided into the order in
//     which the database serialized it, by the ids of the transactions. Each
//     lane's order must be the stream's.
//   - outcomes.go decides all of it again, in that order, twice: by the worker's
//     own deciding function ([worker.Ledger]), so that every byte of an outcome
//     is compared, and by a plain model (model.go) that shares nothing with it
//     and takes what a message means from who made it, so that a defect in
//     reading or deciding can't excuse itself. A message without an outcome must
//     repeat one, or it was lost. Only what an attack itself destroyed may be
//     missing, and of each lane only its end.
//   - tables.go holds connections, dead letters and outbox against that.
//   - events.go demands one event for each row, byte for byte, in order, and no
//     other. Corrections and late events are allowed where a database went back
//     in time, copies where an attack destroyed the events stream.
//   - answers.go holds what gateways answered against it: 200 is a connection, 4xx
//     its failure, 503 nothing that was accepted, 202 what has an outcome in the end.
//   - told.go holds what producers were told against the truth: what was
//     acknowledged is in the stream, and an answer about an outcome is true.
//
// What an attack allows is said by the evidence ([Evidence.WentBack],
// [Stored.Gone], [Published.Gone]), never guessed from the damage.
package judge
