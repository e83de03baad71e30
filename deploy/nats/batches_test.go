package nats_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	access "connect-provider/deploy/nats"
	"connect-provider/messages"
)

// TestOpenBatches opens more batches at once than the server allows unless told
// otherwise, as an organization does, and as workers do meanwhile.
func TestOpenBatches(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	var open []func() error
	for user, subject := range map[string]string{
		"producer@" + globex: commandSubject(messages.Bulk, globex),
		access.Worker:        eventSubject(globex),
	} {
		c, err := w.client(user)
		if err != nil {
			t.Fatal(err)
		}
		for range 55 {
			commit, err := c.openBatch(t.Context(), subject)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, commit)
		}
		if err := c.FlushTimeout(c.patience); err != nil {
			t.Fatal(err)
		}
	}
	// at once: the server forgets a batch that stays open for too long
	var commits errgroup.Group
	for _, commit := range open {
		commits.Go(commit)
	}
	if err := commits.Wait(); err != nil {
		t.Fatal(err)
	}
}
