package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

// Dead letters hold what clients have sent, in any form. Shown without --reveal,
// a phone number must not be readable in them; that more is masked than needed,
// now and then a date, is the lesser harm.

var (
	e164Text = regexp.MustCompile(`\+[1-9][0-9]{6,14}`)
	// numberLike is a run of digits as people and machines write phone numbers,
	// in UTF-16 too.
	numberLike = regexp.MustCompile(`[0-9](?:[ ().\-/\x00\x{a0}]*[0-9]){6,}`)
	phoneName  = regexp.MustCompile(`(?i)phone|msisdn|mobile|e164|tel`)
)

// maskText masks phone numbers in a text, and what a terminal would obey.
func maskText(text string) string {
	text = e164Text.ReplaceAllStringFunc(text, messages.MaskPhoneNumber)
	return printable(numberLike.ReplaceAllStringFunc(text, maskDigits))
}

// maskDigits hides all digits but the last two.
func maskDigits(number string) string {
	hidden, left := []byte(number), 2
	for i := len(hidden) - 1; i >= 0; i-- {
		if hidden[i] < '0' || hidden[i] > '9' {
			continue
		}
		if left--; left < 0 {
			hidden[i] = '*'
		}
	}
	return string(hidden)
}

// printable returns the lines of a text as they may be shown (program.Plain).
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = program.Plain(strings.ReplaceAll(line, "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// line makes one printable line of a text.
func line(text string) string {
	return program.Plain(strings.Join(strings.Fields(text), " "))
}

// shownBody returns a body for people: JSON with an indent, other text as it
// is, anything else as a hex dump. Without reveal, phone numbers are masked.
func shownBody(body []byte, reveal bool) string {
	if pretty, ok := shownJSON(body, reveal); ok {
		return printable(pretty)
	}
	if isText(body) {
		if reveal {
			return printable(string(body))
		}
		return maskText(string(body))
	}
	if !reveal {
		// a mask is no longer than what it hides
		body = numberLike.ReplaceAllFunc(body, func(number []byte) []byte { return []byte(maskDigits(string(number))) })
	}
	return strings.TrimSuffix(hex.Dump(body), "\n")
}

func isText(body []byte) bool {
	return utf8.Valid(body) && !bytes.ContainsFunc(body, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' })
}

// shownJSON returns a JSON text with an indent; ok is false for what is none.
func shownJSON(body []byte, reveal bool) (text string, ok bool) {
	var out bytes.Buffer
	options := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.WithIndent("  ")}
	from, to := jsontext.NewDecoder(bytes.NewReader(body), options...), jsontext.NewEncoder(&out, options...)
	name := ""
	for begun := false; !begun || from.StackDepth() > 0; begun = true {
		token, err := from.ReadToken()
		if err != nil {
			return "", false
		}
		kind := token.Kind()
		switch in, count := from.StackIndex(from.StackDepth()); {
		case kind == '"' && in == '{' && count%2 == 1:
			name = token.String()
		case !reveal && (kind == '"' || kind == '0'):
			if plain := token.String(); maskedValue(name, kind, plain) != plain {
				token = jsontext.String(maskedValue(name, kind, plain))
			}
		}
		if err := to.WriteToken(token); err != nil {
			return "", false
		}
	}
	return strings.TrimSuffix(out.String(), "\n"), len(bytes.TrimSpace(body[from.InputOffset():])) == 0
}

// maskedValue masks a string or number of JSON by what its member is called and
// what it looks like.
func maskedValue(name string, kind jsontext.Kind, value string) string {
	switch {
	case phoneName.MatchString(name):
		if _, err := messages.ParsePhoneNumber(value); err == nil {
			return messages.MaskPhoneNumber(value)
		}
		return maskDigits(value)
	case kind == '0' && strings.HasSuffix(name, "id"):
		return value
	case name == "data_base64":
		return fmt.Sprintf("(%d characters of base64 that may hold a phone number)", len(value))
	}
	value = e164Text.ReplaceAllStringFunc(value, messages.MaskPhoneNumber)
	return numberLike.ReplaceAllStringFunc(value, maskDigits)
}
