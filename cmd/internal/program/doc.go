// Package program is what the two programs share as programs: how they start,
// take their settings, log and end.
//
//   - Main (main.go): the first SIGINT or SIGTERM ends the context, so that
//     work is drained; the second one ends the process at once.
//   - Parse (parse.go): settings come from defaults, then the environment, then
//     flags. Values that can't be read are collected (values.go), so that all
//     problems of a configuration are told together, before anything is dialled.
//   - Code (exit.go): an error carries the exit code that it means.
//   - NewLogger (logger.go): zap, as JSON or readable on a terminal.
//   - Secrets (secrets.go): what must appear in no log, whichever library
//     writes it there. Settings (settings.go) lists a configuration masked.
//   - Plain (plain.go): text that others wrote, without what a terminal obeys.
package program
