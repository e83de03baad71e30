package messages

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Outcome is what was decided about a command.
type Outcome struct {
	// Failure is nil if the number is connected.
	Failure *Failure
	// Provider is the provider of the configuration, as far as it is known.
	Provider string
	// Changed is false where everything was already as asked for.
	Changed bool
	// ConnectionVersion counts the changes of the number's connection.
	ConnectionVersion int64
	ConnectedAt       time.Time
}

// EventType is an event's kind, as the last token of its subject.
type EventType string

// The events that a ConnectProvider command can have.
const (
	EventConnected     EventType = "provider-connected"
	EventConnectFailed EventType = "provider-connect-failed"
)

// CloudEventsType returns the event's type attribute, empty for a type that
// this version does not know.
func (t EventType) CloudEventsType() string {
	switch t {
	case EventConnected:
		return "telephony.provider.connected.v1"
	case EventConnectFailed:
		return "telephony.provider.connect_failed.v1"
	}
	return ""
}

// Event tells an outcome. Printing one shows the number masked and no metadata.
type Event struct {
	ID uuid.UUID
	// Lane and Organization make the subject; Lane is not part of the JSON.
	Lane         Lane
	Organization Organization
	Type         EventType
	// Subject is the CloudEvent's subject attribute: the bridge's slug.
	Subject string
	// Time is when the outcome was decided.
	Time time.Time
	// CommandID is empty where the command could not be understood.
	CommandID string
	// Sequence and Generation are the command's own place in its stream.
	Sequence   uint64
	Generation int64
	Trace      Trace
	// Corrects is the id of the event that this one takes the place of, nil
	// except after a restored database.
	Corrects *uuid.UUID
	Data     EventData
}

// EventData is an event's data member. What is not known is empty or nil.
type EventData struct {
	// CommandID is also what a command that could not be understood claims.
	CommandID string
	// OrgHandle is empty where the subject's token can be no organization.
	OrgHandle         string
	BridgeSlug        string
	ProviderConfigID  *int64
	Provider          string
	PhoneNumber       string
	Changed           bool
	ConnectionVersion int64
	ConnectedAt       time.Time
	Metadata          map[string]string
	// Error is nil if the number is connected.
	Error *Failure
}

// NewEvent returns the event that tells a command's outcome. The key is that of
// its inbox row: the command id, or the message's position key; it decides the
// event's id. Times are cut to microseconds, which is what Postgres keeps, so
// that an event made again from there is the same.
func NewEvent(r *Received, generation int64, o Outcome, key string, at time.Time) Event {
	c := &r.Command
	e := Event{
		ID:           EventID(r.Organization.Token, key),
		Lane:         r.Lane,
		Organization: r.Organization,
		Type:         EventConnected,
		Subject:      subjectAttribute(c.BridgeSlug),
		Time:         microseconds(at),
		CommandID:    c.ID,
		Sequence:     r.Sequence,
		Generation:   generation,
		Trace:        r.Trace,
		Data: EventData{
			CommandID:   c.ID,
			OrgHandle:   r.Organization.Handle,
			BridgeSlug:  c.BridgeSlug,
			Provider:    o.Provider,
			PhoneNumber: c.PhoneNumber,
			Metadata:    c.Metadata,
		},
	}
	if r.Malformed != nil {
		e.CommandID = ""
	}
	if r.Malformed == nil || c.ProviderConfigID != 0 {
		id := c.ProviderConfigID
		e.Data.ProviderConfigID = &id
	}
	if o.Failure != nil {
		e.Type, e.Data.Error = EventConnectFailed, o.Failure
		return e
	}
	e.Data.Changed, e.Data.ConnectionVersion = o.Changed, o.ConnectionVersion
	e.Data.ConnectedAt = microseconds(o.ConnectedAt)
	return e
}

func microseconds(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// subjectAttribute returns the slug if a CloudEvents string can hold it: those
// exclude control characters and noncharacters.
func subjectAttribute(slug string) string {
	for _, r := range slug {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe {
			return ""
		}
	}
	return slug
}

// Encode returns the event as a message body; see [Event.Append].
func (e *Event) Encode() ([]byte, error) { return e.Append(make([]byte, 0, 768)) }

// MessageSubject returns the subject to publish the event to.
func (e *Event) MessageSubject() string { return EventSubject(e.Lane, e.Organization, e.Type) }

// String returns the event for people, with the phone number masked.
func (e Event) String() string {
	return fmt.Sprintf("%s %s: %v", e.Type, e.ID, e.Data)
}

// Format writes what [Event.String] returns, whatever the verb.
func (e Event) Format(f fmt.State, verb rune) { formatMasked(f, verb, e.String()) }

// String returns the data for people, with the phone number masked.
func (d EventData) String() string {
	s := fmt.Sprintf("command %s, bridge %q, phone number %s", d.CommandID, d.BridgeSlug, MaskPhoneNumber(d.PhoneNumber))
	if d.Error != nil {
		s += ", " + d.Error.Error()
	}
	return s
}

// Format writes what [EventData.String] returns, whatever the verb.
func (d EventData) Format(f fmt.State, verb rune) { formatMasked(f, verb, d.String()) }
