package messages

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// PhoneNumber is a phone number in E.164 form. Every way of printing or
// logging one (the fmt verbs, zap's Stringer and Any, JSON) shows it masked;
// only [PhoneNumber.E164] reveals it.
type PhoneNumber struct{ e164 string }

var errPhoneNumber = errors.New("a phone number is + and 2 to 15 digits, the first of them 1 to 9 (E.164), with nothing around or between them")

// ParsePhoneNumber reads a number strictly: +, a first digit 1 to 9, 2 to 15
// digits in all, ASCII, nothing trimmed. There is no numbering-plan check: the
// seed document's own +1234567890 is valid. The error does not repeat the number.
func ParsePhoneNumber(s string) (PhoneNumber, error) {
	if len(s) < 3 || len(s) > 16 || s[0] != '+' || s[1] == '0' {
		return PhoneNumber{}, errPhoneNumber
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return PhoneNumber{}, errPhoneNumber
		}
	}
	return PhoneNumber{e164: s}, nil
}

// E164 returns the number itself, for the wire and the database.
func (p PhoneNumber) E164() string { return p.e164 }

// String returns the number masked, such as +1*****7890. The shorter the
// number, the less of it is shown; below seven digits nothing is.
func (p PhoneNumber) String() string {
	first, last := 1, 0
	switch {
	case p.e164 == "":
		return ""
	case len(p.e164) > 10:
		first, last = 2, 4
	case len(p.e164) > 7:
		first, last = 2, 2
	}
	hidden := len(p.e164) - first - last
	return p.e164[:first] + strings.Repeat("*", hidden) + p.e164[len(p.e164)-last:]
}

// Format writes the masked number, whatever the verb.
func (p PhoneNumber) Format(f fmt.State, verb rune) { formatMasked(f, verb, p.String()) }

// MarshalText returns the masked number, so that encoding a structure with a
// number in it for a log does not reveal it.
func (p PhoneNumber) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// MaskPhoneNumber returns what may be logged of a phone number as it was
// given: masked as by [PhoneNumber.String] if it is one, and only its length
// otherwise.
func MaskPhoneNumber(given string) string {
	if number, err := ParsePhoneNumber(given); err == nil {
		return number.String()
	}
	return "invalid(" + strconv.Itoa(len(given)) + " bytes)"
}

// formatMasked serves the Format methods of everything that holds a phone
// number: no verb and no flag may print the fields behind the masked text.
func formatMasked(f fmt.State, verb rune, masked string) {
	if verb == 'q' {
		masked = strconv.Quote(masked)
	}
	_, _ = io.WriteString(f, masked)
}
