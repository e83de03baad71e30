package messages

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// OutcomesAnswer tells what became of the commands that somebody asked for.
// Each id that was asked for stands in one of Outcomes, Unknown and Unanswered.
//
// The lanes' cursors were read before the outcomes. So who published a command
// and knows its sequence from the stream's acknowledgement can tell what an
// unknown id means: its lane's cursor below that sequence, not yet; at or above
// it, in the same stream, never under this id. (The stream has lost the command,
// or it could not be understood, or its outcome is past the inbox retention.)
type OutcomesAnswer struct {
	// OrgHandle is empty where the subject's token is the encoding of no handle.
	OrgHandle string
	// Lanes are the organization's, one of each class.
	Lanes    []LaneCursor
	Outcomes []Decided
	// Unknown are ids under which nothing has been decided.
	Unknown []string
	// Unanswered are ids whose outcomes had no room in the message: ask again.
	Unanswered []string
	// Jobs are those that were asked for and are known, the last one first; nil
	// where none were asked for.
	Jobs []JobOutcomes
}

// JobOutcomes is how the commands of a job came out so far: those whose metadata
// names it.
type JobOutcomes struct {
	Job                           string
	FirstDecidedAt, LastDecidedAt time.Time
	// Commands are counted by [JobConnected], [JobUnchanged] and failure codes.
	Commands map[string]int64
}

// How a job's commands are counted beside the failure codes.
const (
	JobConnected = "connected"
	JobUnchanged = "unchanged" // connected, as it was already
)

// LaneCursor is how far a lane has come: all its commands up to the sequence
// Cursor are decided.
type LaneCursor struct {
	Lane Lane
	// StreamCreated is when the stream was made that the cursor counts in, zero
	// where the lane has not been read yet.
	StreamCreated time.Time
	// Generation rises when the stream was found replaced or cut back.
	Generation int64
	Cursor     uint64
}

// Decided is the outcome of a command as the workers remember it.
type Decided struct {
	// Data is what the outcome's event told, but for the metadata, which is not
	// kept, and the handle, which stands in the answer once.
	Data EventData
	// DecidedAt is by the database's clock.
	DecidedAt time.Time
	// Lane, Sequence and Generation say which message decided it: another one
	// than the asker's own where the id was used before.
	Lane       Lane
	Sequence   uint64
	Generation int64
}

// Lane returns where the organization's lane of a class stands, false if the
// answer does not tell.
func (a *OutcomesAnswer) Lane(c Class) (LaneCursor, bool) {
	for _, lane := range a.Lanes {
		if lane.Lane.Class == c {
			return lane, true
		}
	}
	return LaneCursor{}, false
}

// Encode returns the answer as a message body of at most limit bytes. Outcomes
// that have no room are named in "unanswered". It is an error if not even all
// ids have room.
func (a *OutcomesAnswer) Encode(limit int) ([]byte, error) {
	b := make([]byte, 0, 1024+512*len(a.Outcomes))
	b = append(b, '{')
	if a.OrgHandle != "" {
		b = append(appendString(append(b, `"org_handle":`...), a.OrgHandle), ',')
	}
	b = append(b, `"lanes":[`...)
	for i, lane := range a.Lanes {
		if i > 0 {
			b = append(b, ',')
		}
		b = lane.append(b)
	}
	b = append(b, ']')
	b = a.appendJobs(b, limit/2)
	b = append(b, `,"outcomes":[`...)

	// each id stands somewhere, quoted and with a comma
	size := len(b) + len(`],"unknown":[],"unanswered":[]}`)
	for _, ids := range [][]string{a.Unknown, a.Unanswered} {
		for _, id := range ids {
			size += len(id) + 3
		}
	}
	for i := range a.Outcomes {
		size += len(a.Outcomes[i].Data.CommandID) + 3
	}
	if size > limit {
		return nil, fmt.Errorf("the answer has no room for so many ids in the server's max_payload of %d bytes; ask for fewer at once", limit)
	}
	unanswered := a.Unanswered[:len(a.Unanswered):len(a.Unanswered)]
	first := true
	for i := range a.Outcomes {
		outcome, start := &a.Outcomes[i], len(b)
		if !first {
			b = append(b, ',')
		}
		b = outcome.append(b)
		grown := size + len(b) - start - len(outcome.Data.CommandID) - 3
		if grown > limit {
			b = b[:start]
			unanswered = append(unanswered, outcome.Data.CommandID)
			continue
		}
		size, first = grown, false
	}
	b = appendIDs(append(b, `],`...), "unknown", a.Unknown)
	return append(appendIDs(append(b, ','), "unanswered", unanswered), '}'), nil
}

