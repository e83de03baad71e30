package program

import (
	"io"
	"os"

	"golang.org/x/term"
)

// TerminalWidth returns how many columns a person sees of what is written, 0 if
// no terminal shows it.
func TerminalWidth(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// IsTerminal tells whether a person types into a file.
func IsTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }
