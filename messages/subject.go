package messages

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	eventPrefix    = "telephony.events."
	outcomesPrefix = "telephony.outcomes."
	previewsPrefix = "telephony.previews."
)

// OutcomesFilter selects every organization's questions for outcomes; see
// [OutcomesSubject].
const OutcomesFilter = outcomesPrefix + "*"

// PreviewsFilter selects every organization's questions for previews; see
// [PreviewsSubject].
const PreviewsFilter = previewsPrefix + "*"

// CommandSubject returns the subject to publish a command to. The stream adds
// the lane; see [StoredSubject].
func CommandSubject(c Class, o Organization, verb string) string {
	return c.prefix() + o.Token + "." + verb
}

// StoredSubject is what the subject says under which a stream holds a command:
// telephony.commands.<n>.<org>.<verb>, or telephony.bulk.<n>.<org>.<verb>.
type StoredSubject struct {
	Lane         Lane
	Organization Organization
	// Verb is the last token as it stands there, known or not.
	Verb string
}

// ParseStoredSubject reads a command's subject as the stream holds it. An
// error means that the message was not stored through the stream's transform.
func ParseStoredSubject(subject string) (StoredSubject, error) {
	for _, class := range Classes() {
		rest, ok := strings.CutPrefix(subject, class.prefix())
		if !ok {
			continue
		}
		tokens := strings.Split(rest, ".")
		if len(tokens) != 3 || tokens[1] == "" || tokens[2] == "" {
			break
		}
		number, err := parseLaneNumber(tokens[0])
		if err != nil {
			return StoredSubject{}, fmt.Errorf("command subject %q: %w", clip(subject), err)
		}
		return StoredSubject{
			Lane:         Lane{Class: class, Number: number},
			Organization: OrganizationFromToken(tokens[1]),
			Verb:         tokens[2],
		}, nil
	}
	return StoredSubject{}, fmt.Errorf("command subject %q: want %s<lane>.<organization>.<verb> or %s<lane>.<organization>.<verb>",
		clip(subject), Interactive.prefix(), Bulk.prefix())
}

// EventSubject returns the subject of an organization's events of one type in
// a lane.
func EventSubject(l Lane, o Organization, t EventType) string {
	subject := make([]byte, 0, 64)
	subject = append(subject, eventPrefix...)
	subject = append(subject, byte(l.Class))
	subject = strconv.AppendInt(subject, int64(l.Number), 10)
	subject = append(subject, '.')
	subject = append(subject, o.Token...)
	subject = append(subject, '.')
	return string(append(subject, t...))
}

// ParseEventSubject reads an event's subject. The type is the last token as it
// stands there, so that a consumer may meet types that it does not know.
func ParseEventSubject(subject string) (Lane, Organization, EventType, error) {
	rest, ok := strings.CutPrefix(subject, eventPrefix)
	tokens := strings.Split(rest, ".")
	if !ok || len(tokens) != 3 || tokens[1] == "" || tokens[2] == "" {
		return Lane{}, Organization{}, "", fmt.Errorf("event subject %q: want %s<lane>.<organization>.<type>", clip(subject), eventPrefix)
	}
	lane, err := ParseLane(tokens[0])
	if err != nil {
		return Lane{}, Organization{}, "", fmt.Errorf("event subject %q: %w", clip(subject), err)
	}
	return lane, OrganizationFromKey(tokens[1]), EventType(tokens[2]), nil
}

// OutcomesSubject returns the subject to ask for the outcomes of an
// organization's commands; see [AskOutcomes].
func OutcomesSubject(o Organization) string { return outcomesPrefix + o.Token }

// ParseOutcomesSubject reads the subject of a question for outcomes. The token
// is the organization's as it stands there, which is what [Partition] goes by.
func ParseOutcomesSubject(subject string) (o Organization, token string, err error) {
	return parseQuestion(subject, outcomesPrefix)
}

// PreviewsSubject returns the subject to ask what would come of an organization's
// commands; see [AskPreviews].
func PreviewsSubject(o Organization) string { return previewsPrefix + o.Token }

// ParsePreviewsSubject reads the subject of a question for previews, as
// [ParseOutcomesSubject] does.
func ParsePreviewsSubject(subject string) (o Organization, token string, err error) {
	return parseQuestion(subject, previewsPrefix)
}

func parseQuestion(subject, prefix string) (o Organization, token string, err error) {
	token, ok := strings.CutPrefix(subject, prefix)
	if !ok || token == "" || strings.Contains(token, ".") {
		return Organization{}, "", fmt.Errorf("subject %q: want %s<organization>", clip(subject), prefix)
	}
	return OrganizationFromToken(token), token, nil
}
