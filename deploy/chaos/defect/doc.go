// Package defect holds defects to plant into the service, so that whoever
// judges it can be judged: each breaks one thing that a promise rests on.
//
// A defect is a few edits of source files, told by the text they replace
// (defects.go). Overlay writes the edited files, and a list by which the go
// command takes them in place of the originals (go build -overlay): the
// sources themselves are never touched, and no normal build knows of any
// defect. An edit whose text no longer stands in its file, exactly once, is an
// error: the defect is to be written anew.
package defect
