package program

import (
	"io"
	"os"

	"golang.org/x/term"
)

// TerminalWidth returns how many columns a person sees of what is written, 0 if
// no terminal shows it.
func TerminalWidth(w io.Writer) int {
	width, _ := TerminalSize(w)
	return width
}

// TerminalSize returns how many columns and rows a person sees of what is
// written, 0 and 0 if no terminal shows it.
func TerminalSize(w io.Writer) (columns, rows int) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(file.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// IsTerminal tells whether a person types into a file.
func IsTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }
