package judge

import (
	"connect-provider/deploy/chaos/load"
)

// model is the domain once more, as plain as it can be said: one command after
// another, no batches, no SQL, nothing shared with the code that it judges.
type model struct {
	platform *load.Platform
	seen     map[string]load.Content // by organization and command id
	numbers  map[string]*modelled
	bridges  map[string]map[string]bool // numbers by organization's handle and bridge
}

type modelled struct {
	handle, bridge string
	configuration  int64
	provider       string
	version        int64
}

// verdict is an outcome as far as the model tells it.
type verdict struct {
	code    string // "connected", "unchanged", "repeat", or the failure code
	version int64
}

func newModel(p *load.Platform) *model {
	return &model{platform: p, seen: map[string]load.Content{}, numbers: map[string]*modelled{}, bridges: map[string]map[string]bool{}}
}

// decide decides the next message.
func (m *model) decide(intent load.Intent) verdict {
	if intent.Malformed {
		return verdict{code: "malformed_command"}
	}
	if intent.ID != "" {
		key := intent.Token + " " + intent.ID
		if before, ok := m.seen[key]; ok {
			if before == intent.Content {
				return verdict{code: "repeat"}
			}
			return verdict{code: "command_id_reused"}
		}
		m.seen[key] = intent.Content
	}
	return m.connect(intent)
}

// repeats tells whether a command says the same as the one that has its id. That
// of a command without an id is its own.
func (m *model) repeats(intent *load.Intent) bool {
	return intent != nil && intent.ID != "" && m.seen[intent.Token+" "+intent.ID] == intent.Content
}

func (m *model) connect(c load.Intent) verdict {
	if c.Phone[0] != '+' {
		return verdict{code: "phone_number_invalid"}
	}
	handle := ""
	for _, known := range m.platform.Handles {
		if load.Token(known) == c.Token {
			handle = known
		}
	}
	if handle == "" {
		return verdict{code: "organization_unknown"}
	}
	if c.OrgHandle != "" && c.OrgHandle != handle {
		return verdict{code: "organization_mismatch"}
	}
	o := m.platform.Organizations[handle]
	if !o.Bridges[c.Bridge] {
		return verdict{code: "bridge_not_found"}
	}
	configuration, ok := o.Configurations[c.Configuration]
	if !ok {
		return verdict{code: "provider_config_not_found"}
	}
	if !configuration.Active {
		return verdict{code: "provider_config_inactive"}
	}
	n, ok := m.platform.Numbers[c.Phone]
	if !ok || n.Handle != handle || n.Configuration != c.Configuration || !n.Active {
		return verdict{code: "phone_number_not_linked"}
	}
	now := m.numbers[c.Phone]
	if now != nil && (now.handle != handle || now.bridge != c.Bridge) {
		return verdict{code: "phone_number_in_use"}
	}
	bridge := handle + " " + c.Bridge
	if o.OneProviderPerBridge {
		for other := range m.bridges[bridge] {
			if other != c.Phone && m.numbers[other].provider != configuration.Provider {
				return verdict{code: "bridge_has_other_provider"}
			}
		}
	}
	if now != nil && now.configuration == c.Configuration {
		return verdict{"unchanged", now.version}
	}
	if n.Broken {
		return verdict{code: "internal_error"}
	}
	if now == nil {
		now = &modelled{handle: handle, bridge: c.Bridge}
		m.numbers[c.Phone] = now
		if m.bridges[bridge] == nil {
			m.bridges[bridge] = map[string]bool{}
		}
		m.bridges[bridge][c.Phone] = true
	}
	now.configuration, now.provider = c.Configuration, configuration.Provider
	now.version++
	return verdict{"connected", now.version}
}
