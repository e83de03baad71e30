package worker

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connect-provider/messages"
	"connect-provider/outbox"
)

//go:embed sql/insert_connections.sql
var insertConnectionsSQL string

//go:embed sql/update_connections.sql
var updateConnectionsSQL string

//go:embed sql/insert_inbox.sql
var insertInboxSQL string

//go:embed sql/insert_dead_letters.sql
var insertDeadLettersSQL string

//go:embed sql/commit_cursor.sql
var commitCursorSQL string

// WriteStatements returns the statements that write the connections and the inbox
// rows of a batch, for whoever measures what writing alone costs. Their arguments
// are told in the statements.
func WriteStatements() (connections, inbox string) { return insertConnectionsSQL, insertInboxSQL }

// errDecideAgain says that the state changed between reading and writing it.
var errDecideAgain = errors.New("the state changed since it was read")

// write writes what a batch has decided and moves the cursor, in one round
// trip of the transaction that lockAndLoad began. The caller commits.
func write(ctx context.Context, conn *pgx.Conn, move cursorMove, s *state, decisions []decision, rows []outbox.Row) error {
	var q pgx.Batch
	queueConnections(&q, s)
	if err := queueInbox(&q, move, decisions); err != nil {
		return err
	}
	queueDeadLetters(&q, move, decisions)
	queueJobs(&q, decisions)
	outbox.Append(&q, move.lane, rows)
	commitCursor(&q, move)
	err := conn.SendBatch(ctx, &q).Close()
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// cursorMove is one step of a lane's cursor, as the compare-and-set sees it.
type cursorMove struct {
	lane          messages.Lane
	owner         ownership
	streamCreated int64
	generation    int64
	from, to      uint64
	toTime        int64
	at            time.Time
	lease         time.Duration
	events        outbox.LastEvent
	removed       messages.Position // outbox rows up to here are gone
	removable     messages.Position // those up to here are in the stream
	replayed      *outbox.Span      // need not be remembered any longer
}

// commitCursor queues the acknowledgement of all messages up to move.to: it
// takes effect when, and only if, the transaction commits. It also removes the
// outbox rows that have been published.
func commitCursor(q *pgx.Batch, move cursorMove) {
	if move.removable != (messages.Position{}) {
		outbox.Remove(q, move.lane, move.removed, move.removable)
	}
	var from, generation, sequence *int64
	if span := move.replayed; span != nil {
		first, last := int64(span.From), int64(span.Until.Sequence)
		from, generation, sequence = &first, &span.Until.Generation, &last
	}
	q.Queue(commitCursorSQL, move.lane.String(), move.owner.token, move.owner.epoch, int64(move.from), int64(move.to), move.toTime,
		move.events.StreamCreated, int64(move.events.Sequence), from, generation, sequence, move.lease.Seconds(), move.generation).
		Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() != 1 {
				return fmt.Errorf("cursor of lane %s: %w", move.lane, outbox.ErrLost)
			}
			return nil
		})
}

func queueConnections(q *pgx.Batch, s *state) {
	var created, moved []string
	for number, c := range s.connections {
		switch {
		case c.created:
			created = append(created, number)
		case c.dirty:
			moved = append(moved, number)
		}
	}
	slices.Sort(created)
	slices.Sort(moved)
	if n := len(created); n > 0 {
		organizations, bridges, configurations := make([]string, n), make([]string, n), make([]int64, n)
		providers, versions, times := make([]string, n), make([]int64, n), make([]time.Time, n)
		for i, number := range created {
			c := s.connections[number]
			organizations[i], bridges[i], configurations[i] = c.organization, c.bridge, c.configuration
			providers[i], versions[i], times[i] = c.provider, c.version, c.connectedAt
		}
		q.Queue(insertConnectionsSQL, created, organizations, bridges, configurations, providers, versions, times)
	}
	if n := len(moved); n > 0 {
		configurations, providers := make([]int64, n), make([]string, n)
		versions, times, loaded := make([]int64, n), make([]time.Time, n), make([]int64, n)
		for i, number := range moved {
			c := s.connections[number]
			configurations[i], providers[i], versions[i], times[i], loaded[i] = c.configuration, c.provider, c.version, c.connectedAt, c.loaded
		}
		q.Queue(updateConnectionsSQL, moved, configurations, providers, versions, times, loaded).
			Exec(func(tag pgconn.CommandTag) error {
				if tag.RowsAffected() != int64(n) {
					return errDecideAgain
				}
				return nil
			})
	}
}

