package worker

import "fmt"

// model is the domain once more, as plain as it can be said: one command at a
// time, no batches, no SQL, nothing shared with decide.go. It knows the world
// that system.organization makes: bridges b0 to b9, configurations 1 and 2 of
// twilio, 3 and 4 of plivo, 5 of telnyx and inactive.
type model struct {
	linked  map[string]int64            // number to configuration
	seen    map[string]modelCommand     // by organization and command id
	numbers map[string]*modelConnection // by number
}

type modelCommand struct {
	org, id, bridge string
	configuration   int64
	phone           string
}

type modelConnection struct {
	org, bridge   string
	configuration int64
	version       int64
}

func newModel() *model {
	return &model{linked: map[string]int64{}, seen: map[string]modelCommand{}, numbers: map[string]*modelConnection{}}
}

func modelProvider(configuration int64) string {
	return map[int64]string{1: "twilio", 2: "twilio", 3: "plivo", 4: "plivo", 5: "telnyx"}[configuration]
}

// connect returns the outcome: "connected N" with the version, "unchanged N",
// a failure code, or "" for a repeat.
func (m *model) connect(c modelCommand) string {
	if before, ok := m.seen[c.org+" "+c.id]; ok {
		if before == c {
			return ""
		}
		return "command_id_reused"
	}
	m.seen[c.org+" "+c.id] = c
	if len(c.bridge) != 2 || c.bridge[0] != 'b' {
		return "bridge_not_found"
	}
	if modelProvider(c.configuration) == "" {
		return "provider_config_not_found"
	}
	if c.configuration == 5 {
		return "provider_config_inactive"
	}
	if configuration, ok := m.linked[c.org+c.phone]; !ok || configuration != c.configuration {
		return "phone_number_not_linked"
	}
	now := m.numbers[c.phone]
	if now != nil && now.bridge != c.bridge {
		return "phone_number_in_use"
	}
	for phone, other := range m.numbers {
		if phone != c.phone && other.org == c.org && other.bridge == c.bridge && modelProvider(other.configuration) != modelProvider(c.configuration) {
			return "bridge_has_other_provider"
		}
	}
	if now == nil {
		m.numbers[c.phone] = &modelConnection{c.org, c.bridge, c.configuration, 1}
		return "connected 1"
	}
	if now.configuration == c.configuration {
		return fmt.Sprintf("unchanged %d", now.version)
	}
	now.configuration = c.configuration
	now.version++
	return fmt.Sprintf("connected %d", now.version)
}
