package status

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
	"connect-provider/worker"
)

// clockSkew is by how much the clocks of a cluster's servers may differ: who
// leads the commands' stream need not lead the events'.
const clockSkew = 5 * time.Second

// Event is an event in the events stream.
type Event struct {
	ID       string    `json:"id"`
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	// Code is the failure's, nil for a connection.
	Code *string `json:"code"`
	// Corrects is the id of the event that this one takes the place of, nil if it
	// is no correction.
	Corrects *string `json:"corrects"`
}

// findEvents reads the organization's events for those of the command: in the
// command's lane, from when it was accepted, or, if that is not known, all of
// them. Corrections come after a restore, however late, so it reads to the end.
func (d *Command) findEvents(ctx context.Context, js jetstream.JetStream, infos map[string]*jetstream.StreamInfo) error {
	if infos[messages.EventsStream] == nil {
		d.EventsSearched = true
		return nil
	}
	r := worker.StoredRange{Stream: messages.EventsStream, Filter: "telephony.events.*." + d.organization.Token + ".>"}
	if d.row != nil {
		r.Filter = "telephony.events." + d.row.accepted.Lane + "." + d.organization.Token + ".>"
		r.Since = d.row.accepted.Time.Add(-clockSkew)
	}
	ids := map[uuid.UUID]bool{messages.EventID(d.organization.Token, d.CommandID): true}
	err := worker.ReadStored(ctx, js, r, func(m messages.Message, _ uint64) bool {
		e, err := messages.DecodeEvent(m.Body)
		if err != nil {
			return true // of a later version, or not ours
		}
		if ids[e.ID] || e.Corrects != nil && ids[*e.Corrects] {
			ids[e.ID] = true
			d.note(&e, m)
		}
		return true
	})
	d.EventsSearched = err == nil
	if ranOut(ctx, err) {
		return nil
	}
	return err
}

// ranOut tells whether something failed because all the time there was is used
// up.
func ranOut(ctx context.Context, err error) bool {
	return err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// note takes an event into the history. Where the database knows of no
// decision, the last event tells it.
func (d *Command) note(e *messages.Event, m messages.Message) {
	noted := Event{ID: e.ID.String(), Sequence: m.Sequence, Time: m.Time.UTC(), Type: e.Type.CloudEventsType()}
	if e.Data.Error != nil {
		code := string(e.Data.Error.Code)
		noted.Code = &code
	}
	if e.Corrects != nil {
		corrected := e.Corrects.String()
		noted.Corrects = &corrected
	}
	d.Events = append(d.Events, noted)
	if d.row != nil || d.Waiting != nil && d.Waiting.Lane != nil {
		return // the database has told
	}
	d.Decided, d.Waiting = decidedBy(e, d.numbers), nil
	if lane, _, _, err := messages.ParseEventSubject(m.Subject); err == nil && d.Accepted == nil {
		d.Accepted = &Accepted{Stream: lane.Class.Stream(), Lane: lane.String(), Sequence: e.Sequence, Generation: &e.Generation}
	}
}

// decidedBy is what an event tells of a decision.
func decidedBy(e *messages.Event, numbers Numbers) *Decided {
	d := &Decided{Time: utc(&e.Time), Outcome: Connected, Changed: e.Data.Changed, ProviderConfigID: e.Data.ProviderConfigID,
		BridgeSlug: known(e.Data.BridgeSlug), Provider: known(e.Data.Provider), PhoneNumber: numbers.showPointer(known(e.Data.PhoneNumber))}
	if failure := e.Data.Error; failure != nil {
		d.Outcome, d.Code, d.Message = Failed, known(string(failure.Code)), known(failure.Message)
		return d
	}
	d.ConnectionVersion, d.ConnectedAt = &e.Data.ConnectionVersion, utc(&e.Data.ConnectedAt)
	return d
}

func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
