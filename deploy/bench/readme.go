package main

import (
	"fmt"
	"os"
	"strings"
)

// The marks between which the README's table stands.
const (
	markBegin = "<!-- comparison: cd deploy/bench && go run . --update-readme ../../README.md -->"
	markEnd   = "<!-- end of comparison -->"
)

// updateReadme replaces what stands between the marks in a file.
func updateReadme(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), markBegin)
	_, after, ended := strings.Cut(rest, markEnd)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the table: it stands between the lines\n%s\n%s", file, markBegin, markEnd)
	}
	return os.WriteFile(file, []byte(before+markBegin+"\n"+table+markEnd+after), 0o644)
}
