package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"connect-provider/cmd/internal/program"
)

// statusView shows a document, or one after another: as JSON, as text, or as text
// that is written over on a terminal.
type statusView struct {
	to     io.Writer
	json   bool
	watch  bool
	redraw bool
	drawn  bool
}

func newStatusView(to io.Writer, asJSON, watch bool) *statusView {
	return &statusView{to: to, json: asJSON, watch: watch, redraw: watch && !asJSON && program.TerminalWidth(to) > 0}
}

func (v *statusView) show(d statusDocument) error {
	if v.json {
		return v.document(d)
	}
	text := d.text()
	switch {
	case v.redraw:
		width, height := program.TerminalSize(v.to)
		text = fitScreen(text, width, height)
	case v.drawn:
		text = "\n" + text
	}
	v.drawn = true
	_, err := io.WriteString(v.to, text)
	return err
}

// document prints JSON: indented, or of several one a line.
func (v *statusView) document(d statusDocument) error {
	encode := func(d any) ([]byte, error) { return json.MarshalIndent(d, "", "  ") }
	if v.watch {
		encode = json.Marshal
	}
	document, err := encode(d)
	if err == nil {
		_, err = fmt.Fprintf(v.to, "%s\n", document)
	}
	return err
}

// fitScreen makes a text that replaces what a terminal shows: lines that would wrap,
// or scroll away what is most important, are cut.
func fitScreen(text string, width, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if most := height - 1; height > 1 && len(lines) > most {
		lines = append(lines[:most-1:most-1], fmt.Sprintf("… and %d lines more; a taller terminal shows them", len(lines)-most+1))
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, line := range lines {
		if runes := []rune(line); len(runes) > width {
			line = string(runes[:max(width-1, 0)]) + "…"
		}
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	return b.String()
}

// sayPlainly prints words that others wrote, tenants too, without what would move a
// terminal's cursor or break a line.
func sayPlainly(w io.Writer, format string, args ...any) {
	for i, arg := range args {
		if words, ok := arg.(string); ok {
			args[i] = program.Plain(strings.Map(oneLine, words))
		}
	}
	fmt.Fprintf(w, format, args...)
}

// oneLine makes a space of what would break a line or a column.
func oneLine(r rune) rune {
	if unicode.IsSpace(r) {
		return ' '
	}
	return r
}
