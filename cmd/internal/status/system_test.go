package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// system reads the state and checks that both servers answered.
func (b *bed) system() *System {
	b.t.Helper()
	d := b.asked.System(b.t.Context(), Numbers{})
	for _, server := range []Server{d.Database, d.NATS} {
		if !server.Answers {
			b.t.Fatalf("no answer: %s", *server.Error)
		}
	}
	return d
}

func (d *System) laneNamed(name messages.Lane) *Lane {
	for i := range d.Lanes {
		if d.Lanes[i].lane == name {
			return &d.Lanes[i]
		}
	}
	return nil
}

// wantCodes checks which problems there are, in order, and returns them.
func wantCodes(t *testing.T, d *System, want ...string) []Problem {
	t.Helper()
	var got []string
	for _, p := range d.Problems {
		got = append(got, p.Code)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || d.OK != (len(want) == 0) {
		t.Fatalf("problems %v, ok %v, want %v\n%+v", got, d.OK, want, d.Problems)
	}
	return d.Problems
}

func TestAHealthySystemIsOK(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	sequence := b.publish(messages.Interactive, "acme", command("one", "sales-bridge-001"))
	b.publish(messages.Bulk, "acme", command("two", "nowhere"))
	b.awaitDecided(2)
	d := b.system()
	wantCodes(t, d)
	if len(d.Lanes) != 2*testLanes || d.Lanes[0].Lane != "c0" || d.Lanes[2*testLanes-1].Lane != "b1" {
		t.Fatalf("lanes %+v", d.Lanes)
	}
	for _, l := range d.Lanes {
		if l.Lease != LeaseHeld || *l.LeaseSeconds <= 0 || *l.Owner != "worker-of-"+t.Name() || *l.LagMessages != 0 || l.LagSeconds != nil || *l.Log != LogSame {
			t.Errorf("%+v", l)
		}
	}
	acme := d.laneNamed(laneOf(t, messages.Interactive, "acme"))
	if acme.Cursor != sequence || time.Since(*acme.CursorTime) > time.Hour {
		t.Errorf("cursor %d at %s, want %d", acme.Cursor, acme.CursorTime, sequence)
	}
	if len(d.Workers) != 1 || !d.Workers[0].Live || strings.Join(d.Workers[0].Lanes, " ") != "c0 c1 b0 b1" {
		t.Errorf("workers %+v", d.Workers)
	}
	if len(d.Streams) != 3 || d.Streams[0].Messages != 1 || *d.Streams[0].MaxBytes != 1<<20 || *d.Streams[1].Lanes != testLanes || d.Streams[2].Messages != 2 || d.Streams[2].FirstTime == nil {
		t.Errorf("streams %+v", d.Streams)
	}
	if d.DeadLetters.Open != 0 || d.Outbox.Depth != 0 || d.Pauses == nil || len(d.Pauses) != 0 {
		t.Errorf("%+v %+v %+v", d.DeadLetters, d.Outbox, d.Pauses)
	}
}

// Lag is exact: what other lanes have, and what is decided, does not count.
func TestLagCountsTheUndecidedCommandsOfALane(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	w := b.work()
	b.publish(messages.Interactive, "acme", command("decided", "sales-bridge-001"))
	b.awaitDecided(1)
	w.stop()
	other := otherOrganization(t, "acme")
	b.publish(messages.Interactive, other, command("x", "b"))
	first := b.publish(messages.Interactive, "acme", command("one", "b"))
	b.publish(messages.Interactive, other, command("y", "b"))
	b.publish(messages.Interactive, "acme", command("two", "b"))
	b.publish(messages.Bulk, "acme", command("three", "b"))
	d := b.system()
	wantCodes(t, d, "no_worker")
	for lane, want := range map[messages.Lane]uint64{
		laneOf(t, messages.Interactive, "acme"): 2, laneOf(t, messages.Interactive, other): 2,
		laneOf(t, messages.Bulk, "acme"): 1, laneOf(t, messages.Bulk, other): 0,
	} {
		l := d.laneNamed(lane)
		if *l.LagMessages != want || (l.LagSeconds != nil) != (want > 0) || l.Lease != LeaseNobody || l.Owner != nil {
			t.Errorf("lane %s: lag %d, %v; want %d\n%+v", lane, *l.LagMessages, l.LagSeconds, want, l)
		}
	}
	if l := d.laneNamed(laneOf(t, messages.Interactive, "acme")); *l.NextSequence != first || *l.LagSeconds < 0 || *l.LagSeconds > 3600 {
		t.Errorf("next %d for %f s, want %d", *l.NextSequence, *l.LagSeconds, first)
	}
	// a look leaves no consumer behind
	for _, class := range messages.Classes() {
		stream, err := b.js.Stream(t.Context(), class.Stream())
		if err != nil {
			t.Fatal(err)
		}
		if n := stream.CachedInfo().State.Consumers; n != 0 {
			t.Errorf("%d consumers are left in %s", n, class.Stream())
		}
	}
}

// otherOrganization names one whose lane is not the given one's.
func otherOrganization(t *testing.T, handle string) string {
	for i := range 100 {
		other := fmt.Sprintf("other%d", i)
		if laneOf(t, messages.Interactive, other) != laneOf(t, messages.Interactive, handle) {
			return other
		}
	}
	t.Fatal("all organizations share a lane")
	return ""
}

func TestAKilledWorkersLeaseRunsOut(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work().kill()
	var d *System
	systemtest.Eventually(t, "the leases to run out", func() error {
		d = b.system()
		for _, l := range d.Lanes {
			if l.Lease != LeaseExpired || d.Workers[0].Live {
				return fmt.Errorf("lane %s: lease %s, worker %+v", l.Lane, l.Lease, d.Workers[0])
			}
		}
		return nil
	})
	for _, l := range d.Lanes {
		if *l.LeaseSeconds > 0 || *l.Owner != "worker-of-"+t.Name() {
			t.Errorf("%+v", l)
		}
	}
	problems := wantCodes(t, d, "no_worker")
	if !strings.Contains(problems[0].Message, "last seen: worker-of-"+t.Name()) || len(d.Workers[0].Lanes) != 0 {
		t.Errorf("%+v %+v", problems, d.Workers)
	}
	// with another worker alive, it is the lanes that are left
	b.execute(`insert into connect_provider.workers values (gen_random_uuid(), 'another', 'test', now(), now(), now() + interval '1 hour')`)
	problems = wantCodes(t, b.system(), "lanes_free")
	if fmt.Sprint(problems[0].Lanes) != "[c0 c1 b0 b1]" {
		t.Errorf("%+v", problems)
	}
}

func TestAHeldLaneSaysWhereWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	b.execute(`update connect_provider.lanes set held_since = now() - interval '3 minutes', held_sequence = 4711,
		held_error = 'planted for +1234567890' where lane = 'c1'`)
	d := b.system()
	p := wantCodes(t, d, "lane_held")[0]
	if p.Severity != Error || p.Summary != "lane c1 is held" || !strings.Contains(p.Message, "at sequence 4711 for 3m0s: planted for +1*****7890") ||
		!strings.Contains(p.Action, "connectctl skip --lane c1 --sequence 4711 --reason TEXT") || fmt.Sprint(p.Lanes) != "[c1]" {
		t.Errorf("%+v", p)
	}
	if h := d.Lanes[1].Held; h.Sequence != 4711 || h.Seconds < 180 || strings.Contains(h.Error, "234567") {
		t.Errorf("%+v", h)
	}
	revealed := b.asked.System(t.Context(), Numbers{Reveal: true})
	if h := revealed.Lanes[1].Held; h.Error != "planted for +1234567890" {
		t.Errorf("%+v", h)
	}

	// asking to skip another command than the one it stands at helps nobody
	b.execute(`update connect_provider.lanes set skip_sequence = 4710, skip_reason = 'ticket' where lane = 'c1'`)
	if p := wantCodes(t, b.system(), "lane_held")[0]; !strings.Contains(p.Action, "connectctl skip") {
		t.Errorf("%+v", p)
	}
	b.execute(`update connect_provider.lanes set skip_sequence = 4711 where lane = 'c1'`)
	d = b.system()
	if p := wantCodes(t, d, "lane_held")[0]; !strings.Contains(p.Action, "wait") || !strings.Contains(p.Message, "to be skipped: ticket") || d.Lanes[1].Skip.Sequence != 4711 {
		t.Errorf("%+v", p)
	}
}

