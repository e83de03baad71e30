package messages

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// malformed is the failure of rule 1. What its message quotes of the command is
// clipped, and never the phone number.
func malformed(field, format string, args ...any) *Failure {
	return &Failure{Code: MalformedCommand, Field: field, Message: fmt.Sprintf(format, args...)}
}

func tooLarge(size int) *Failure {
	return malformed("", "the body has %d bytes, at most %d are allowed", size, MaxBody)
}

func invalidID(field string) *Failure {
	return malformed(field, "%q must be 1 to %d of the characters A-Z a-z 0-9 . _ : -", field, MaxCommandID)
}

func missing(member string) *Failure {
	return malformed(member, "%q is missing; every command needs it", member)
}

func wrongType(member, want string, got jsontext.Kind) *Failure {
	return malformed(member, "%q must be a JSON %s, but is %s", member, want, kindName(got))
}

func unknownMember(name string) *Failure {
	return malformed(clip(name), "%q is no member of a command; remove it (members of your own go into \"metadata\")", clip(name))
}

// syntaxFailure says what keeps a body from being JSON, and in which member.
func syntaxFailure(err error) *Failure {
	syntactic, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return malformed("", "the body is not one JSON object: %v", err)
	}
	member := ""
	for token := range syntactic.JSONPointer.Tokens() {
		if member = clip(token); token != "data" {
			break
		}
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return malformed(member, "%q is given twice; give it once", clip(syntactic.JSONPointer.LastToken()))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed(member, "the body is cut off: it ends inside the JSON, at byte %d", syntactic.ByteOffset)
	}
	return malformed(member, "the body is not valid JSON at byte %d: %v", syntactic.ByteOffset, syntactic.Err)
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "something else"
}

// clip shortens text from outside to what a message, a log line or an index
// can hold, and makes it printable.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		end := most
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
