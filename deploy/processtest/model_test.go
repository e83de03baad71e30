package processtest

import (
	"encoding/json"
	"strings"

	"connect-provider/messages"
)

// place is a stored command's: its class and stream sequence.
type place struct {
	class    messages.Class
	sequence uint64
}

// verdict is an outcome as far as the model tells it.
type verdict struct {
	code    string // "connected", "unchanged", or the failure code
	version int64
}

// content is what makes two commands the same.
type content struct {
	OrgHandle     string `json:"org_handle"`
	Bridge        string `json:"bridge_slug"`
	Configuration int64  `json:"provider_config_id"`
	Number        string `json:"phone_number"`
}

type link struct {
	bridge        string
	configuration int64
	version       int64
}

// model is the domain's rules in the plainest form, one command after another.
type model struct {
	moved       bool // the platform has moved its numbers
	verdicts    map[place]verdict
	contents    map[string]content // by organization and command id, of the first
	connections map[string]link
}

func newModel() *model {
	return &model{verdicts: map[place]verdict{}, contents: map[string]content{}, connections: map[string]link{}}
}

var providers = map[int64]string{firstTwilio: "twilio", secondTwilio: "twilio", plivo: "plivo", inactive: "telnyx"}

// take decides the next message of a stream. A repeat leaves no verdict.
func (m *model) take(at place, organization int, owner string, body []byte) {
	var c struct {
		ID string `json:"command_id"`
		content
	}
	if json.Unmarshal(body, &c) != nil {
		m.verdicts[at] = verdict{code: "malformed_command"}
		return
	}
	key := owner + " " + c.ID
	if earlier, seen := m.contents[key]; seen {
		if earlier != c.content {
			m.verdicts[at] = verdict{code: "command_id_reused"}
		}
		return
	}
	m.contents[key] = c.content
	m.verdicts[at] = m.connect(at.class, organization, c.content)
}

func (m *model) connect(class messages.Class, organization int, c content) verdict {
	which := -1
	for n := range numbers {
		if number(organization, class, n) == c.Number {
			which = n
		}
	}
	current, connected := m.connections[c.Number]
	provider := providers[c.Configuration]
	switch {
	case !strings.HasPrefix(c.Number, "+"):
		return verdict{code: "phone_number_invalid"}
	case c.OrgHandle != "":
		return verdict{code: "organization_mismatch"}
	case c.Bridge == bridge(class, bridges):
		return verdict{code: "bridge_not_found"}
	case provider == "":
		return verdict{code: "provider_config_not_found"}
	case c.Configuration == inactive:
		return verdict{code: "provider_config_inactive"}
	case which < 0 || linkedTo(which, m.moved) != c.Configuration:
		return verdict{code: "phone_number_not_linked"}
	case connected && current.bridge != c.Bridge:
		return verdict{code: "phone_number_in_use"}
	case organization%3 != 0 && m.otherProvider(class, organization, c.Bridge, c.Number, provider):
		return verdict{code: "bridge_has_other_provider"}
	case connected && current.configuration == c.Configuration:
		return verdict{"unchanged", current.version}
	}
	m.connections[c.Number] = link{c.Bridge, c.Configuration, current.version + 1}
	return verdict{"connected", current.version + 1}
}

// otherProvider tells whether another number of the bridge runs through
// another provider.
func (m *model) otherProvider(class messages.Class, organization int, slug, phone, provider string) bool {
	for n := range numbers {
		other := number(organization, class, n)
		if c, ok := m.connections[other]; ok && other != phone && c.bridge == slug && providers[c.configuration] != provider {
			return true
		}
	}
	return false
}
