package worker

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

//go:embed sql/lane_cursors.sql
var laneCursorsSQL string

//go:embed sql/load_outcomes.sql
var loadOutcomesSQL string

//go:embed sql/load_jobs.sql
var loadJobsSQL string

// lookUp reads what became of an organization's commands, in one round trip:
// first how far its lanes have come, then the inbox. So an id that is unknown
// although its lane has passed the command was not decided before, nor will it
// be. The token is the one that the server made the lane of.
//
// An organization that does not exist has lanes as every other, and nothing
// decided.
func (w *Worker) lookUp(ctx context.Context, organization messages.Organization, token string, question messages.OutcomesRequest) (messages.OutcomesAnswer, error) {
	ids := question.CommandIDs
	answer := messages.OutcomesAnswer{OrgHandle: organization.Handle}
	var lanes []string
	for _, class := range messages.Classes() {
		lanes = append(lanes, messages.Lane{Class: class, Number: messages.Partition(token, w.lanesOf(class))}.String())
	}
	cursors := map[string]messages.LaneCursor{}
	decided := map[string]messages.Decided{}
	var q pgx.Batch
	// each statement sees what was committed before it
	q.Queue("begin isolation level read committed read only")
	q.Queue(prepareSQL, fmt.Sprint(outcomesTimeout.Milliseconds()))
	q.Queue(laneCursorsSQL, lanes).Query(func(rows pgx.Rows) error { return scanCursors(rows, cursors) })
	if len(ids) > 0 {
		q.Queue(loadOutcomesSQL, organization.Token, ids).Query(func(rows pgx.Rows) error { return scanOutcomes(rows, decided) })
	}
	if question.Jobs != nil {
		q.Queue(loadJobsSQL, organization.Token, question.Jobs, messages.MaxJobs).Query(func(rows pgx.Rows) (err error) {
			answer.Jobs, err = scanJobs(rows)
			return err
		})
	}
	q.Queue("commit")
	if err := w.pool.SendBatch(ctx, &q).Close(); err != nil {
		return answer, fmt.Errorf("look up outcomes: %w", err)
	}
	for _, lane := range lanes {
		cursor, ok := cursors[lane]
		if !ok {
			// a database that was restored to before the first start; the leases
			// notice it and record the lanes again
			return answer, fmt.Errorf("look up outcomes: lane %s is not recorded", lane)
		}
		answer.Lanes = append(answer.Lanes, cursor)
	}
	for _, id := range ids {
		if outcome, ok := decided[id]; ok {
			answer.Outcomes = append(answer.Outcomes, outcome)
		} else {
			answer.Unknown = append(answer.Unknown, id)
		}
	}
	return answer, nil
}

func scanCursors(rows pgx.Rows, cursors map[string]messages.LaneCursor) error {
	var name string
	var created, generation, cursor int64
	_, err := pgx.ForEachRow(rows, []any{&name, &created, &generation, &cursor}, func() error {
		lane, err := messages.ParseLane(name)
		if err != nil {
			return err
		}
		at := messages.LaneCursor{Lane: lane, Generation: generation, Cursor: uint64(cursor)}
		if created != 0 {
			at.StreamCreated = time.Unix(0, created).UTC()
		}
		cursors[name] = at
		return nil
	})
	return err
}

func scanOutcomes(rows pgx.Rows, decided map[string]messages.Decided) error {
	for rows.Next() {
		var d messages.Decided
		var lane string
		var sequence int64
		var bridge, phone, provider, code *string
		var version *int64
		var connected *time.Time
		var failure []byte
		data := &d.Data
		if err := rows.Scan(&data.CommandID, &lane, &d.Generation, &sequence, &d.DecidedAt, &bridge, &data.ProviderConfigID, &phone, &provider,
			&data.Changed, &version, &connected, &code, &failure); err != nil {
			return err
		}
		var err error
		if d.Lane, err = messages.ParseLane(lane); err != nil {
			return err
		}
		d.Sequence = uint64(sequence)
		data.BridgeSlug, data.PhoneNumber, data.Provider = valueOf(bridge), valueOf(phone), valueOf(provider)
		data.ConnectionVersion, data.ConnectedAt = valueOf(version), valueOf(connected)
		if code != nil {
			if data.Error, err = loadedFailure(*code, failure); err != nil {
				return err
			}
		}
		decided[data.CommandID] = d
	}
	return rows.Err()
}

// scanJobs reads the counts of jobs, those of one job in a row.
func scanJobs(rows pgx.Rows) ([]messages.JobOutcomes, error) {
	jobs := []messages.JobOutcomes{}
	var name, code string
	var commands int64
	var first, last time.Time
	_, err := pgx.ForEachRow(rows, []any{&name, &code, &commands, &first, &last}, func() error {
		if len(jobs) == 0 || jobs[len(jobs)-1].Job != name {
			jobs = append(jobs, messages.JobOutcomes{Job: name, FirstDecidedAt: first, LastDecidedAt: last, Commands: map[string]int64{}})
		}
		job := &jobs[len(jobs)-1]
		job.Commands[code] = commands
		if first.Before(job.FirstDecidedAt) {
			job.FirstDecidedAt = first
		}
		if last.After(job.LastDecidedAt) {
			job.LastDecidedAt = last
		}
		return nil
	})
	return jobs, err
}

// loadedFailure is the failure that storedFailure wrote.
func loadedFailure(code string, document []byte) (*messages.Failure, error) {
	var stored struct {
		Field   string            `json:"field"`
		Message string            `json:"message"`
		Details map[string]string `json:"details"`
	}
	if err := json.Unmarshal(document, &stored); err != nil {
		return nil, fmt.Errorf("failure in the inbox: %w", err)
	}
	return &messages.Failure{Code: messages.Code(code), Field: stored.Field, Message: stored.Message, Details: stored.Details}, nil
}

// valueOf returns the zero value for a null.
func valueOf[T any](column *T) T {
	if column == nil {
		var zero T
		return zero
	}
	return *column
}
