package messages

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// ErrUnknownEventType is what [DecodeEvent] returns for an event that tells
// something this version knows nothing of, such as the outcome of a verb that
// was added later. Consumers pass over such events.
var ErrUnknownEventType = errors.New("unknown event type")

// wireEvent is an event's JSON, as far as this version reads it.
type wireEvent struct {
	SpecVersion string     `json:"specversion"`
	ID          uuid.UUID  `json:"id"`
	Type        string     `json:"type"`
	Subject     string     `json:"subject"`
	Time        time.Time  `json:"time"`
	OrgHandle   string     `json:"orghandle"`
	CommandID   string     `json:"commandid"`
	Sequence    string     `json:"sequence"`
	Generation  string     `json:"generation"`
	TraceParent string     `json:"traceparent"`
	TraceState  string     `json:"tracestate"`
	Corrects    *uuid.UUID `json:"corrects"`
	Data        wireData   `json:"data"`
}

// wireData is an outcome's JSON, in an event's data and in answers to who asks.
type wireData struct {
	CommandID         string            `json:"command_id"`
	OrgHandle         string            `json:"org_handle"`
	BridgeSlug        string            `json:"bridge_slug"`
	ProviderConfigID  *int64            `json:"provider_config_id"`
	Provider          string            `json:"provider"`
	PhoneNumber       string            `json:"phone_number"`
	Changed           bool              `json:"changed"`
	ConnectionVersion int64             `json:"connection_version"`
	ConnectedAt       time.Time         `json:"connected_at"`
	Metadata          map[string]string `json:"metadata"`
	Error             *struct {
		Code    Code              `json:"code"`
		Field   string            `json:"field"`
		Message string            `json:"message"`
		Details map[string]string `json:"details"`
	} `json:"error"`
}

// DecodeEvent reads an event's body. Members that it does not know are passed
// over, as every consumer should do. The lane stands only in the message's
// subject; see [ParseEventSubject].
func DecodeEvent(body []byte) (Event, error) {
	var w wireEvent
	if err := json.Unmarshal(body, &w); err != nil {
		return Event{}, fmt.Errorf("event: %w", err)
	}
	if w.SpecVersion != "1.0" {
		return Event{}, fmt.Errorf("event: specversion %q: only CloudEvents 1.0 is understood", clip(w.SpecVersion))
	}
	e := Event{
		ID: w.ID, Subject: w.Subject, Time: w.Time, CommandID: w.CommandID,
		Organization: OrganizationFromKey(w.OrgHandle),
		Trace:        Trace{Parent: w.TraceParent, State: w.TraceState},
		Corrects:     w.Corrects,
		Data:         w.Data.eventData(),
	}
	// orghandle holds the handle of an organization, or a token that can be
	// none; only in the first case does the data repeat it.
	if w.Data.OrgHandle != "" {
		organization, err := OrganizationFromHandle(w.Data.OrgHandle)
		if err != nil {
			return Event{}, fmt.Errorf("event %s: %w", e.ID, err)
		}
		e.Organization = organization
	}
	for _, t := range []EventType{EventConnected, EventConnectFailed} {
		if t.CloudEventsType() == w.Type {
			e.Type = t
		}
	}
	if e.Type == "" {
		return Event{}, fmt.Errorf("event %s: %w %q", e.ID, ErrUnknownEventType, clip(w.Type))
	}
	if (e.Type == EventConnectFailed) != (e.Data.Error != nil) {
		return Event{}, fmt.Errorf("event %s of type %q: an error belongs to a failure, and only there", e.ID, w.Type)
	}
	var err error
	if e.Sequence, err = strconv.ParseUint(w.Sequence, 10, 64); err != nil {
		return Event{}, fmt.Errorf("event %s: sequence: %w", e.ID, err)
	}
	if e.Generation, err = strconv.ParseInt(w.Generation, 10, 64); err != nil {
		return Event{}, fmt.Errorf("event %s: generation: %w", e.ID, err)
	}
	return e, nil
}

func (w *wireData) eventData() EventData {
	d := EventData{
		CommandID: w.CommandID, OrgHandle: w.OrgHandle, BridgeSlug: w.BridgeSlug,
		ProviderConfigID: w.ProviderConfigID, Provider: w.Provider, PhoneNumber: w.PhoneNumber,
		Changed: w.Changed, ConnectionVersion: w.ConnectionVersion, ConnectedAt: w.ConnectedAt,
		Metadata: w.Metadata,
	}
	if w.Error != nil {
		d.Error = &Failure{Code: w.Error.Code, Field: w.Error.Field, Message: w.Error.Message, Details: w.Error.Details}
	}
	return d
}