// queueInbox writes one row for each message that was not a repeat.
func queueInbox(q *pgx.Batch, move cursorMove, decisions []decision) error {
	fresh := make([]*decision, 0, len(decisions))
	for i := range decisions {
		if !decisions[i].repeat {
			fresh = append(fresh, &decisions[i])
		}
	}
	n := len(fresh)
	if n == 0 {
		return nil
	}
	slices.SortFunc(fresh, func(a, b *decision) int {
		return compareInboxKeys(inboxKey{a.received.Organization.Token, a.key}, inboxKey{b.received.Organization.Token, b.key})
	})
	tokens, keys, digests := make([]string, n), make([]string, n), make([][]byte, n)
	sequences, times := make([]int64, n), make([]int64, n)
	bridges, configurations, phones := make([]*string, n), make([]*int64, n), make([]*string, n)
	providers, changed := make([]*string, n), make([]bool, n)
	versions, connected := make([]*int64, n), make([]*time.Time, n)
	codes, failures := make([]*string, n), make([]*string, n)
	for i, d := range fresh {
		r, o := d.received, &d.outcome
		digest := r.Digest()
		tokens[i], keys[i], digests[i] = r.Organization.Token, d.key, digest[:]
		sequences[i], times[i] = int64(r.Sequence), r.Time.UnixNano()
		if r.Malformed == nil {
			bridges[i], configurations[i], phones[i] = &r.Command.BridgeSlug, &r.Command.ProviderConfigID, &r.Command.PhoneNumber
		}
		if o.Provider != "" {
			providers[i] = &o.Provider
		}
		changed[i] = o.Changed
		if o.Failure == nil {
			versions[i], connected[i] = &o.ConnectionVersion, &o.ConnectedAt
			continue
		}
		code := string(o.Failure.Code)
		codes[i] = &code
		var err error
		if failures[i], err = storedFailure(o.Failure); err != nil {
			return err
		}
	}
	q.Queue(insertInboxSQL, move.lane.String(), move.streamCreated, move.generation,
		tokens, keys, digests, sequences, times, bridges, configurations, phones,
		providers, changed, versions, connected, codes, failures)
	return nil
}

// storedFailure is a failure as the inbox keeps it.
func storedFailure(f *messages.Failure) (*string, error) {
	document, err := json.Marshal(map[string]any{
		"field": storable(f.Field), "message": storable(f.Message), "details": f.Details,
	})
	text := string(document)
	return &text, err
}

// queueDeadLetters keeps the bytes of what could not be understood or broke
// its batch, without credentials.
func queueDeadLetters(q *pgx.Batch, move cursorMove, decisions []decision) {
	var sequences, times []int64
	var tokens, subjects, codes, reasons []string
	var headers, bodies [][]byte
	for i := range decisions {
		d := &decisions[i]
		if d.repeat || d.outcome.Failure == nil || !leavesDeadLetter(d.outcome.Failure.Code) {
			continue
		}
		r := d.received
		sequences, times = append(sequences, int64(r.Sequence)), append(times, r.Time.UnixNano())
		tokens, subjects = append(tokens, r.Organization.Token), append(subjects, storable(r.Subject))
		headers, bodies = append(headers, headerBytes(r.DeadLetterHeader())), append(bodies, append([]byte{}, r.Body...))
		codes, reasons = append(codes, string(d.outcome.Failure.Code)), append(reasons, storable(d.reason()))
	}
	if len(sequences) == 0 {
		return
	}
	q.Queue(insertDeadLettersSQL, move.lane.String(), move.streamCreated, move.generation,
		sequences, times, tokens, subjects, headers, bodies, codes, reasons)
}

func leavesDeadLetter(code messages.Code) bool {
	return code == messages.MalformedCommand || code == messages.InternalError
}

// headerBytes writes headers as they go over the wire, a line each, in order
// of their names.
func headerBytes(header map[string][]string) []byte {
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		for _, value := range header[name] {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	return []byte(b.String())
}

// storable makes a string that PostgreSQL's text takes: valid UTF-8, no NUL.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