// appendJobs writes as many jobs as have room, the last ones.
func (a *OutcomesAnswer) appendJobs(b []byte, room int) []byte {
	if a.Jobs == nil {
		return b
	}
	b = append(b, `,"jobs":[`...)
	for i := range a.Jobs {
		before := len(b)
		if i > 0 {
			b = append(b, ',')
		}
		if b = a.Jobs[i].append(b); len(b) > room {
			b = b[:before]
			break
		}
	}
	return append(b, ']')
}

func (j *JobOutcomes) append(b []byte) []byte {
	b = appendString(append(b, `{"job":`...), j.Job)
	b = appendTime(b, "first_decided_at", j.FirstDecidedAt)
	b = appendTime(b, "last_decided_at", j.LastDecidedAt)
	b = append(b, `,"commands":{`...)
	for i, code := range slices.Sorted(maps.Keys(j.Commands)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(appendString(b, code), ':'), j.Commands[code], 10)
	}
	return append(b, `}}`...)
}

// MarshalJSON returns the job as it stands in an answer.
func (j JobOutcomes) MarshalJSON() ([]byte, error) { return j.append(nil), nil }

func (l LaneCursor) append(b []byte) []byte {
	b = append(append(append(b, `{"lane":"`...), l.Lane.String()...), '"')
	if !l.StreamCreated.IsZero() {
		b = l.StreamCreated.UTC().AppendFormat(append(b, `,"stream_created":"`...), time.RFC3339Nano)
		b = append(b, '"')
	}
	b = strconv.AppendInt(append(b, `,"generation":`...), l.Generation, 10)
	b = strconv.AppendUint(append(b, `,"cursor":`...), l.Cursor, 10)
	return append(b, '}')
}

// MarshalJSON returns the lane's cursor as it stands in an answer.
func (l LaneCursor) MarshalJSON() ([]byte, error) { return l.append(nil), nil }

func (d *Decided) append(b []byte) []byte {
	start := len(b)
	b = d.Data.appendMembers(b)
	b[start] = '{' // in place of the comma before the command id
	b = appendTime(b, "decided_at", d.DecidedAt)
	b = append(append(append(b, `,"lane":"`...), d.Lane.String()...), '"')
	b = strconv.AppendUint(append(b, `,"sequence":`...), d.Sequence, 10)
	b = strconv.AppendInt(append(b, `,"generation":`...), d.Generation, 10)
	return append(b, '}')
}

// MarshalJSON returns the outcome as it stands in an answer. It reveals the
// phone number.
func (d Decided) MarshalJSON() ([]byte, error) { return d.append(nil), nil }

// wireOutcomes is an answer's JSON, as far as this version reads it.
type wireOutcomes struct {
	OrgHandle string `json:"org_handle"`
	Lanes     []struct {
		Lane          string    `json:"lane"`
		StreamCreated time.Time `json:"stream_created"`
		Generation    int64     `json:"generation"`
		Cursor        uint64    `json:"cursor"`
	} `json:"lanes"`
	Outcomes []struct {
		wireData   `json:",inline"`
		DecidedAt  time.Time `json:"decided_at"`
		Lane       string    `json:"lane"`
		Sequence   uint64    `json:"sequence"`
		Generation int64     `json:"generation"`
	} `json:"outcomes"`
	Unknown    []string `json:"unknown"`
	Unanswered []string `json:"unanswered"`
	Jobs       []struct {
		Job            string           `json:"job"`
		FirstDecidedAt time.Time        `json:"first_decided_at"`
		LastDecidedAt  time.Time        `json:"last_decided_at"`
		Commands       map[string]int64 `json:"commands"`
	} `json:"jobs"`
}

// DecodeOutcomesAnswer reads an answer's body. Members that it does not know
// are passed over, as every asker should do.
func DecodeOutcomesAnswer(body []byte) (OutcomesAnswer, error) {
	var w wireOutcomes
	if err := json.Unmarshal(body, &w); err != nil {
		return OutcomesAnswer{}, fmt.Errorf("answer about outcomes: %w", err)
	}
	a := OutcomesAnswer{OrgHandle: w.OrgHandle, Unknown: w.Unknown, Unanswered: w.Unanswered}
	for _, l := range w.Lanes {
		lane, err := ParseLane(l.Lane)
		if err != nil {
			return OutcomesAnswer{}, fmt.Errorf("answer about outcomes: %w", err)
		}
		a.Lanes = append(a.Lanes, LaneCursor{lane, l.StreamCreated, l.Generation, l.Cursor})
	}
	for _, j := range w.Jobs {
		a.Jobs = append(a.Jobs, JobOutcomes{j.Job, j.FirstDecidedAt, j.LastDecidedAt, j.Commands})
	}
	for _, o := range w.Outcomes {
		lane, err := ParseLane(o.Lane)
		if err != nil {
			return OutcomesAnswer{}, fmt.Errorf("answer about outcomes: %w", err)
		}
		a.Outcomes = append(a.Outcomes, Decided{o.eventData(), o.DecidedAt, lane, o.Sequence, o.Generation})
	}
	return a, nil
}
