package worker

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/systemtest"
)

// TestReplyToCommitLost loses the replies of many COMMITs that happened, and
// many COMMITs themselves, while commands flow. The connection breaks in the
// same way for both: only asking the database tells them apart.
func TestReplyToCommitLost(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	l := newLoad(s, 6, 1)
	var commits faults.Commits
	option, registry, logs := watched(t)
	w := s.work(option, func(c *Config) {
		c.Database = openPool(t, s.databaseURL, func(p *pgxpool.Config) { p.ConnConfig.DialFunc = commits.Dial })
		c.BatchSize = 20
	})
	s.awaitReady(w)
	seen := func() (doubts, happened int) {
		return int(measured(t, registry, "commits_in_doubt_total")), said(logs, "commit was in doubt and has happened")
	}
	// The COMMIT that is harmed may be that of a question about another doubt, or
	// of a clean-up: go on until both ends of a batch's were met.
	const rounds, most = 30, 300
	armed := 0
	for round := 0; ; round++ {
		doubts, happened := seen()
		if round >= most || round >= rounds && happened > 0 && happened < doubts {
			break
		}
		switch round % 3 {
		case 0:
			commits.LoseReply()
			armed++
		case 1:
			commits.LoseCommit()
			armed++
		default: // twice for the same batch, or for two lanes at once
			commits.LoseCommit()
			commits.LoseReply()
			armed += 2
		}
		l.publish(100)
		systemtest.Eventually(t, "the COMMITs to be harmed", func() error {
			if lost := commits.Lost(); lost < armed {
				return fmt.Errorf("%d of %d", lost, armed)
			}
			return nil
		})
	}
	events := l.verify()
	doubts, happened := seen()
	if happened == 0 || doubts == happened {
		t.Errorf("%d of %d COMMITs in doubt had happened: the test needs both", happened, doubts)
	}
	if n := measured(t, registry, "lease_changes_total", "lost"); n != 0 {
		t.Errorf("%v lanes were lost: a doubt is no reason for that", n)
	}
	// what was settled as committed counts as decided
	if n := measured(t, registry, "outcomes_total"); int(n) != len(events) {
		t.Errorf("%v outcomes are counted, %d events are there", n, len(events))
	}
}