func TestPausesConcernTheirLanes(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	dotted := "example.com"
	b.execute(`insert into connect_provider.pauses (class, org_token, reason) values ('c', $1, 'their ticket'), ('b', '', 'our ticket')`,
		organization(t, dotted).Token)
	d := b.system()
	problems := wantCodes(t, d, "paused", "paused")
	if !strings.HasPrefix(problems[0].Message, "interactive commands of example.com are paused for ") || !strings.HasSuffix(problems[0].Message, ": their ticket") ||
		problems[0].Action != "when the reason is gone: connectctl resume --class interactive --org example.com" ||
		problems[1].Summary != "bulk commands are paused" || problems[1].Severity != Warning {
		t.Errorf("%+v", problems)
	}
	for _, l := range d.Lanes {
		want := 0
		if l.Class == "bulk" || l.lane == laneOf(t, messages.Interactive, dotted) {
			want = 1
		}
		if len(l.Paused) != want {
			t.Errorf("lane %s: %+v", l.Lane, l.Paused)
		}
	}
}

// Outcomes that are decided and stay in the outbox are told by the age of the
// oldest, not by their number: a batch passes through it in milliseconds.
func TestAnOutboxThatIsNotEmptied(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	event := messages.Event{Lane: messages.Lane{Class: messages.Interactive, Number: 1}, Organization: organization(t, "acme"), Type: messages.EventConnected, Generation: 1}
	insert := func(sequence uint64, at time.Time) {
		event.Sequence, event.Time = sequence, at
		payload, err := event.Encode()
		if err != nil {
			t.Fatal(err)
		}
		b.execute(`insert into connect_provider.outbox values ('c1', 1, $1, $2, $3)`, int64(sequence), event.MessageSubject(), payload)
	}
	now := time.Now()
	insert(8, now)
	insert(9, now)
	d := b.system()
	wantCodes(t, d)
	if d.Outbox.Depth != 2 || d.Lanes[1].Outbox.Depth != 2 || d.Lanes[0].Outbox.Depth != 0 {
		t.Errorf("%+v", d.Lanes)
	}
	insert(7, now.Add(-time.Minute))
	d = b.system()
	p := wantCodes(t, d, "unpublished")[0]
	if !strings.HasPrefix(p.Message, "3 outcomes are decided and not published, the oldest for 1m") || fmt.Sprint(p.Lanes) != "[c1]" || *d.Outbox.OldestSeconds < 59 {
		t.Errorf("%+v", p)
	}
}

