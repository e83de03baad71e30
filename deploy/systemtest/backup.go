package systemtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Backup is a physical copy of a whole cluster, which ends with the test.
type Backup struct{ dir string }

// copyCluster copies a running cluster, whose files come and go meanwhile. What
// is missing from the copy, its WAL will bring.
const copyCluster = `
rm -rf "$2"
cp -a "$1" "$2" 2>/dev/null
rm -f "$2/postmaster.pid" "$2/postmaster.opts"
rm -rf "$2"/pg_replslot/*
[ -s "$2/global/pg_control" ]
`

// copyWAL completes the copy with the WAL that was written meanwhile and the
// label that makes recovery begin at the backup's start. cp -p keeps the owner.
const copyWAL = `
rm -rf "$2/pg_wal"
cp -a "$1/pg_wal" "$2/pg_wal" 2>/dev/null
[ -d "$2/pg_wal" ] && cp -p "$2/PG_VERSION" "$2/backup_label" && printf '%s' "$3" >"$2/backup_label"
`

// BaseBackup copies the running cluster as pg_basebackup does (which not every
// installation has), while clients go on working.
func (s *PostgresServer) BaseBackup(t testing.TB) *Backup {
	t.Helper()
	b := &Backup{dir: fmt.Sprintf("%s-copy-%s", s.host.dataDir(), rand.Text())}
	s.do("copy", func(ctx context.Context) error { return s.copyTo(ctx, b.dir) })
	return b
}

func (s *PostgresServer) copyTo(ctx context.Context, dir string) error {
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	begin, end := "SELECT pg_backup_start('test', true)", "SELECT labelfile FROM pg_backup_stop(false)"
	var version int
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return err
	}
	if version < 150000 {
		begin, end = "SELECT pg_start_backup('test', true, false)", "SELECT labelfile FROM pg_stop_backup(false, false)"
	}
	if _, err := conn.Exec(ctx, begin); err != nil {
		return err
	}
	if _, err := s.host.shell(ctx, copyCluster, s.DataDir(), dir); err != nil {
		return err
	}
	var label string
	if err := conn.QueryRow(ctx, end).Scan(&label); err != nil {
		return err
	}
	_, err = s.host.shell(ctx, copyWAL, s.DataDir(), dir, label)
	return err
}

// Restore puts the copy in the cluster's place, as after a disaster: what was
// committed since is gone. The server is killed if it runs, and started on the
// copy at the same URL. The copy stays usable.
func (s *PostgresServer) Restore(t testing.TB, b *Backup) {
	t.Helper()
	s.Kill()
	s.shell("restore", `rm -rf "$1" && cp -a "$2" "$1"`, s.DataDir(), b.dir)
	s.Start()
}
