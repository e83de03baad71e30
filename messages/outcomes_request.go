package messages

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxOutcomes is how many command ids one question for outcomes may name.
const MaxOutcomes = 1000

// MaxJobs is how many jobs one question may name, and how many an answer tells of.
const MaxJobs = 100

// OutcomesRequest is a question for outcomes.
type OutcomesRequest struct {
	CommandIDs []string
	// Jobs are those to be told of; none is given: the last ones; nil: no jobs.
	Jobs []string
}

// EncodeJobsRequest returns the body of a question for how jobs came out, those
// named or, if there are none, the last ones. [AskJobs] does all of it.
func EncodeJobsRequest(jobs []string) ([]byte, error) {
	if err := checkJobs(jobs); err != nil {
		return nil, err
	}
	b := append([]byte(nil), `{"command_ids":[],"jobs":[`...)
	for i, job := range jobs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, job)
	}
	return append(b, `]}`...), nil
}

func checkJobs(jobs []string) error {
	if len(jobs) > MaxJobs {
		return fmt.Errorf("%d jobs in one question; ask for at most %d at once", len(jobs), MaxJobs)
	}
	for i, job := range jobs {
		if job == "" || len(job) > MaxMetadataBytes || !utf8.ValidString(job) || strings.ContainsRune(job, 0) {
			return fmt.Errorf("jobs[%d] can be no job's name: one has 1 to %d bytes", i, MaxMetadataBytes)
		}
	}
	return nil
}

// EncodeOutcomesRequest returns the body of a question for the outcomes of
// commands, to be sent to an [OutcomesSubject]. Without ids it asks only how
// far the organization's lanes have come. It refuses what
// [DecodeOutcomesRequest] would refuse. [AskOutcomes] does all of it.
func EncodeOutcomesRequest(ids []string) ([]byte, error) {
	if err := checkOutcomesIDs(ids); err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, 32+32*len(ids)), '{')
	return append(appendIDs(b, "command_ids", ids), '}'), nil
}

func checkOutcomesIDs(ids []string) error {
	if len(ids) > MaxOutcomes {
		return fmt.Errorf("%d command ids in one question; ask for at most %d at once", len(ids), MaxOutcomes)
	}
	for i, id := range ids {
		if !validCommandID(id) {
			// not the text itself: it could be a phone number
			return fmt.Errorf("command_ids[%d] is no command id: one has 1 to %d of the characters A-Z a-z 0-9 . _ : -", i, MaxCommandID)
		}
	}
	return nil
}

// appendIDs writes a member that holds command ids, which need no escaping.
func appendIDs(b []byte, member string, ids []string) []byte {
	b = append(append(append(b, '"'), member...), `":[`...)
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), id...), '"')
	}
	return append(b, ']')
}

// DecodeOutcomesRequest reads a question for outcomes, strictly as commands
// are read, and returns the ids, each once, in the order in which they were
// asked for. The error says what is wrong and what to do about it.
func DecodeOutcomesRequest(body []byte) (OutcomesRequest, error) {
	p := parse(body)
	defer p.release()
	q, given := OutcomesRequest{CommandIDs: []string{}}, false
	complete := p.object("the question", func(name string) {
		switch name {
		case "command_ids":
			given = true
			q.CommandIDs = p.ids(name)
		case "jobs":
			q.Jobs = p.ids(name)
		default:
			p.fail(malformed(clip(name), "%q is no member of a question for outcomes; remove it", clip(name)))
			p.skip()
		}
	})
	if complete && !given {
		p.fail(malformed("command_ids", `"command_ids" is missing; give an array of command ids, or an empty one`))
	}
	p.end()
	if p.failure != nil {
		return OutcomesRequest{}, errors.New(p.failure.Message)
	}
	if err := errors.Join(checkOutcomesIDs(q.CommandIDs), checkJobs(q.Jobs)); err != nil {
		return OutcomesRequest{}, err
	}
	q.CommandIDs = unique(q.CommandIDs)
	return q, nil
}

// ids reads an array of strings.
func (p *parser) ids(member string) []string {
	if kind := p.json.PeekKind(); kind != '[' && kind != jsontext.KindInvalid {
		p.skip()
		p.fail(wrongType(member, "array", kind))
		return nil
	}
	if _, err := p.json.ReadToken(); err != nil {
		p.stop(err)
		return nil
	}
	ids := []string{}
	for !p.broken && p.json.PeekKind() != ']' {
		id := ""
		if p.text(member, &id) {
			ids = append(ids, id)
		}
	}
	if p.broken {
		return nil
	}
	if _, err := p.json.ReadToken(); err != nil {
		p.stop(err)
	}
	return ids
}

// unique returns the ids without those that stand earlier.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	kept := make([]string, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			kept = append(kept, id)
		}
		seen[id] = true
	}
	return kept
}
