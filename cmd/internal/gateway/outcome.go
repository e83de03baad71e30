package gateway

import (
	"net/http"
	"net/url"
	"strconv"

	"connect-provider/messages"
)

// answeredBy reports whether an outcome is that of a call: one under its id with
// the same content. Outcomes don't tell whether a command named its organization
// once more, in org_handle. A call never does, so a mismatch is not its own.
func (c *call) answeredBy(data *messages.EventData) bool {
	if data.Error != nil && data.Error.Code == messages.OrganizationMismatch {
		return false
	}
	return data.BridgeSlug == c.command.BridgeSlug && data.PhoneNumber == c.command.PhoneNumber &&
		data.ProviderConfigID != nil && *data.ProviderConfigID == c.command.ProviderConfigID
}

// ofOutcome returns the answer that tells an outcome.
func ofOutcome(data *messages.EventData, commandID string) answer {
	if data.Error == nil {
		return answer{status: http.StatusOK, message: "Provider connected to bridge successfully.",
			data: connectedData{"Provider connected successfully", data.BridgeSlug, data.PhoneNumber}}
	}
	message := data.Error.Message
	if data.Error.Code == messages.CommandIDReused {
		message = "This Idempotency-Key was used before with other content; send the request with a new key."
	}
	return answer{status: data.Error.Code.LegacyStatus(), code: data.Error.Code, message: message,
		data: errorData{data.Error.Code, commandID}}
}

// remembered returns what the workers' memory of a call's id means for it: the
// outcome, or that the id belongs to other content. Then whatever was or will be
// published for this call fails with that too.
func (c *call) remembered(decided *messages.Decided) *messages.EventData {
	data := decided.Data
	if !c.answeredBy(&data) {
		data.Error = &messages.Failure{Code: messages.CommandIDReused}
	}
	return &data
}

// undecided is the answer at the end of the wait. The sequence at Location lets
// tell "not yet" from "never" there.
func (c *call) undecided(p published) answer {
	a := answer{status: http.StatusAccepted, code: codeUndecided, location: commandPlace(c.command.ID, p.sequence),
		message: "The command was accepted and is not decided yet. Its outcome will be at Location; the same request with command_id as its Idempotency-Key does nothing twice."}
	if p.acceptance == inDoubt {
		a.code, a.cause = codeAcceptanceUnknown, p.err
		a.message = "It is not known whether the command was accepted. Send the same request again with command_id as its Idempotency-Key; that does nothing twice."
	}
	a.data = acceptedData{a.code, c.command.ID, c.command.BridgeSlug, c.command.PhoneNumber}
	return a
}

// commandPlace is where the outcome of a command is told. The sequence is 0
// where it is not known.
func commandPlace(id string, sequence uint64) string {
	place := commandsPath + url.PathEscape(id) + "/"
	if sequence > 0 {
		place += "?sequence=" + strconv.FormatUint(sequence, 10)
	}
	return place
}
