package systemtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"connect-provider/deploy/faults"
)

// Backup is a physical copy of a whole cluster, which ends with the test.
type Backup struct{ dir string }

// BaseBackup copies the running cluster, while clients go on working.
func (s *PostgresServer) BaseBackup(t testing.TB) *Backup {
	t.Helper()
	b := &Backup{dir: fmt.Sprintf("%s-copy-%s", s.DataDir(), rand.Text())}
	s.do("copy", func(ctx context.Context) error {
		return faults.CopyCluster(ctx, s.URL(), s.host.shell, s.DataDir(), b.dir)
	})
	return b
}

// Restore puts the copy in the cluster's place, as after a disaster: what was
// committed since is gone. The server is killed if it runs, and started on the
// copy at the same URL. The copy stays usable.
func (s *PostgresServer) Restore(t testing.TB, b *Backup) {
	t.Helper()
	s.Kill()
	s.do("restore", func(ctx context.Context) error {
		return faults.RestoreCluster(ctx, s.host.shell, s.DataDir(), b.dir)
	})
	s.Start()
}
