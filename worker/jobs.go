package worker

import (
	"cmp"
	_ "embed"
	"slices"

	"github.com/jackc/pgx/v5"

	"connect-provider/messages"
)

//go:embed sql/count_jobs.sql
var countJobsSQL string

// jobOutcome is one that a job can have.
type jobOutcome struct{ organization, job, code string }

// queueJobs counts how the commands came out that name a job in their metadata,
// each once, as the inbox has each once.
func queueJobs(q *pgx.Batch, decisions []decision) {
	var counts map[jobOutcome]int64
	for i := range decisions {
		d := &decisions[i]
		job := storable(d.received.Command.Metadata["job"])
		if d.repeat || job == "" || len(job) > messages.MaxMetadataBytes {
			continue
		}
		if counts == nil {
			counts = map[jobOutcome]int64{}
		}
		counts[jobOutcome{d.received.Organization.Token, job, outcomeCode(&d.outcome)}]++
	}
	if counts == nil {
		return
	}
	// in the order of their keys, as all rows
	keys := make([]jobOutcome, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b jobOutcome) int {
		return cmp.Or(cmp.Compare(a.organization, b.organization), cmp.Compare(a.job, b.job), cmp.Compare(a.code, b.code))
	})
	n := len(keys)
	tokens, jobs, codes, commands := make([]string, n), make([]string, n), make([]string, n), make([]int64, n)
	for i, key := range keys {
		tokens[i], jobs[i], codes[i], commands[i] = key.organization, key.job, key.code, counts[key]
	}
	q.Queue(countJobsSQL, tokens, jobs, codes, commands)
}

// outcomeCode is connected, unchanged, or the failure's code.
func outcomeCode(o *messages.Outcome) string {
	switch {
	case o.Failure != nil:
		return string(o.Failure.Code)
	case o.Changed:
		return messages.JobConnected
	}
	return messages.JobUnchanged
}
