package worker

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// heldLane is a lane with ten commands, c0 to c9, that is being applied while
// other lanes commit.
type heldLane struct {
	s       *system
	run     *laneRun
	batch   []*messages.Received
	applied chan error
	done    chan error
}

// applyTen begins to apply ten commands. An error may last for 100 ms until it
// is followed to the command that has it.
func (s *system) applyTen() *heldLane {
	s.t.Helper()
	ctx, end := context.WithCancel(context.Background())
	s.t.Cleanup(end)
	d := newDriver(s.t, s)
	for i := range 10 {
		s.publish(messages.Bulk, "acme", connectCommand(fmt.Sprintf("c%d", i), fmt.Sprintf("b%d", i), 1, number("+1555", i)))
	}
	run, err := d.acquire(messages.Lane{Class: messages.Bulk, Number: messages.Partition("acme", testLanes)})
	if err != nil {
		s.t.Fatal(err)
	}
	h := &heldLane{s: s, run: run, applied: make(chan error, 1), done: make(chan error, 1)}
	if h.batch, err = d.next(run, 10); err != nil {
		s.t.Fatal(err)
	}
	go func() { h.done <- run.publisher.run(ctx) }()
	go func() { h.applied <- run.apply(ctx, h.batch, 100*time.Millisecond) }()
	go func() { // other lanes commit meanwhile
		for sleep(ctx, 10*time.Millisecond) == nil {
			d.w.committed()
		}
	}()
	return h
}

// awaitHeldAt5 waits until the lane's row says that it is held at c5, by an
// error with the given parts, and checks that only what stands before it was
// decided.
func (h *heldLane) awaitHeldAt5(parts ...string) {
	h.s.t.Helper()
	systemtest.Eventually(h.s.t, "lane held", func() error {
		var sequence int64
		var cause string
		err := h.s.pool.QueryRow(context.Background(), `select coalesce(held_sequence, 0), coalesce(held_error, '') from connect_provider.lanes where lane = $1`,
			h.run.lane.String()).Scan(&sequence, &cause)
		for _, part := range parts {
			if err == nil && (uint64(sequence) != h.batch[5].Sequence || !strings.Contains(cause, part)) {
				err = fmt.Errorf("held at %d by %q, want %d and %q", sequence, cause, h.batch[5].Sequence, part)
			}
		}
		return err
	})
	if n := h.s.count(`select count(*) from connect_provider.inbox`); n != 5 {
		h.s.t.Errorf("%d commands decided while the lane is held, want the 5 before it", n)
	}
	if n := h.s.count(`select count(*) from connect_provider.dead_letters`); n != 0 {
		h.s.t.Errorf("%d dead letters while the lane is held", n)
	}
	if !h.run.held.Load() {
		h.s.t.Error("metrics do not say that the lane is held")
	}
}

func (h *heldLane) skip() {
	h.s.t.Helper()
	h.s.platform(`update connect_provider.lanes set skip_sequence = held_sequence, skip_reason = 'told to' where lane = $1`, h.run.lane.String())
	tell(h.run.nudged)
}

// check waits until all is applied and demands one outcome for each command in
// order, all connected but the one that was held.
func (h *heldLane) check(want string) {
	t := h.s.t
	t.Helper()
	tell(h.run.nudged)
	if err := <-h.applied; err != nil {
		t.Fatal(err)
	}
	close(h.run.publisher.queue)
	if err := <-h.done; err != nil {
		t.Fatal(err)
	}
	events := h.s.events()
	checkOrder(t, events)
	if len(events) != 10 || codeOf(events[5].Event) != want || codes(events)["connected"] < 9 {
		t.Errorf("outcomes %v, the held one %s, want %s", codes(events), codeOf(events[5].Event), want)
	}
	if n := h.s.count(`select count(*) from connect_provider.lanes where held_since is not null or skip_sequence is not null`); n != 0 {
		t.Error("the lane still says that it is held")
	}
	deadLetters := 0
	if want == "internal_error" {
		deadLetters = 1
	}
	if n := h.s.count(`select count(*) from connect_provider.dead_letters`); n != deadLetters {
		t.Errorf("%d dead letters, want %d", n, deadLetters)
	}
}

