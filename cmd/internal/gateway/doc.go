// Package gateway is the REST endpoint that the platform's callers know, in
// front of the queue: a request becomes a command, and the command's outcome
// event becomes the answer. It is a producer like others, for callers who can't
// be one; nothing is decided here.
//
// # The life of a request
//
//  1. routes.go: a request id, a span, the answer's line in the log. What does
//     not fit the route is answered at once (405, 415, 413).
//  2. authenticate.go: whose token it is (tokens.go), and that Org-Handle names
//     the same organization: 401, 400, 403. So many requests of an organization
//     may be in flight (limit.go); the next one gets 429.
//  3. request.go: path, body and Idempotency-Key become a command. The key is
//     the command's id; without one the id is made up.
//  4. connect.go: a waiter is registered (waiting.go). If there was a key, the
//     workers are asked whether it was decided before: a repeat has no event.
//     Then the command is published (publish.go) and the outcome awaited.
//  5. follow.go: one reading of the interactive lanes' new events serves all
//     requests. An event wakes those whose organization, command id and content
//     it answers, so of two calls that share a key each gets its own answer.
//  6. outcome.go turns the outcome into an answer (answer.go). If none has come
//     by the end of the wait, the workers are asked once more, and then the
//     answer is 202, with the place where the outcome will be (command.go).
//
// Waiting takes no polling and no database connection.
//
// # What an answer promises
//
//   - 200: the number is connected. 4xx and 500 with a failure's code: the
//     command was decided, and failed so. Both are final for the key.
//   - 503 (and 429, and every 4xx that has no outcome): no command was accepted.
//   - 202, "undecided": the command was accepted, and will have an outcome.
//   - 202, "acceptance_unknown": it was sent, and nobody has said that it
//     arrived. With the same key it can be sent again without harm; if it had
//     arrived, the repeat does nothing.
//
// So after a 202, a 503 or a broken connection a caller with a key repeats the
// request, and nothing is done twice.
//
// # Failure
//
//   - Between registering and publishing: the waiter is there before anybody
//     can know of the command, so its event can't be missed.
//   - NATS away before the publish: it is not sent, 503. Away after it, or the
//     acknowledgement lost: in doubt. It is published again under the same id
//     while the wait lasts, which is a repeat if the first try had arrived. An
//     event proves that it had, whatever became of the acknowledgement.
//   - An acknowledgement that says duplicate: not accepted, sent again.
//   - The reading of events is interrupted (reconnect, a consumer that was
//     deleted, a message lost on the way, a stream that was replaced): it begins
//     anew with new events, and then the workers are asked once about everybody
//     who waits. What was decided before the new reading they know, what is
//     decided later it reads. So it needs no memory of where it was.
//   - No worker, or no Postgres behind it: 202 at the end of the wait.
//   - Postgres away: tokens in the cache (30 s) do, others get 503.
//   - The caller hangs up: the waiter goes. A command that was published stays.
//   - Shutdown: no new requests; those in flight get their outcome, or 202 when
//     the drain timeout is about to end.
//
// # Tokens
//
// A token is known by its SHA-256, here and in the database. It stands in the
// Authorization header and nowhere else: no message, event, log or span has it.
// A revoked one may work for as long as the cache keeps it.
//
// openapi.json describes all of it for programs, and is served; a test holds it
// against the routes and the answers.
package gateway
