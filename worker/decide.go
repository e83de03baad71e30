package worker

import (
	"fmt"
	"time"

	"connect-provider/messages"
)

// decision is what became of one message.
type decision struct {
	received *messages.Received
	// key is the message's in the inbox: its command id, or its position.
	key string
	// repeat says that the message was decided before: nothing is written or
	// published for it.
	repeat  bool
	outcome messages.Outcome
	// cause is why a message was poisoned, for whoever reads its dead letter.
	cause string
}

// reason says why the message failed, to operators.
func (d *decision) reason() string {
	if d.cause != "" {
		return d.cause
	}
	return d.outcome.Failure.Message
}

// decide says what becomes of each message of a batch, in stream order, and
// moves the state along, so that later messages see the effects of earlier
// ones. It is the specification of the domain: a pure function of its
// arguments. poisoned marks messages that broke their batch when they stood
// alone. at is the time that new connections carry.
//
// The rules and their order are the decision table of the README; the first
// that fails gives the outcome.
func decide(state *state, batch []*messages.Received, poisoned map[uint64]string, at time.Time) []decision {
	decisions := make([]decision, len(batch))
	for i, received := range batch {
		decisions[i] = state.decideOne(received, poisoned, at)
	}
	return decisions
}

func (s *state) decideOne(received *messages.Received, poisoned map[uint64]string, at time.Time) decision {
	d := decision{received: received, key: received.Key()}
	token := received.Organization.Token

	// 2, first half: what was decided stands, also the second time it is read.
	if s.decided(token, received.PositionKey()) {
		d.repeat = true
		return d
	}
	digest := received.Digest()
	earlier, reused := s.earlier(token, d.key)
	if reused && earlier == digest && received.Malformed == nil {
		d.repeat = true
		return d
	}
	if reused {
		d.key = received.PositionKey()
	}
	cause, broken := poisoned[received.Sequence]
	switch {
	case broken:
		d.cause = cause
		d.outcome = failed(messages.InternalError, "", "The command could not be processed; its bytes are kept for the operator.")
	case received.Malformed != nil: // 1
		d.outcome = messages.Outcome{Failure: received.Malformed}
	case reused: // 2
		d.outcome = failed(messages.CommandIDReused, "command_id",
			"This command_id was used before with other content; send the command with a new id.")
	default:
		d.outcome = s.connect(received, at)
	}
	s.remember(token, d.key, digest)
	return d
}

// connect applies one well-formed, new ConnectProvider command.
func (s *state) connect(received *messages.Received, at time.Time) messages.Outcome {
	command := &received.Command
	handle := received.Organization.Handle

	phone, err := messages.ParsePhoneNumber(command.PhoneNumber) // 3
	if err != nil {
		return failed(messages.PhoneNumberInvalid, "phone_number",
			"The phone number is not E.164: a plus sign, a digit from 1 to 9, then 1 to 14 more digits, nothing else.")
	}
	organization, ok := s.organizations[handle] // 4
	if !ok || !received.Organization.Canonical() {
		return failed(messages.OrganizationUnknown, "", "The organization in the subject does not exist.")
	}
	if command.OrgHandle != nil && *command.OrgHandle != handle { // 4a
		return failed(messages.OrganizationMismatch, "org_handle",
			"org_handle is not the organization of the subject that the command was published to.")
	}
	bridge, ok := s.bridges[bridgeKey{handle, command.BridgeSlug}] // 5
	if !ok {
		return failed(messages.BridgeNotFound, "bridge_slug", "The organization has no bridge with this slug.")
	}
	configuration, ok := s.configurations[configurationKey{handle, command.ProviderConfigID}] // 6
	if !ok {
		return failed(messages.ProviderConfigNotFound, "provider_config_id",
			"The organization has no provider configuration with this id.")
	}
	refuse := func(code messages.Code, field, message string) messages.Outcome {
		outcome := failed(code, field, message)
		outcome.Provider = configuration.provider
		return outcome
	}
	if !configuration.active { // 6a
		return refuse(messages.ProviderConfigInactive, "provider_config_id", "The provider configuration is not active.")
	}
	number, ok := s.numbers[phone.E164()] // 7
	if !ok || number.organization != handle || number.configuration != command.ProviderConfigID || !number.active {
		return refuse(messages.PhoneNumberNotLinked, "phone_number",
			"The phone number is not linked to this provider configuration, or not active.")
	}
	current := s.connections[phone.E164()]
	if current != nil && (current.organization != handle || current.bridge != command.BridgeSlug) { // 8
		outcome := refuse(messages.PhoneNumberInUse, "phone_number",
			"The phone number is on another bridge; disconnect it there first.")
		if current.organization == handle {
			outcome.Failure.Details = map[string]string{"current_bridge_slug": current.bridge}
		}
		return outcome
	}
	if organization.oneProviderPerBridge { // 9
		if other, taken := bridge.otherProvider(configuration.provider, current); taken {
			outcome := refuse(messages.BridgeHasOtherProvider, "provider_config_id", fmt.Sprintf(
				"The bridge's numbers run through provider %q; a bridge has one provider unless the organization allows several.", other))
			outcome.Failure.Details = map[string]string{"current_provider": other}
			return outcome
		}
	}

	if current != nil && current.configuration == command.ProviderConfigID && current.provider == configuration.provider {
		return messages.Outcome{Provider: current.provider, ConnectionVersion: current.version, ConnectedAt: current.connectedAt}
	}
	if current == nil {
		current = &connection{organization: handle, bridge: command.BridgeSlug, created: true}
		s.connections[phone.E164()] = current
	} else {
		bridge.numbers[current.provider]--
	}
	current.configuration, current.provider = command.ProviderConfigID, configuration.provider
	current.version, current.connectedAt, current.dirty = current.version+1, at, true
	bridge.numbers[current.provider]++
	return messages.Outcome{Provider: current.provider, Changed: true, ConnectionVersion: current.version, ConnectedAt: at}
}

func failed(code messages.Code, field, message string) messages.Outcome {
	return messages.Outcome{Failure: &messages.Failure{Code: code, Field: field, Message: message}}
}