// TestLaneIsHeld: what nobody can class, what goes on conflicting when no other
// can be in the way, and what fails where the platform's tables are read, holds
// the lane at the command that has it, says so on the lane's row, harms no other
// lane, and ends when an operator skips the command or mends the cause.
func TestLaneIsHeld(t *testing.T) {
	t.Parallel()
	says := map[string]string{
		"unknown error": "planted", "conflict for ever": "decided again and again", "platform's row": "division by zero",
		"platform's cast": "invalid input syntax", "platform's own error": "planted",
	}
	view := func(s *system, condition string) {
		s.platform(`alter table telephony.phone_numbers rename to phone_numbers_of_the_platform`)
		s.platform(`create view telephony.phone_numbers as select phone_number, domain_handle, provider_config_id, active and ` + condition + ` as active
			from telephony.phone_numbers_of_the_platform`)
	}
	plants := map[string]func(*system){
		"unknown error":     func(s *system) { s.refuse("c5", "XX000") },
		"conflict for ever": func(s *system) { s.refuse("c5", "23505") },
		"platform's row":    func(s *system) { view(s, `1 / (case when phone_number like '%5' then 0 else 1 end) = 1`) },
		"platform's cast":   func(s *system) { view(s, `(case when phone_number like '%5' then 'five' else '1' end)::int = 1`) },
		"platform's own error": func(s *system) {
			s.platform(`create function telephony.refuse(phone text) returns boolean language plpgsql as
				$$ begin if phone like '%5' then raise exception 'planted'; end if; return true; end $$`)
			view(s, `telephony.refuse(phone_number)`)
		},
	}
	for name, plant := range plants {
		for _, way := range []string{"skip", "mend"} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				s.organization("acme", 10, 100, "+1555")
				plant(s)
				h := s.applyTen()
				h.awaitHeldAt5(says[name])
				if way == "skip" {
					h.skip()
					h.check("internal_error")
					return
				}
				if strings.HasPrefix(name, "platform") {
					s.platform(`create or replace view telephony.phone_numbers as select phone_number, domain_handle, provider_config_id, active
						from telephony.phone_numbers_of_the_platform`)
				} else {
					s.platform(`drop trigger refuse_c5 on connect_provider.inbox`)
				}
				h.check("connected")
			})
		}
	}
}

// TestFailureThatCannotBeWritten: a command is not given up without an outcome.
// The lane's row says that skipping does not help, and why.
func TestFailureThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]string{"data error": "22003", "unknown error": "XX000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.organization("acme", 10, 100, "+1555")
			s.platform(fmt.Sprintf(`create function connect_provider.refuse_all() returns trigger language plpgsql as
				$$ begin raise exception 'no row may be written' using errcode = '%s'; end $$`, state))
			s.platform(`create trigger refuse_all before insert on connect_provider.inbox
				for each row when (new.key = 'c5') execute function connect_provider.refuse_all()`)
			h := s.applyTen()
			if state == "XX000" {
				h.awaitHeldAt5("no row may be written")
				h.skip()
			}
			h.awaitHeldAt5("not even its failure can be written", "no row may be written", "skipping it does not help")
			h.skip()
			h.awaitHeldAt5("not even its failure can be written")
			s.platform(`drop trigger refuse_all on connect_provider.inbox`)
			h.check("internal_error")
		})
	}
}

// TestBrokenViewConcernsOnlyWhatAsksIt: where nothing of the platform's can be
// read, a message that needs nothing of it is decided, and a command that does
// can be skipped.
func TestBrokenViewConcernsOnlyWhatAsksIt(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 10, 100, "+1555")
	s.platform(`alter table telephony.phone_numbers rename to phone_numbers_of_the_platform`)
	s.platform(`create view telephony.phone_numbers as select phone_number, domain_handle, provider_config_id, 1/0 = 1 as active
		from telephony.phone_numbers_of_the_platform where 1/0 = 1`)
	s.work(func(c *Config) { c.HoldAfter = 50 * time.Millisecond })
	s.publish(messages.Bulk, "acme", []byte("not a command"))
	s.awaitEvents(1)
	s.publish(messages.Bulk, "acme", connectCommand("c0", "b0", 1, number("+1555", 0)))
	s.awaitCount("the lane held", 1, `select count(*) from connect_provider.lanes where held_error like '%division by zero%'`)
	if n := s.count(`select count(*) from connect_provider.inbox`); n != 1 {
		t.Errorf("%d decided, want the message that is no command", n)
	}
	s.platform(`update connect_provider.lanes set skip_sequence = held_sequence, skip_reason = 'told to' where held_since is not null`)
	if err := Nudge(s.nc); err != nil {
		t.Fatal(err)
	}
	if events := s.awaitEvents(2); codeOf(events[1].Event) != "internal_error" {
		t.Errorf("outcomes %v", codes(events))
	}
}

// TestHeldLaneNamesTheWayOut in the log line that an operator meets first.
func TestHeldLaneNamesTheWayOut(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 10, 100, "+1555")
	d := newDriver(t, s)
	option, _, logs := watched(t)
	option(&d.w.config)
	d.w.logger = d.w.config.Logger
	s.publish(messages.Bulk, "acme", connectCommand("c0", "b0", 1, number("+1555", 0)))
	lane := messages.Lane{Class: messages.Bulk, Number: messages.Partition("acme", testLanes)}
	l, err := d.acquire(lane)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := d.next(l, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if skip, _ := l.hold(context.Background(), batch[0], fmt.Errorf("planted")); skip {
			t.Error("skipped unasked")
		}
	}
	lines := logs.FilterMessageSnippet("lane held").All()
	want := fmt.Sprintf("connectctl skip --lane %s --sequence %d --reason TEXT", lane, batch[0].Sequence)
	if len(lines) != 1 || lines[0].ContextMap()["skip_with"] != want {
		t.Errorf("%d lines, the first with %v, want one with %q", len(lines), lines[0].ContextMap(), want)
	}
}
