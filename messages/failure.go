package messages

import "slices"

// Code says why a command failed. Codes are stable and for programs; the
// message beside them is for people.
type Code string

// The codes, in the order in which the rules are checked.
const (
	MalformedCommand       Code = "malformed_command"
	CommandIDReused        Code = "command_id_reused"
	PhoneNumberInvalid     Code = "phone_number_invalid"
	OrganizationUnknown    Code = "organization_unknown"
	OrganizationMismatch   Code = "organization_mismatch"
	BridgeNotFound         Code = "bridge_not_found"
	ProviderConfigNotFound Code = "provider_config_not_found"
	ProviderConfigInactive Code = "provider_config_inactive"
	PhoneNumberNotLinked   Code = "phone_number_not_linked"
	PhoneNumberInUse       Code = "phone_number_in_use"
	BridgeHasOtherProvider Code = "bridge_has_other_provider"
	InternalError          Code = "internal_error"
)

var codes = []Code{
	MalformedCommand, CommandIDReused, PhoneNumberInvalid, OrganizationUnknown, OrganizationMismatch,
	BridgeNotFound, ProviderConfigNotFound, ProviderConfigInactive, PhoneNumberNotLinked,
	PhoneNumberInUse, BridgeHasOtherProvider, InternalError,
}

// Codes returns every code, in the order in which the rules are checked.
func Codes() []Code { return slices.Clone(codes) }

// LegacyStatus returns the HTTP status with which the REST endpoint of the
// seed document answers the same failure. For a code that this version does
// not know it is 500.
func (c Code) LegacyStatus() int {
	switch c {
	case OrganizationUnknown, OrganizationMismatch:
		return 403
	case BridgeNotFound:
		return 404
	case InternalError:
		return 500
	}
	if slices.Contains(codes, c) {
		return 400
	}
	return 500
}

// Failure is the reason for which a command failed.
type Failure struct {
	Code Code
	// Field is the member (or header) at fault, empty where there is no single one.
	Field string
	// Message tells people what is wrong and what to do about it. It never
	// contains a phone number.
	Message string
	// Details are for programs, and never tell anything of another organization.
	Details map[string]string
}

// Error returns the code and the message.
func (f *Failure) Error() string { return string(f.Code) + ": " + f.Message }
