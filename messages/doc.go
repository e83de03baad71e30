// Package messages is the wire: what travels between producers, workers and
// consumers of the telephony streams, and nothing of how a command is decided.
// It needs neither a database driver nor a server, so that producers and
// consumers written in Go can import it.
//
// # The way of a command
//
// A producer encodes a [Command] (connect_provider.go) and publishes it to a
// [CommandSubject] (subject.go), whose organization token is the handle,
// percent-encoded (organization.go). Who has many publishes them a batch at a time
// with [PublishBatch] (publish_batch.go). The subject, never the body, says who
// asks: the broker's permissions make it unforgeable. The stream (streams.go)
// puts the lane (lane.go) into the subject and stores the message.
//
// The worker makes a [Received] of the stored message (decode.go): the subject
// is parsed, the form told apart (envelope.go: plain JSON, or a CloudEvent in
// binary or structured mode), the members read (members.go, on parser.go), the
// id settled, the trace context taken (trace.go).
//
// What it decides is an [Outcome]; [NewEvent] makes the [Event] of it
// (outcome.go), with an id that is the same whenever it is made (event_id.go),
// and [Event.Encode] its JSON (event_encode.go). A consumer reads it with
// [DecodeEvent] (event_decode.go).
//
// # Asking for outcomes
//
// Who can't wait for an event, or missed it, asks the workers: [AskOutcomes]
// (outcomes_ask.go) sends any number of command ids to an [OutcomesSubject]
// (outcomes_request.go) and gives an [OutcomesAnswer] (outcomes_answer.go): what
// was decided, what is unknown, and how far the organization's lanes have come,
// which tells "not yet" from "never". A worker answers only to an [IsInbox],
// since it may publish where the asker may not.
//
// [AskJobs] asks how the commands of jobs came out. [AskPreviews]
// (previews_answer.go) asks what would come of commands ([PreviewRequest],
// previews_request.go): the answer is decided as commands are, and forgotten.
//
// A command that has failed can be published once more, under another id:
// [Message.Redrive] (redrive.go) says as what.
//
// # What it guarantees
//
// Decoding never fails and never panics. What cannot be understood is a
// [Failure] with the code [MalformedCommand] that names the member at fault
// and says what to do; as much as could be read is kept, for the outcome to
// tell. Reading the same message again gives the same command, id and digest.
//
// Any subject token gives an [Organization] whose Token is safe as a subject
// token, an index key and part of an event id. A token that is not the encoding
// of its own decoding can be no organization, so that no one can take two
// tokens for one organization, or have one's commands in two lanes.
//
// Two commands have one [Received.Digest] if and only if their content is the
// same, two events one [Event.OutcomeDigest] if and only if they tell the same
// outcome: the rules "seen before with the same content" and "an outcome that
// differs is a correction" rest on that.
//
// Equal events have equal bytes. The spelling of [Lane.EventFilter] is the only
// one in use, since replicated streams compare it as a string.
//
// No phone number shows where something of this package is printed or logged;
// only [PhoneNumber.E164], the plain members that hold a number as it was given,
// and the JSON of commands and events reveal it. (Printing a struct of one's
// own that holds a PhoneNumber in an unexported field goes around its methods:
// Go's fmt cannot call them there.)
//
// # Where the rules come from
//
//   - The members, and the HTTP status beside each failure code: the REST
//     contract of the platform, connect-provider-to-bridge.
//   - Strict JSON: RFC 8259 (and of RFC 7493: UTF-8 only, names given once).
//   - Phone numbers: ITU-T E.164, its shape only, no numbering plan.
//   - Events, and commands in their form: CloudEvents 1.0, its JSON format and
//     its NATS protocol binding. Its distributed tracing extension holds what
//     W3C Trace Context defines.
//   - Lanes: the hash of the NATS server's partition() subject mapping.
//   - Stream settings: each has its reason beside it, in streams_compare.go.
//
// The JSON Schemas under schemas say the same for other languages, and the
// golden files under testdata show every form.
package messages
