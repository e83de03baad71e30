package worker

import (
	"fmt"
	"testing"
	"time"

	"connect-provider/messages"
)

// refuse makes the database refuse the inbox row of one command id with an
// SQLSTATE, as a defect of ours would.
func (s *system) refuse(id, state string) {
	s.t.Helper()
	s.platform(fmt.Sprintf(`create function connect_provider.refuse_%[1]s() returns trigger language plpgsql as
		$$ begin if new.failure_code is distinct from 'internal_error' then raise exception 'planted' using errcode = '%[2]s'; end if; return new; end $$`, id, state))
	s.platform(fmt.Sprintf(`create trigger refuse_%[1]s before insert on connect_provider.inbox
		for each row when (new.key = '%[1]s') execute function connect_provider.refuse_%[1]s()`, id))
}

// TestBreakingCommandIsIsolated: a command that breaks its batch gets
// internal_error and a dead letter; its 99 neighbours are applied, in order.
func TestBreakingCommandIsIsolated(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 10, 100, "+1555")
	s.refuse("c37", "22003")
	bodies := make([][]byte, 100)
	for i := range bodies {
		bodies[i] = connectCommand(fmt.Sprintf("c%d", i), fmt.Sprintf("b%d", i%10), 1, number("+1555", i))
	}
	s.publishAll(messages.Bulk, "acme", bodies)
	// the second breaks in deciding, by a panic
	w := s.workWith(func(w *Worker) {
		w.decide = func(st *state, batch []*messages.Received, poisoned map[uint64]string, at time.Time) []decision {
			for _, received := range batch {
				if _, known := poisoned[received.Sequence]; received.Command.ID == "c64" && !known {
					panic("planted")
				}
			}
			return decide(st, batch, poisoned, at)
		}
	})
	events := s.awaitEvents(100)
	checkOrder(t, events)
	for _, event := range events {
		want := "connected"
		if event.CommandID == "c37" || event.CommandID == "c64" {
			want = "internal_error"
		}
		if got := codeOf(event.Event); got != want {
			t.Errorf("%s: %s, want %s", event.CommandID, got, want)
		}
	}
	if n := s.count(`select count(*) from connect_provider.dead_letters where code = 'internal_error' and error like '%planted%'`); n != 2 {
		t.Errorf("%d dead letters, want 2", n)
	}
	w.stop()
}

// TestUniqueViolationIsDecidedAgain: 23505 means that somebody else was there
// first; it never fails a command.
func TestUniqueViolationIsDecidedAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 2, 2, "+1555")
	// the first inserts of a connection fail as if another had made it: more often
	// than a command that is to blame itself would be tried
	s.platform(`create sequence connect_provider.tries`)
	s.platform(`create function connect_provider.once() returns trigger language plpgsql as
		$$ begin if nextval('connect_provider.tries') <= 4 then raise exception 'planted' using errcode = '23505'; end if; return new; end $$`)
	s.platform(`create trigger once before insert on connect_provider.connections for each row execute function connect_provider.once()`)
	s.work()
	s.publish(messages.Interactive, "acme", connectCommand("c0", "b0", 1, number("+1555", 0)))
	if events := s.awaitEvents(1); codeOf(events[0].Event) != "connected" {
		t.Errorf("outcome %s, want connected", codeOf(events[0].Event))
	}
	if n := s.count(`select last_value from connect_provider.tries`); n != 5 {
		t.Errorf("inserted %d times, want 5", n)
	}
}
