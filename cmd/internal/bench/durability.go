package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Durability is what the servers were set to do before they said that something
// is written. A measurement is comparable with others if that outlives the
// machine's power.
type Durability struct {
	SynchronousCommit string `json:"synchronous_commit"` // workers turn "off" on, for their transactions
	Fsync             string `json:"fsync"`
	FullPageWrites    string `json:"full_page_writes"`
	// JetStreamSync is "always", the interval at which JetStream syncs, or
	// empty where nobody has told.
	JetStreamSync string `json:"jetstream_sync"`
	// Storage is the file system of an embedded system's data, where that keeps
	// everything in memory.
	Storage string `json:"storage,omitempty"`
}

// readDurability asks Postgres, and, if an address is given, NATS' monitoring.
func readDurability(ctx context.Context, pool *pgxpool.Pool, monitoring string) (Durability, error) {
	var d Durability
	err := pool.QueryRow(ctx, "select current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes')").
		Scan(&d.SynchronousCommit, &d.Fsync, &d.FullPageWrites)
	if err != nil {
		return d, fmt.Errorf("durability of the database: %w", err)
	}
	if monitoring != "" {
		d.JetStreamSync, err = readJetStreamSync(ctx, monitoring)
	}
	return d, err
}

// SyncsAlways says that JetStream syncs each write before it acknowledges it.
const SyncsAlways = "always"

// readJetStreamSync asks a NATS server's monitoring endpoint (/jsz).
func readJetStreamSync(ctx context.Context, monitoring string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(monitoring, "/")+"/jsz?config=true", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("NATS' monitoring: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read only
	var jsz struct {
		Config struct {
			SyncAlways   bool          `json:"sync_always"`
			SyncInterval time.Duration `json:"sync_interval"`
		} `json:"config"`
	}
	if err := json.NewDecoder(response.Body).Decode(&jsz); err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("NATS' monitoring: %s/jsz answers %s and no JSON document of JetStream", monitoring, response.Status)
	}
	switch {
	case jsz.Config.SyncAlways:
		return SyncsAlways, nil
	case jsz.Config.SyncInterval > 0:
		return "every " + jsz.Config.SyncInterval.String(), nil
	}
	return "", nil
}

// Off names what could be lost with the machine's power, one by one; none where
// all is on, or where it is not known.
func (d Durability) Off() []string {
	var off []string
	if d.Fsync != "on" {
		off = append(off, "Postgres fsync="+d.Fsync)
	}
	if d.FullPageWrites != "on" {
		off = append(off, "Postgres full_page_writes="+d.FullPageWrites)
	}
	if d.JetStreamSync != "" && d.JetStreamSync != SyncsAlways {
		off = append(off, "JetStream syncs "+d.JetStreamSync)
	}
	if d.Storage != "" {
		off = append(off, "the data is in memory ("+d.Storage+"): set TMPDIR to a directory on a disk")
	}
	return off
}

// String tells all of it in one line.
func (d Durability) String() string {
	jetstream := "JetStream syncs " + d.JetStreamSync
	switch d.JetStreamSync {
	case "":
		jetstream = "JetStream's is not known: it syncs every 2 minutes unless sync_interval is always (--monitoring tells)"
	case SyncsAlways:
		jetstream = "JetStream syncs each write"
	}
	return fmt.Sprintf("Postgres synchronous_commit=%s fsync=%s full_page_writes=%s; %s", d.SynchronousCommit, d.Fsync, d.FullPageWrites, jetstream)
}
