package main

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// flow is a line in the making that goes on in another row, indented, where it
// gets too wide.
type flow struct {
	width  int // of a row, 0 is any
	indent int

	text strings.Builder
	used int // columns of the last row
	gap  int // columns to leave before the next word
}

var colours = regexp.MustCompile(`\x1b\[[0-9]+m`)

// add adds a word that takes up a number of columns, or more if it is longer.
func (f *flow) add(word string, columns int) {
	length := utf8.RuneCountInString(colours.ReplaceAllString(word, ""))
	if f.width > 0 && f.used > f.indent && f.used+f.gap+length > f.width {
		f.text.WriteString("\n" + strings.Repeat(" ", f.indent))
		f.used, f.gap = f.indent, 0
	}
	f.text.WriteString(strings.Repeat(" ", f.gap) + word)
	f.used += f.gap + length
	f.gap = 1 + max(columns-length, 0)
}

func (f *flow) String() string { return f.text.String() }
