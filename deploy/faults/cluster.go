package faults

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// copyFiles copies a running cluster, whose files come and go meanwhile. What is
// missing from the copy, its WAL will bring.
const copyFiles = `
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

// CopyCluster copies the data directory of the running server at the URL (of a
// superuser) to another place, as pg_basebackup does (which not every
// installation has), while clients go on working. What is at that place is
// replaced, its parent has to exist. A server that starts on the copy has what
// was committed until about the copy's end.
//
// The server's wal_keep_size must be enough for the WAL that is written
// meanwhile.
func CopyCluster(ctx context.Context, url string, sh Shell, dataDir, to string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("copy the cluster: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	begin, end := "SELECT pg_backup_start('copy', true)", "SELECT labelfile FROM pg_backup_stop(false)"
	var version int
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return fmt.Errorf("copy the cluster: %w", err)
	}
	if version < 150000 {
		begin, end = "SELECT pg_start_backup('copy', true, false)", "SELECT labelfile FROM pg_stop_backup(false, false)"
	}
	if _, err := conn.Exec(ctx, begin); err != nil {
		return fmt.Errorf("copy the cluster: %w", err)
	}
	if _, err := sh(ctx, copyFiles, dataDir, to); err != nil {
		return fmt.Errorf("copy the cluster: %w", err)
	}
	var label string
	if err := conn.QueryRow(ctx, end).Scan(&label); err != nil {
		return fmt.Errorf("copy the cluster: %w", err)
	}
	if _, err := sh(ctx, copyWAL, dataDir, to, label); err != nil {
		return fmt.Errorf("copy the cluster: %w", err)
	}
	return nil
}

// RestoreCluster puts a copy that CopyCluster made in the place of a cluster, as
// after a disaster: what was committed since is gone. No server may run there;
// the next start recovers from the copy, which stays usable. When it fails, the
// cluster may be gone.
func RestoreCluster(ctx context.Context, sh Shell, dataDir, copied string) error {
	if _, err := sh(ctx, `rm -rf "$1" && cp -a "$2" "$1"`, dataDir, copied); err != nil {
		return fmt.Errorf("restore the cluster: %w", err)
	}
	return nil
}

// PrepareLocal makes the directory for one more server of package local beside
// the one in another directory, with the same password, as its copy will need.
// The data directory, data in it, is left to be copied there.
func PrepareLocal(ctx context.Context, beside, dir string) error {
	if _, err := LocalShell(ctx, `mkdir "$2" && cp -p "$1/password" "$2/password"`, beside, dir); err != nil {
		return fmt.Errorf("prepare a directory for Postgres: %w", err)
	}
	return nil
}
