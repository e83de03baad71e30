package defect

import (
	"fmt"
	"slices"
	"strings"
)

// All returns every defect.
func All() []Defect { return slices.Clone(defects) }

// Find returns the defects with these names, separated by commas; "all" is each.
func Find(names string) ([]Defect, error) {
	if names == "all" {
		return All(), nil
	}
	var found []Defect
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(defects, func(d Defect) bool { return d.Name == name })
		if i < 0 {
			var all []string
			for _, d := range defects {
				all = append(all, d.Name)
			}
			return nil, fmt.Errorf("there is no defect %q; there are %s", name, strings.Join(all, ", "))
		}
		found = append(found, defects[i])
	}
	return found, nil
}

// cursorsMessageUnchecked takes whatever message stands at a cursor for the one
// that the cursor was set on.
var cursorsMessageUnchecked = []edit{
	{"worker/same_log.go", `	return found != nil && found.Time.UnixNano() == mark.time, err
`, `	return found == nil || true, err
`},
	{"worker/reader.go", `			if last != atCursor.sequence || metadata.Timestamp.UnixNano() != atCursor.time {
				return errLogDiffers
			}
			atCursor = nil
			r.pending.Store(metadata.NumPending)
			continue
`, `			at := atCursor.sequence
			atCursor = nil
			if last == at {
				continue
			}
`},
}