func TestReplayAndDeadLettersAreTold(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	b.execute(`update connect_provider.lanes set replay_from = 1, replay_until_generation = 2, replay_until_sequence = 500 where lane in ('c0', 'c1')`)
	b.execute(`insert into connect_provider.dead_letters
		select 'c0', 1, n, 1, 1, 'acme', 's', '', '', case when n <= 3 then 'malformed_command' else 'internal_error' end, 'e', now() - n * interval '1 hour'
		from generate_series(1, 5) n`)
	b.execute(`update connect_provider.dead_letters set redrives = 1, redriven_at = now(), redriven_as = 'again' where sequence in (3, 5)`)
	d := b.system()
	problems := wantCodes(t, d, "replaying", "internal_errors")
	if !strings.Contains(problems[0].Message, "(lanes c0, c1)") || !strings.HasPrefix(problems[1].Message, "1 command failed with internal_error") {
		t.Errorf("%+v", problems)
	}
	if *d.Lanes[0].ReplayUntil != (Position{2, 500}) {
		t.Errorf("%+v", d.Lanes[0].ReplayUntil)
	}
	letters := d.DeadLetters
	if letters.Open != 3 || letters.Redriven != 2 || len(letters.Codes) != 2 || letters.Codes[0].Code != "internal_error" || letters.Codes[0].Open != 1 ||
		letters.Codes[1].Open != 2 || letters.Codes[1].Redriven != 1 || !letters.OldestOpen.Equal(*letters.Codes[0].OldestOpen) ||
		time.Since(*letters.OldestOpen).Round(time.Hour) != 4*time.Hour {
		t.Errorf("%+v", letters)
	}
	// those that were published again are no problem any longer
	b.execute(`update connect_provider.dead_letters set redrives = 1, redriven_at = now(), redriven_as = 'again'`)
	wantCodes(t, b.system(), "replaying")
}

func TestStreamsThatWouldLoseDataAreNamed(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	stream, err := b.js.Stream(t.Context(), messages.Bulk.Stream())
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxAge = time.Hour
	if _, err := b.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	d := b.system()
	p := wantCodes(t, d, "stream_unsafe")[0]
	if p.Summary != "stream TELEPHONY_BULK is not safe" || !strings.Contains(p.Message, "max_age is 1h0m0s") || p.Action != "connect-provider streams --mend" {
		t.Errorf("%+v", p)
	}
	if f := d.Streams[1].Findings; len(f) != 1 || f[0].Setting != "max_age" || !f[0].Fatal || len(d.Streams[0].Findings) != 0 {
		t.Errorf("%+v", d.Streams)
	}
	// what an installation may choose is not compared
	config.MaxAge, config.MaxBytes = 0, 2<<20
	if _, err := b.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	wantCodes(t, b.system())
}

