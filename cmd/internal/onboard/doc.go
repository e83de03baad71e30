// Package onboard connects the numbers of a file: each row becomes one command
// in the bulk stream, and ends with the outcome that the workers decided, or
// with the reason for which it could be no command.
//
// # What it guarantees
//
// Each row is reported once, with its outcome, whatever is killed meanwhile and
// however often the same file is run. What a row's outcome is, only the workers
// say: by an event, or when they are asked. The stream's acknowledgement counts
// for nothing but the place at which the row's command stands.
//
// # Identity
//
// A row's command id is made of its organization, the job's name and what the
// command says (row.go), so whoever runs the file again publishes the same
// commands, and the inbox knows them. A job is named after the content of its
// file unless somebody names it. A row that brings its own command id keeps it.
// What was sent again by --retry-failed has the attempt's number behind its id;
// a row's outcome is that of its last attempt.
//
// Rows that say the same are one command, and each of them gets its outcome.
//
// # What is durable when
//
// Everything that decides anything is durable elsewhere: the commands in the
// stream, their outcomes in the inbox. The state file (journal.go) only saves
// asking again: it lists the rows whose outcome is known, each with its outcome,
// in the order in which they became known; a prefix of rows is never what is
// finished. It is written behind, so it knows less than is true, never more. A
// row that is not in it is asked for before it is published. So with the state
// file lost, or cut anywhere, a run ends in the same report. It is removed when
// the report is complete.
//
// The reports are made whole from input and state file, and put into their place
// by a rename: there is never half of one, and no row in it twice.
//
// # The way of a row
//
//  1. survey.go reads the whole file once: its digest, its rows, its
//     organizations. A file that can't be read to its end is refused here,
//     before anything is published.
//  2. input.go tells compression and form, csv_rows.go and jsonl_rows.go read
//     rows; row.go makes commands of them, or says what keeps them from being
//     one. Those are never published.
//  3. run.go takes the rows that are not in the state file, up to 1,000 at a
//     time. ask.go asks what is known of them: always for the first ones, and
//     for as long as something is known, so that a file that was run before
//     costs questions and no commands.
//  4. publish.go publishes the others as one atomic batch, one batch after
//     another, so that the stream has the rows in the file's order. What it does
//     not know to be stored it publishes again; that does nothing twice.
//  5. An event tells the outcome (events.go). settle.go asks for the rows whose
//     lane has passed them without an event: decided before, missed, or lost
//     by the stream, and then published again.
//  6. report.go writes the reports in the file's order.
//
// preview.go is the dry run: it asks the workers what would come of each row,
// and tells them what the rows before it would have changed.
//
// # When something is away
//
// Everything is tried again, with backoff, until it works or the user has
// enough; Progress tells what is waited for. What can never work ends the run:
// a stream that does not exist, a question that is refused.
//
// # Memory
//
// What is held does not grow with the file, but for one bit a row: rows are
// streamed, undecided ones limited in number and bytes, outcomes written to the
// state file; the report reads input and state file side by side, a few million
// rows at a time.
package onboard
