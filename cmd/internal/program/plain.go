package program

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Plain returns a text that others wrote as it may be shown on a terminal: what
// is not printable (control characters and with them escape sequences, marks
// that turn the direction of writing, bytes that are no UTF-8) is spelled out as
// \uXXXX. That is how JSON spells it, so that a JSON document without line
// breaks stays the same document.
func Plain(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var plain strings.Builder
	for _, r := range text {
		switch high, low := utf16.EncodeRune(r); {
		case !unprintable(r):
			plain.WriteRune(r)
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&plain, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&plain, `\u%04x`, r)
		}
	}
	return plain.String()
}

// unprintable holds for the replacement character too: that is what a byte that
// is no UTF-8 is read as.
func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