func TestAFullStreamIsTold(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	fill := func(limit int64) {
		t.Helper()
		stream, err := b.js.Stream(t.Context(), messages.EventsStream)
		if err != nil {
			t.Fatal(err)
		}
		config := stream.CachedInfo().Config
		config.MaxMsgs = limit
		if _, err := b.js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 9 {
		b.publish(messages.Interactive, "acme", command(fmt.Sprint("c", i), "nowhere"))
	}
	b.awaitDecided(9)
	fill(12)
	wantCodes(t, b.system())
	fill(10)
	if p := wantCodes(t, b.system(), "stream_full")[0]; p.Severity != Warning || !strings.Contains(p.Message, "TELEPHONY_EVENTS is 90% full") || !strings.Contains(p.Action, "--events-max-bytes") {
		t.Errorf("%+v", p)
	}
	fill(9)
	if p := wantCodes(t, b.system(), "stream_full")[0]; p.Severity != Error || !strings.Contains(p.Message, "wait") {
		t.Errorf("%+v", p)
	}
}

func TestStreamsThatAreMissingReplacedOrCutDifferently(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	w := b.work()
	b.publish(messages.Bulk, "acme", command("one", "nowhere"))
	b.awaitDecided(1)
	w.stop()
	create := func(lanes int) {
		t.Helper()
		if _, err := b.js.CreateStream(t.Context(), messages.CommandsStreamConfig(messages.Bulk, messages.StreamOptions{Lanes: lanes, BulkMaxBytes: 1 << 20})); err != nil {
			t.Fatal(err)
		}
	}
	remove := func() {
		t.Helper()
		if err := b.js.DeleteStream(t.Context(), messages.Bulk.Stream()); err != nil {
			t.Fatal(err)
		}
	}
	remove()
	d := b.system()
	wantCodes(t, d, "stream_missing", "no_worker")
	if d.Streams[1].Exists || d.laneNamed(laneOf(t, messages.Bulk, "acme")).LagMessages != nil {
		t.Errorf("%+v", d.Streams[1])
	}
	create(testLanes)
	b.publish(messages.Bulk, "acme", command("two", "nowhere"))
	d = b.system()
	problems := wantCodes(t, d, "no_worker", "stream_replaced")
	if fmt.Sprint(problems[1].Lanes) != "[b0 b1]" {
		t.Errorf("%+v", problems)
	}
	// the old stream's cursor does not hide the new one's first command
	if l := d.laneNamed(laneOf(t, messages.Bulk, "acme")); *l.LagMessages != 1 || *l.Log != LogReplaced {
		t.Errorf("%+v", l)
	}
	remove()
	create(testLanes + 1)
	wantCodes(t, b.system(), "stream_unsafe", "lanes_differ", "no_worker", "stream_replaced")
}

func TestAStreamThatWasCutBackIsTold(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work().stop()
	stream, err := b.js.Stream(t.Context(), messages.Interactive.Stream())
	if err != nil {
		t.Fatal(err)
	}
	b.execute(`update connect_provider.lanes set stream_created = $1, generation = 1, cursor = 100, cursor_time = 1 where lane = 'c0'`, stream.CachedInfo().Created.UnixNano())
	d := b.system()
	wantCodes(t, d, "no_worker", "stream_cut_back")
	if d.Lanes[0].LagMessages != nil || *d.Lanes[0].Log != LogCutBack {
		t.Errorf("%+v", d.Lanes[0])
	}
}

// What one server tells is told although the other is away.
func TestOneServerAway(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	w := b.work()
	b.publish(messages.Interactive, "acme", command("one", "nowhere"))
	b.awaitDecided(1)
	w.stop()

	b.server.Stop()
	systemtest.Eventually(t, "the connection to notice", func() error {
		if b.js.Conn().IsConnected() {
			return fmt.Errorf("connected")
		}
		return nil
	})
	d := b.asked.System(t.Context(), Numbers{})
	if d.NATS.Answers || !d.Database.Answers || d.Streams != nil || len(d.Lanes) != 2*testLanes || d.Lanes[0].LagMessages != nil {
		t.Errorf("%+v", d)
	}
	if p := wantCodes(t, d, "nats_away", "no_worker")[0]; !strings.Contains(p.Message, "the connection is lost") {
		t.Errorf("%+v", p)
	}

	b.server.Start()
	systemtest.Eventually(t, "the connection to be back", func() error {
		if !b.js.Conn().IsConnected() {
			return fmt.Errorf("not connected")
		}
		return nil
	})
	away := *b.asked
	away.Database, away.DatabaseError = nil, fmt.Errorf("dial: password s3cret refused")
	away.Mask = func(text string) string { return strings.ReplaceAll(text, "s3cret", "xxxxx") }
	d = away.System(t.Context(), Numbers{})
	if !d.NATS.Answers || d.Database.Answers || d.Lanes != nil || d.Workers != nil || d.Outbox != nil || d.DeadLetters != nil || d.Streams[0].Messages != 1 {
		t.Errorf("%+v", d)
	}
	if p := wantCodes(t, d, "database_away")[0]; !strings.Contains(p.Message, "password xxxxx refused") {
		t.Errorf("%+v", p)
	}
}

func TestBothServersAway(t *testing.T) {
	t.Parallel()
	s := &Servers{DatabaseError: fmt.Errorf("gone"), NATSError: fmt.Errorf("gone too"), Timeout: time.Second}
	d := s.System(t.Context(), Numbers{})
	wantCodes(t, d, "database_away", "nats_away")
}
