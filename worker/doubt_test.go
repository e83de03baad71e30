package worker

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"connect-provider/deploy/systemtest"
)

// TestReplyToCommitLost loses the replies of many COMMITs that happened, and
// many COMMITs themselves, while commands flow. The connection breaks in the
// same way for both: only asking the database tells them apart.
func TestReplyToCommitLost(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	l := newLoad(s, 6, 1)
	var faults systemtest.FaultyPostgres
	option, registry, _ := watched(t)
	w := s.work(option, func(c *Config) {
		c.Database = openPool(t, s.databaseURL, func(p *pgxpool.Config) { p.ConnConfig.DialFunc = faults.Dial })
		c.BatchSize = 20
	})
	s.awaitReady(w)
	const commands, rounds = 3000, 30
	for round := range rounds {
		switch round % 3 {
		case 0:
			faults.LoseCommitReply()
		case 1:
			faults.LoseCommit()
		default: // twice for the same batch, or for two lanes at once
			faults.LoseCommit()
			faults.LoseCommitReply()
		}
		l.publish(commands / rounds)
	}
	events := l.verify()
	if lost := faults.Lost(); lost < rounds {
		t.Errorf("%d COMMITs were harmed, want at least %d", lost, rounds)
	}
	if doubts := measured(t, registry, "commits_in_doubt_total"); doubts < rounds/2 {
		t.Errorf("%v COMMITs in doubt are counted", doubts)
	}
	// what was settled as committed counts as decided
	if n := measured(t, registry, "outcomes_total"); int(n) != len(events) {
		t.Errorf("%v outcomes are counted, %d events are there", n, len(events))
	}
}
