package messages

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// VerbConnectProvider is the last token of the subject of a ConnectProvider command.
const VerbConnectProvider = "connect-provider"

// What a command may measure.
const (
	MaxBody            = 8 << 10  // bytes of a message's body
	MaxMessage         = 16 << 10 // bytes of a message with its headers, enforced by the stream
	MaxCommandID       = 128
	MaxMetadataMembers = 16
	MaxMetadataBytes   = 1 << 10 // names and values together
)

// Command asks to connect a phone number to a bridge through a provider
// configuration. Printing one shows the number masked and no metadata.
type Command struct {
	// ID makes the command idempotent within its organization: 1 to 128 of
	// [A-Za-z0-9._:-]. A producer may leave it empty.
	ID string
	// OrgHandle, where given, must be the subject's organization.
	OrgHandle        *string
	BridgeSlug       string
	ProviderConfigID int64
	// PhoneNumber is the number as given. Whether it is E.164 is decided later
	// than whether the message can be understood; see [ParsePhoneNumber].
	PhoneNumber string
	// Metadata is not read, only echoed in the outcome.
	Metadata map[string]string
}

// Validate tells a producer what can be wrong with a command before it is
// published: everything that Decode would refuse, and a phone number that is
// not E.164. It returns nil if nothing is.
func (c Command) Validate() *Failure {
	if _, failure := c.encode(); failure != nil {
		return failure
	}
	if _, err := ParsePhoneNumber(c.PhoneNumber); err != nil {
		return &Failure{Code: PhoneNumberInvalid, Field: "phone_number", Message: err.Error()}
	}
	return nil
}

// EncodeCommand returns the message body that says c, for a producer to
// publish to a [CommandSubject]. It refuses, with a *[Failure], what Decode
// would refuse; a phone number that is not E.164 is not among that, see
// [Command.Validate].
func EncodeCommand(c Command) ([]byte, error) {
	body, failure := c.encode()
	if failure != nil {
		return nil, failure
	}
	return body, nil
}

func (c Command) encode() ([]byte, *Failure) {
	if c.ID != "" && !validCommandID(c.ID) {
		return nil, invalidID("command_id")
	}
	texts := []struct{ member, value string }{
		{"org_handle", ""}, {"bridge_slug", c.BridgeSlug}, {"phone_number", c.PhoneNumber},
	}
	if c.OrgHandle != nil {
		texts[0].value = *c.OrgHandle
	}
	for _, text := range texts {
		if !utf8.ValidString(text.value) {
			return nil, malformed(text.member, "%q is not valid UTF-8", text.member)
		}
		if failure := checkText(text.member, text.value); failure != nil {
			return nil, failure
		}
	}
	if failure := checkMetadata(c.Metadata); failure != nil {
		return nil, failure
	}
	body := c.append(nil)
	if len(body) > MaxBody {
		return nil, tooLarge(len(body))
	}
	return body, nil
}

func (c Command) append(b []byte) []byte {
	b = append(b, '{')
	if c.ID != "" {
		b = append(appendString(append(b, `"command_id":`...), c.ID), ',')
	}
	if c.OrgHandle != nil {
		b = append(appendString(append(b, `"org_handle":`...), *c.OrgHandle), ',')
	}
	b = appendString(append(b, `"bridge_slug":`...), c.BridgeSlug)
	b = strconv.AppendInt(append(b, `,"provider_config_id":`...), c.ProviderConfigID, 10)
	b = appendString(append(b, `,"phone_number":`...), c.PhoneNumber)
	if len(c.Metadata) > 0 {
		b = appendStrings(append(b, `,"metadata":`...), c.Metadata)
	}
	return append(b, '}')
}

// appendString never fails: what is not UTF-8 is written as U+FFFD.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// appendStrings writes an object with its names sorted, so that equal maps
// have equal bytes.
func appendStrings(b []byte, members map[string]string) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		b = appendString(b, members[name])
	}
	return append(b, '}')
}

// validCommandID reports whether id is 1 to 128 of [A-Za-z0-9._:-].
func validCommandID(id string) bool {
	if id == "" || len(id) > MaxCommandID {
		return false
	}
	for i := range len(id) {
		if c := id[i]; !tokenByte(c) && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

// checkText refuses what is no name of anything, and the one character that
// Postgres cannot hold.
func checkText(member, value string) *Failure {
	if member == "bridge_slug" && value == "" {
		return malformed(member, "%q is empty; give the slug of the bridge", member)
	}
	if strings.IndexByte(value, 0) >= 0 {
		return malformed(member, "%q contains the character U+0000; remove it", member)
	}
	return nil
}

func checkMetadata(metadata map[string]string) *Failure {
	if len(metadata) > MaxMetadataMembers {
		return malformed("metadata", `"metadata" has %d members, at most %d are allowed`, len(metadata), MaxMetadataMembers)
	}
	size := 0
	for name, value := range metadata {
		size += len(name) + len(value)
		if strings.IndexByte(name, 0) >= 0 || strings.IndexByte(value, 0) >= 0 {
			return malformed("metadata", `"metadata" contains the character U+0000; remove it`)
		}
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return malformed("metadata", `"metadata" is not valid UTF-8`)
		}
	}
	if size > MaxMetadataBytes {
		return malformed("metadata", `"metadata" has %d bytes of names and values, at most %d are allowed`, size, MaxMetadataBytes)
	}
	return nil
}

// String returns the command for people, with the phone number masked.
func (c Command) String() string {
	return fmt.Sprintf("command %s: bridge %q, provider configuration %d, phone number %s",
		c.ID, c.BridgeSlug, c.ProviderConfigID, MaskPhoneNumber(c.PhoneNumber))
}

// Format writes what [Command.String] returns, whatever the verb.
func (c Command) Format(f fmt.State, verb rune) { formatMasked(f, verb, c.String()) }
