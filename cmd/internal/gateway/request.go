package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"connect-provider/messages"
)

// call is a request that has become a command.
type call struct {
	organization messages.Organization
	command      messages.Command
	body         []byte // of the command
	// keyed says that the caller has chosen the id, and so may have used it before.
	keyed bool
}

// readCall makes a command of a request. What the document does not name in the
// body is ignored, as the platform does. The answer is nil if all is well.
func readCall(r *http.Request, content []byte, organization messages.Organization) (*call, *answer) {
	c := &call{organization: organization, command: messages.Command{BridgeSlug: r.PathValue("slug")}}
	if values := r.Header.Values("Idempotency-Key"); len(values) > 0 {
		c.keyed = true
		if c.command.ID = unquoted(values[0]); len(values) > 1 || !validKey(c.command.ID) {
			a := refused(http.StatusBadRequest, codeKeyInvalid, fmt.Sprintf(
				"Idempotency-Key must be given once, with 1 to %d of the characters A-Z a-z 0-9 . _ : -; choose a new one for each command.", messages.MaxCommandID))
			return nil, &a
		}
	} else {
		c.command.ID = uuid.NewString()
	}
	if problem := c.readBody(content); problem != "" {
		a := refused(http.StatusBadRequest, messages.MalformedCommand, problem)
		return nil, &a
	}
	var err error
	if c.body, err = messages.EncodeCommand(c.command); err != nil {
		var failure *messages.Failure
		message := err.Error()
		if errors.As(err, &failure) {
			message = sentence(failure.Message)
		}
		a := refused(http.StatusBadRequest, messages.MalformedCommand, message)
		return nil, &a
	}
	return c, nil
}

// unquoted is a key without the quotes in which the IETF's draft has it.
func unquoted(key string) string {
	if len(key) >= 2 && key[0] == '"' && key[len(key)-1] == '"' {
		return key[1 : len(key)-1]
	}
	return key
}

func validKey(key string) bool {
	return key != "" && len(key) <= messages.MaxCommandID && strings.Trim(key, keyCharacters) == ""
}

const keyCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

// readBody reads the two members, and says what is wrong with them in a sentence
// that does not repeat them.
func (c *call) readBody(content []byte) (problem string) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(content, &members); err != nil || members == nil {
		return `The body must be one JSON object in UTF-8 whose members have different names, such as {"provider_config_id": 42, "phone_number": "+1234567890"}.`
	}
	for _, member := range []struct {
		name, kind string
		into       any
		fits       func(jsontext.Kind) bool
	}{
		{"provider_config_id", "an integer", &c.command.ProviderConfigID, func(k jsontext.Kind) bool { return k == '0' }},
		{"phone_number", "a string", &c.command.PhoneNumber, func(k jsontext.Kind) bool { return k == '"' }},
	} {
		value, given := members[member.name]
		if !given {
			return fmt.Sprintf("%s is missing from the body; give %s.", member.name, member.kind)
		}
		if !member.fits(value.Kind()) || json.Unmarshal(value, member.into) != nil {
			return fmt.Sprintf("%s must be %s.", member.name, member.kind)
		}
	}
	return ""
}

// sentence makes one of a failure's message.
func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
