package status

import (
	"regexp"

	"connect-provider/messages"
)

// Numbers says how phone numbers are shown.
type Numbers struct {
	// Reveal shows all of them in full.
	Reveal bool
	// Known is one that the reader has typed, and so knows.
	Known string
}

func (n Numbers) show(number string) string {
	if n.Reveal || number == n.Known {
		return number
	}
	return messages.MaskPhoneNumber(number)
}

func (n Numbers) showPointer(number *string) *string {
	if number == nil {
		return nil
	}
	shown := n.show(*number)
	return &shown
}

// inText finds what may be a phone number in words that others wrote, such as
// an error of the database.
var inText = regexp.MustCompile(`\+[1-9][0-9]{5,14}\b`)

// text shows words that others wrote.
func (n Numbers) text(words string) string { return inText.ReplaceAllStringFunc(words, n.show) }
