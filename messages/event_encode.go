package messages

import (
	"fmt"
	"strconv"
	"time"
)

// source is the CloudEvents source of every event.
const source = "/connect-provider"

// timeLayout always writes six digits, so that equal times have equal bytes.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// Append appends the event as one JSON document, a CloudEvent 1.0 in structured
// mode. The order of the members is always the same, so that equal events have
// equal bytes. It is an error if the type is not known, or if the type and
// Data.Error contradict each other.
func (e *Event) Append(b []byte) ([]byte, error) {
	kind := e.Type.CloudEventsType()
	if kind == "" {
		return b, fmt.Errorf("event %s: type %q is not known", e.ID, clip(string(e.Type)))
	}
	if (e.Type == EventConnectFailed) != (e.Data.Error != nil) {
		return b, fmt.Errorf("event %s: only an event of type %q has an error, and it needs one", e.ID, EventConnectFailed)
	}
	b = append(b, `{"specversion":"1.0","id":"`...)
	b = appendUUID(b, e.ID)
	b = append(b, `","source":"`+source+`","type":"`...)
	b = append(append(b, kind...), '"')
	b = appendMember(b, "subject", e.Subject)
	b = appendTime(b, "time", e.Time)
	b = append(b, `,"datacontenttype":"application/json"`...)
	if e.Organization.Canonical() {
		b = appendMember(b, "orghandle", e.Organization.Handle)
	} else {
		b = appendMember(b, "orghandle", e.Organization.Token)
	}
	b = appendMember(b, "commandid", e.CommandID)
	b = strconv.AppendUint(append(b, `,"sequence":"`...), e.Sequence, 10)
	b = strconv.AppendInt(append(b, `","generation":"`...), e.Generation, 10)
	b = append(b, '"')
	b = appendMember(b, "traceparent", e.Trace.Parent)
	b = appendMember(b, "tracestate", e.Trace.State)
	if e.Corrects != nil {
		b = append(appendUUID(append(b, `,"corrects":"`...), *e.Corrects), '"')
	}
	b = append(b, `,"data":`...)
	start := len(b)
	b = e.Data.appendMembers(b)
	// Something always stands there: changed, or the error.
	b[start] = '{'
	return append(b, '}', '}'), nil
}

// appendMembers writes the members with a comma before each.
func (d *EventData) appendMembers(b []byte) []byte {
	b = appendMember(b, "command_id", d.CommandID)
	b = appendMember(b, "org_handle", d.OrgHandle)
	b = appendMember(b, "bridge_slug", d.BridgeSlug)
	if d.ProviderConfigID != nil {
		b = strconv.AppendInt(append(b, `,"provider_config_id":`...), *d.ProviderConfigID, 10)
	}
	b = appendMember(b, "provider", d.Provider)
	b = appendMember(b, "phone_number", d.PhoneNumber)
	if d.Error == nil {
		b = strconv.AppendBool(append(b, `,"changed":`...), d.Changed)
		b = strconv.AppendInt(append(b, `,"connection_version":`...), d.ConnectionVersion, 10)
		b = appendTime(b, "connected_at", d.ConnectedAt)
	}
	if len(d.Metadata) > 0 {
		b = appendStrings(append(b, `,"metadata":`...), d.Metadata)
	}
	if d.Error != nil {
		b = d.Error.append(append(b, `,"error":`...))
	}
	return b
}

func (f *Failure) append(b []byte) []byte {
	b = appendString(append(b, `{"code":`...), string(f.Code))
	b = appendMember(b, "field", f.Field)
	b = appendString(append(b, `,"message":`...), f.Message)
	b = strconv.AppendInt(append(b, `,"status_code":`...), int64(f.Code.LegacyStatus()), 10)
	if len(f.Details) > 0 {
		b = appendStrings(append(b, `,"details":`...), f.Details)
	}
	return append(b, '}')
}

// appendMember writes a string member after others, or nothing for an empty one.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendString(b, value)
}

func appendTime(b []byte, name string, t time.Time) []byte {
	b = append(append(append(b, `,"`...), name...), `":"`...)
	return append(t.UTC().AppendFormat(b, timeLayout), '"')
}

func appendUUID(b []byte, id [16]byte) []byte {
	const digits = "0123456789abcdef"
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}