var defects = []Defect{
	{"cursor-before-transaction", "the cursor moves in a transaction of its own, before the effects are written", "kills", []edit{
		{"worker/transact.go", `	stages.end("decide")
`, `	stages.end("decide")
	if err := l.update(ctx, "update connect_provider.lanes set cursor = $4, cursor_time = $5 where lane = $1 and owner_token = $2 and epoch = $3",
		l.lane.String(), move.owner.token, move.owner.epoch, int64(move.to), move.toTime); err != nil {
		return nil, nil, move, rollback(conn, err)
	}
`},
		{"worker/sql/commit_cursor.sql", `cursor = $4 and`, `$4::bigint >= 0 and`},
	}},
	{"cursor-not-compared", "the cursor is set without being compared", "failover,restore", []edit{
		{"worker/sql/commit_cursor.sql", `cursor = $4 and`, `$4::bigint >= 0 and`},
	}},
	{"owner-not-compared", "neither token nor epoch nor cursor of the lane's row are compared", "kills,pauses", []edit{
		{"worker/sql/commit_cursor.sql", `owner_token = $2 and epoch = $3 and cursor = $4`, `$2::uuid is not null and $3::bigint is not null and $4::bigint is not null`},
	}},
	{"epoch-and-token-not-compared", "a former owner goes on, as long as the cursor is where it left it", "pauses", []edit{
		{"worker/sql/commit_cursor.sql", `owner_token = $2 and epoch = $3 and`, `$2::uuid is not null and $3::bigint is not null and`},
		{"worker/sql/renew.sql", `select l.lane, l.owner_token, l.generation`, `select l.lane, held.token as owner_token, l.generation`},
		{"worker/sql/renew.sql", `on l.lane = held.lane and l.owner_token = held.token`, `on l.lane = held.lane`},
		{"worker/sql/confirm_owner.sql", `owner_token = $2 and epoch = $3`, `$2::uuid is not null and $3::bigint is not null`},
	}},
	{"removed-before-acknowledged", "outbox rows are removed before the events stream has their events", "kills,lines", []edit{
		{"worker/publisher.go", `	p.waiting.Add(int64(len(rows)))
	p.held.take(payloads(rows))
`, `	p.waiting.Add(int64(len(rows)))
	p.held.take(payloads(rows))
	p.mu.Lock()
	p.state.published = rows[len(rows)-1].Position
	p.mu.Unlock()
`},
	}},
	{"expectation-dropped", "events are published without the sequence that is expected", "lines,pauses", []edit{
		{"outbox/publish.go", `	message.Header.Set(headerExpectedSequence, strconv.FormatUint(expected, 10))
	message.Header.Set(headerExpectedSubject, w.expect)
`, ``},
	}},
	{"expectation-misspelled", "the expectation is about the event's own subject in place of the lane", "calm", []edit{
		{"outbox/publish.go", `	message.Header.Set(headerExpectedSubject, w.expect)
`, `	message.Header.Set(headerExpectedSubject, message.Subject)
`},
	}},
	{"takeover-without-last-event", "a new owner publishes all that stands in the outbox, whatever the stream has", "kills", []edit{
		{"outbox/relay.go", `len(leftovers) > 0 && !r.last.Position.Less(leftovers[0].Position)`, `false`},
	}},
	{"leftovers-forgotten", "a new owner does not publish what the former one left, but removes it with its own", "kills", []edit{
		{"outbox/relay.go", `	return r.Publish(ctx, leftovers)
}

// Close`, `	return nil
}

// Close`},
	}},
	{"leftovers-after-new", "a new owner publishes what the former one left after its own first events", "kills", []edit{
		{"worker/publisher.go", `	if err := p.relay.Resume(ctx, leftovers, span); err != nil {
		return err
	}
	p.note(leftovers)
	return nil
`, `	p.left = leftovers
	return p.relay.Resume(ctx, nil, span)
`},
		{"worker/publisher.go", `	mu    sync.Mutex
	state progress
`, `	left  []outbox.Row
	mu    sync.Mutex
	state progress
`},
		{"worker/publisher.go", `			rows := next.rows
`, `			rows := append(next.rows, p.left...)
			p.left = nil
`},
	}},
	{"doubt-not-compared", "after a publish in doubt the rows are not compared with what the stream has", "acks", []edit{
		{"outbox/relay.go", `			r.compareSince(known)
`, ``},
	}},
	{"order-lost", "the events of a batch are published in order of their ids", "calm", []edit{
		{"worker/publisher.go", `			rows := next.rows
`, `			rows := append([]outbox.Row{}, next.rows...)
			sort.Slice(rows, func(i, j int) bool { return string(rows[i].Payload) < string(rows[j].Payload) })
`},
		{"worker/publisher.go", `	"context"
`, `	"context"
	"sort"
`},
	}},
	{"published-before-committed", "events are handed to the publisher before COMMIT", "commits,calm", []edit{
		{"worker/transact.go", `	l.span.settling(move.to, len(batch))
`, `	l.span.settling(move.to, len(batch))
	if err := l.publisher.enqueue(ctx, rows, l.span.context()); err != nil {
		return nil, nil, move, rollback(conn, err)
	}
	rows = nil
`},
	}},
	{"inbox-without-organization", "an id that another organization has used counts as used", "calm", []edit{
		{"worker/sql/load_inbox.sql", `i.org_token = wanted.org_token and i.key = wanted.key`, `i.key = wanted.key`},
	}},
	{"repeat-decided-again", "a repeat in the same batch is not recognised", "calm", []edit{
		{"worker/decide.go", `	s.remember(token, d.key, digest)
`, ``},
	}},
	{"lease-by-workers-clock", "leases are over by the clock of the worker that looks, and one worker's is ahead", "handovers", []edit{
		{"worker/sql/claim.sql", `lease_expires_at < clock_timestamp())`, `lease_expires_at < $5::timestamptz)`},
		{"worker/lease.go", `share-len(owned), w.config.LeaseTTL.Seconds())`, `share-len(owned), w.config.LeaseTTL.Seconds(), skewed(w.config.Name))`},
		{"worker/lease.go", `func scanLane(`, `// skewed is the time by the clock of a machine that is a minute ahead.
func skewed(name string) time.Time {
	if len(name) > 0 && name[len(name)-1]%2 == 0 {
		return time.Now().Add(time.Minute)
	}
	return time.Now()
}

func scanLane(`},
	}},
	{"poison-takes-neighbours", "a command that breaks its batch takes the half it stands in along", "calm", []edit{
		{"worker/apply.go", `	if err := l.apply(ctx, batch[:middle], patience); err != nil {
		return err
	}
	return l.apply(ctx, batch[middle:], patience)
`, `	_ = middle
	poisoned := map[uint64]string{}
	for _, received := range batch {
		poisoned[received.Sequence] = "its batch can't be applied"
	}
	rows, err := l.tryBatch(ctx, batch, poisoned)
	if err != nil {
		return l.apply(ctx, batch, patience)
	}
	return l.publisher.enqueue(ctx, rows, l.span.context())
`},
	}},
	{"poison-skipped", "a command that breaks its batch is passed over without an outcome", "calm", []edit{
		{"worker/apply.go", `			if failures++; failures >= poisonAfter {
`, `			if failures++; failures >= poisonAfter {
				if move := l.nextMove(batch); l.update(ctx, "update connect_provider.lanes set cursor = $4, cursor_time = $5 where lane = $1 and owner_token = $2 and epoch = $3",
					l.lane.String(), move.owner.token, move.owner.epoch, int64(move.to), move.toTime) == nil {
					l.moved(move)
					return nil
				}
`},
	}},
	{"half-forgotten", "of a batch that is halved the second half is not applied", "calm", []edit{
		{"worker/apply.go", `	return l.apply(ctx, batch[middle:], patience)
`, `	return nil
`},
	}},
	{"purge-beyond-slowest-lane", "a command stream is purged up to its end, whatever lanes have passed", "purges", []edit{
		{"worker/upkeep.go", `			passed = min(passed, next.Sequence-1)
`, `			passed = max(passed, next.Sequence-1)
`},
	}},
	{"stream-identity-unchecked", "a cursor is taken to count in whatever stream there is", "commands-lost", append([]edit{
		{"worker/same_log.go", `	if l.row.streamCreated != created {
		return nil, l.replaced(created), nil
	}
`, `	if l.row.streamCreated == 0 {
		return nil, l.replaced(created), nil
	}
`},
	}, cursorsMessageUnchecked...)},
	{"cut-back-unnoticed", "a stream that was cut back and has grown again is read on behind the cursor", "commands-lost", cursorsMessageUnchecked},
	{"doubt-taken-for-failed", "a COMMIT whose reply is lost is taken for one that failed", "commits", []edit{
		{"worker/apply.go", `		err = l.settleDoubt(ctx, move, err)
`, `		err = errDecideAgain
`},
	}},
	{"doubt-taken-for-done", "a COMMIT whose reply is lost is taken for one that happened", "commits", []edit{
		{"worker/apply.go", `		err = l.settleDoubt(ctx, move, err)
`, `		err = nil
`},
	}},
	{"load-before-lock", "the state is read before the partition is locked", "calm", []edit{
		{"worker/load.go", `	q.Queue(lockSQL, lane.Number).QueryRow(s.scanLockWait)
	s.queuePauses`, `	s.queuePauses`},
		{"worker/load.go", `	bounds := s.queueWanted(&q, w)
	if err`, `	bounds := s.queueWanted(&q, w)
	q.Queue(lockSQL, lane.Number).QueryRow(s.scanLockWait)
	if err`},
	}},
	{"no-lock", "decisions of one organization's two lanes do not exclude each other", "calm", []edit{
		{"worker/sql/lock.sql", `from pg_advisory_xact_lock(1667460196, $1::int)`, `from (select $1::int) as no_lock`},
	}},
	{"replay-without-merge", "a restored database publishes again what the stream has", "restore,failover", []edit{
		{"outbox/replay.go", `	digest := event.OutcomeDigest()
	if digest == newest.digest {
		return merged{}, false, nil
	}
`, `	digest := event.OutcomeDigest()
	if digest == newest.digest {
		return merged{subject: row.Subject, payload: row.Payload}, true, nil
	}
`},
	}},
	{"corrections-kept-back", "an outcome that came otherwise after a restore is not corrected", "restore,failover", []edit{
		{"outbox/replay.go", `	if digest == newest.digest {
`, `	if digest != newest.digest || digest == newest.digest {
`},
	}},
	{"reads-on-behind-the-next", "a reader that is made anew skips a message", "consumers,restarts", []edit{
		{"worker/reader.go", `	var consumed, last uint64
`, `	var consumed, last uint64
	skip := atCursor != nil
`},
		{"worker/reader.go", `		received := messages.Decode(messages.Message{
`, `		if skip {
			skip = false
			continue
		}
		received := messages.Decode(messages.Message{
`},
	}},
	{"letters-left-out", "what can't be understood leaves no dead letter", "calm", []edit{
		{"worker/write.go", `code == messages.MalformedCommand || code == messages.InternalError`, `code == messages.InternalError`},
	}},
	{"version-not-counted", "a number that moves to another configuration keeps its version", "calm", []edit{
		{"worker/decide.go", `		bridge.numbers[current.provider]--
	}
`, `		bridge.numbers[current.provider]--
		current.version--
	}
`},
	}},
	{"other-provider-allowed", "the bridge's other numbers may run through another provider", "calm", []edit{
		{"worker/state.go", `	if len(others) == 0 {
`, `	if len(others) < 2 {
`},
	}},
	{"outcomes-before-cursors", "who asks is told how far the lanes are by now, and the outcomes of before", "calm", []edit{
		{"worker/look_up.go", `	q.Queue(laneCursorsSQL, lanes).Query(func(rows pgx.Rows) error { return scanCursors(rows, cursors) })
	if len(ids) > 0 {
		q.Queue(loadOutcomesSQL, organization.Token, ids).Query(func(rows pgx.Rows) error { return scanOutcomes(rows, decided) })
	}
`, `	if len(ids) > 0 {
		q.Queue(loadOutcomesSQL, organization.Token, ids).Query(func(rows pgx.Rows) error { return scanOutcomes(rows, decided) })
	}
	q.Queue("select pg_sleep(0.05)")
	q.Queue(laneCursorsSQL, lanes).Query(func(rows pgx.Rows) error { return scanCursors(rows, cursors) })
`},
	}},
	{"doubt-told-as-refusal", "a gateway says of a command whose acknowledgement is lost that it was not accepted", "pauses", []edit{
		{"cmd/internal/gateway/publish.go", `		return published{acceptance: inDoubt, err: err}
`, `		return published{acceptance: notAccepted, err: err}
`},
	}},
	{"content-not-told-apart", "a gateway answers a request with the outcome of its key, whatever its content", "calm", []edit{
		{"cmd/internal/gateway/outcome.go", `	return data.BridgeSlug == c.command.BridgeSlug && data`, `	return data.BridgeSlug != "" && data`},
	}},
	{"failure-told-as-connection", "a gateway answers some failed commands as if they were connected", "calm", []edit{
		{"cmd/internal/gateway/outcome.go", `	if data.Error == nil {
`, `	if data.Error == nil || data.Error.Code == messages.ProviderConfigInactive {
`},
	}},
}
