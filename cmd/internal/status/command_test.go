package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

func (b *bed) command(id string) *Command {
	b.t.Helper()
	return b.asked.Command(b.t.Context(), organization(b.t, "acme"), id, Numbers{})
}

func TestTheHistoryOfADecidedCommand(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	w := b.work()
	// the numbers of the history are not all 1
	b.publish(messages.Interactive, "acme", command("zero", "nowhere"))
	sequence := b.publish(messages.Interactive, "acme", command("one", "sales-bridge-001"))
	b.publish(messages.Interactive, "acme", command("two", "nowhere"))
	b.awaitDecided(3)
	lane := laneOf(t, messages.Interactive, "acme").String()

	d := b.command("one")
	if d.State != Published || !d.Database.Answers || !d.NATS.Answers || d.Organization != "acme" || d.Waiting != nil || *d.InOutbox || len(d.DeadLetters) != 0 {
		t.Fatalf("%+v", d)
	}
	if a := d.Accepted; a.Sequence != sequence || a.Lane != lane || a.Stream != "TELEPHONY_COMMANDS" || *a.Generation != 1 || time.Since(*a.Time) > time.Hour {
		t.Errorf("%+v", a)
	}
	if o := d.Decided; o.Outcome != Connected || !o.Changed || *o.BridgeSlug != "sales-bridge-001" || *o.ProviderConfigID != 42 || *o.Provider != "twilio" ||
		*o.PhoneNumber != "+1*****7890" || *o.ConnectionVersion != 1 || o.Code != nil || o.Time.Before(*d.Accepted.Time) {
		t.Errorf("%+v", o)
	}
	token := organization(t, "acme").Token
	if len(d.Events) != 1 || d.Events[0].ID != messages.EventID(token, "one").String() || d.Events[0].Sequence != 2 || d.Events[0].Code != nil || d.Events[0].Corrects != nil {
		t.Errorf("%+v", d.Events)
	}
	if revealed := b.asked.Command(t.Context(), organization(t, "acme"), "one", Numbers{Reveal: true}); *revealed.Decided.PhoneNumber != "+1234567890" {
		t.Errorf("%+v", revealed.Decided)
	}
	if d := b.command("two"); d.State != Published || d.Decided.Outcome != Failed || *d.Decided.Code != "bridge_not_found" || *d.Events[0].Code != "bridge_not_found" {
		t.Errorf("%+v %+v", d.Decided, d.Events)
	}
	// another organization's id is another command
	if d := b.asked.Command(t.Context(), organization(t, "globex"), "one", Numbers{}); d.State != Unknown {
		t.Errorf("globex's: %s", d.State)
	}

	// published earlier than the database remembers deciding it, and corrected
	w.stop()
	b.execute(`update connect_provider.inbox set decided_at = now() + interval '1 hour' where key = 'one'`)
	b.correct("one")
	d = b.command("one")
	if len(d.Events) != 2 || *d.Events[1].Corrects != d.Events[0].ID || *d.Events[1].Code != "bridge_not_found" {
		t.Errorf("%+v", d.Events)
	}

	// the inbox forgets, the events stream does not yet
	b.execute(`delete from connect_provider.inbox`)
	d = b.command("one")
	if d.State != Published || len(d.Events) != 2 || d.Decided.Outcome != Failed || *d.Decided.Code != "bridge_not_found" || d.Accepted.Sequence != sequence || d.Accepted.Time != nil {
		t.Errorf("%+v %+v %+v", d.State, d.Decided, d.Accepted)
	}
	if d := b.command("three"); d.State != Unknown || d.Accepted != nil || d.Events == nil {
		t.Errorf("%+v", d)
	}
}

// correct publishes the correction that a restored database would have made.
func (b *bed) correct(id string) {
	b.t.Helper()
	stored, err := b.js.Stream(b.t.Context(), messages.EventsStream)
	if err != nil {
		b.t.Fatal(err)
	}
	for sequence := stored.CachedInfo().State.FirstSeq; ; sequence++ {
		m, err := stored.GetMsg(b.t.Context(), sequence)
		if err != nil {
			b.t.Fatal(err)
		}
		earlier, err := messages.DecodeEvent(m.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		if earlier.CommandID != id {
			continue
		}
		event := earlier
		event.Type, event.Data.Error = messages.EventConnectFailed, &messages.Failure{Code: messages.BridgeNotFound, Message: "gone"}
		if event.Lane, event.Organization, _, err = messages.ParseEventSubject(m.Subject); err != nil {
			b.t.Fatal(err)
		}
		event = event.Correct(earlier)
		body, err := event.Encode()
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := b.js.PublishMsg(b.t.Context(), &nats.Msg{Subject: event.MessageSubject(), Data: body}); err != nil {
			b.t.Fatal(err)
		}
		return
	}
}

func TestADecidedCommandWhoseEventIsStillInTheOutbox(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	w := b.work()
	sequence := b.publish(messages.Interactive, "acme", command("one", "nowhere"))
	b.awaitDecided(1)
	w.stop()
	stream, err := b.js.Stream(t.Context(), messages.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := b.command("one"); d.State != DecidedOnly || !d.EventsSearched {
		t.Errorf("%+v", d)
	}
	b.execute(`insert into connect_provider.outbox values ($1, 1, $2, 's', '')`, laneOf(t, messages.Interactive, "acme").String(), int64(sequence))
	if d := b.command("one"); d.State != Unpublished || !*d.InOutbox {
		t.Errorf("%+v", d)
	}
}

func TestACommandThatWaits(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	w := b.work()
	b.publish(messages.Bulk, "acme", command("decided", "nowhere"))
	b.awaitDecided(1)
	w.stop()
	lane := laneOf(t, messages.Bulk, "acme")
	other := otherOrganization(t, "acme")
	neighbour := neighbourOf(t, "acme")
	b.publish(messages.Bulk, neighbour, command("three", "b")) // same lane, same id, another organization
	b.publish(messages.Bulk, other, command("x", "b"))         // another lane
	b.publish(messages.Bulk, "acme", command("one", "b"))
	b.publish(messages.Bulk, "acme", `not JSON`)
	sequence := b.publish(messages.Bulk, "acme", command("three", "b"))
	b.publish(messages.Bulk, "acme", command("four", "b"))
	b.execute(`update connect_provider.lanes set held_since = now(), held_sequence = 3, held_error = 'planted' where lane = $1`, lane.String())
	b.execute(`insert into connect_provider.pauses (class, org_token, reason) values ('b', 'acme', 'a ticket')`)

	d := b.command("three")
	if d.State != NotDecided || d.Decided != nil || d.Accepted.Sequence != sequence || d.Accepted.Stream != "TELEPHONY_BULK" || d.Accepted.Generation != nil || time.Since(*d.Accepted.Time) > time.Hour {
		t.Fatalf("%+v %+v", d, d.Accepted)
	}
	if w := d.Waiting; *w.Ahead != 3 || w.Lane.Lane != lane.String() || w.Lane.Held == nil || len(w.Lane.Paused) != 1 || w.Lane.Lease != LeaseNobody {
		t.Errorf("%+v", w)
	}
	// commands without an id are found under the one that is made for them
	ack := b.publish(messages.Interactive, "acme", `{"bridge_slug":"b","provider_config_id":42,"phone_number":"+1234567890"}`)
	stream, err := b.js.Stream(t.Context(), messages.Interactive.Stream())
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetMsg(t.Context(), ack)
	if err != nil {
		t.Fatal(err)
	}
	made := fmt.Sprintf("stream:%d:%d:%d", stream.CachedInfo().Created.UnixNano(), ack, m.Time.UnixNano())
	if d := b.command(made); d.State != NotDecided || d.Accepted.Sequence != ack || *d.Waiting.Ahead != 0 {
		t.Errorf("%+v", d)
	}
	// what is decided does not wait, although it is still in its stream
	if d := b.command("decided"); d.State != Published || d.Waiting != nil {
		t.Errorf("%+v", d)
	}
	b.execute(`delete from connect_provider.inbox`)
	if d := b.command("decided"); d.Waiting != nil {
		t.Errorf("%+v", d)
	}
}

// neighbourOf names an organization in the same lane.
func neighbourOf(t *testing.T, handle string) string {
	for i := range 100 {
		if other := fmt.Sprintf("neighbour%d", i); laneOf(t, messages.Bulk, other) == laneOf(t, messages.Bulk, handle) {
			return other
		}
	}
	t.Fatal("no organization shares the lane")
	return ""
}

func TestTheHistoryOfACommandWithOneServerAway(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	w := b.work()
	b.publish(messages.Interactive, "acme", command("one", "nowhere"))
	b.awaitDecided(1)
	w.stop()
	sequence := b.publish(messages.Interactive, "acme", command("two", "nowhere"))
	acme := organization(t, "acme")

	withoutDatabase := &Servers{JetStream: b.js, DatabaseError: fmt.Errorf("gone"), Timeout: time.Minute}
	d := withoutDatabase.Command(t.Context(), acme, "one", Numbers{})
	if d.State != Published || *d.Decided.Code != "bridge_not_found" || d.InOutbox != nil || d.DeadLetters != nil || d.Database.Answers {
		t.Errorf("%+v", d)
	}
	d = withoutDatabase.Command(t.Context(), acme, "two", Numbers{})
	if d.State != Undetermined || d.Accepted.Sequence != sequence || d.Waiting.Lane != nil || d.Waiting.Ahead != nil {
		t.Errorf("%+v", d)
	}
	withoutNATS := &Servers{Database: b.pool, NATSError: fmt.Errorf("gone"), Timeout: time.Minute}
	d = withoutNATS.Command(t.Context(), acme, "one", Numbers{})
	if d.State != DecidedOnly || *d.Decided.Code != "bridge_not_found" || d.Events != nil || d.NATS.Answers {
		t.Errorf("%+v", d)
	}
	if d = withoutNATS.Command(t.Context(), acme, "two", Numbers{}); d.State != Undetermined {
		t.Errorf("%+v", d)
	}
}

func TestTheDeadLettersOfACommand(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	// broken: a command that can't be written, so that it fails inside
	b.execute(`create function connect_provider.refuse() returns trigger language plpgsql as
		$$ begin if new.failure_code is distinct from 'internal_error' then raise exception 'planted for %', new.phone_number using errcode = '22003'; end if; return new; end $$`)
	b.execute(`create trigger refuse before insert on connect_provider.inbox for each row when (new.key = 'broken') execute function connect_provider.refuse()`)
	w := b.work()
	broken := b.publish(messages.Interactive, "acme", command("broken", "sales-bridge-001"))
	claims := b.publish(messages.Interactive, "acme", `{"command_id":"claimed","bridge_slug":7}`)
	b.publish(messages.Interactive, "acme", `{"command_id":"other","bridge_slug":"claimed","surplus":"broken"}`)
	b.publish(messages.Interactive, "globex", `{"command_id":"claimed","bridge_slug":7}`)
	b.publish(messages.Interactive, "acme", command("broken-again", "sales-bridge-001"))
	b.awaitDecided(5)
	w.stop()
	b.execute(`update connect_provider.dead_letters set redrives = 2, redriven_at = now(), redriven_as = 'broken-again' where sequence = $1`, int64(broken))

	d := b.command("broken")
	if d.State != Published || *d.Decided.Code != "internal_error" || len(d.DeadLetters) != 1 {
		t.Fatalf("%+v", d)
	}
	if l := d.DeadLetters[0]; l.Relation != Left || l.Sequence != broken || l.Code != "internal_error" || !strings.Contains(l.Error, "planted for +1*****7890") ||
		l.Redrives != 2 || *l.RedrivenAs != "broken-again" || *l.RedrivenOutcome != Connected || l.RedrivenAt == nil {
		t.Errorf("%+v", l)
	}
	d = b.command("broken-again")
	if len(d.DeadLetters) != 1 || d.DeadLetters[0].Relation != Origin || d.DeadLetters[0].Sequence != broken || d.Decided.Outcome != Connected {
		t.Errorf("%+v", d)
	}
	d = b.command("claimed")
	if d.State != Unknown || len(d.DeadLetters) != 1 || d.DeadLetters[0].Relation != Claimed || d.DeadLetters[0].Sequence != claims || d.DeadLetters[0].RedrivenAt != nil {
		t.Errorf("%+v", d)
	}
}

// A search that time cuts short says so, and does not take what it did not see
// for something that is not there.
func TestASearchThatIsCutShortSaysSo(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work().stop()
	b.publish(messages.Interactive, "acme", command("one", "b"))
	infos, err := readStreams(t.Context(), b.js)
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	d := &Command{CommandID: "one", Database: Server{Answers: true}, NATS: Server{Answers: true}, organization: organization(t, "acme")}
	if err := errors.Join(d.findWaiting(over, b.js, infos), d.findEvents(over, b.js, infos)); err != nil || d.WaitingSearched || d.EventsSearched {
		t.Errorf("%v, %+v", err, d)
	}
	if got := d.state(); got != Undetermined {
		t.Errorf("nothing read: %s", got)
	}
	d.EventsSearched = true
	if got := d.state(); got != Undetermined {
		t.Errorf("not all waiting ones read: %s", got)
	}
	d.WaitingSearched, d.EventsSearched = true, false
	if got := d.state(); got != Undetermined {
		t.Errorf("not all events read: %s", got)
	}
	d.EventsSearched = true
	if got := d.state(); got != Unknown {
		t.Errorf("all read: %s", got)
	}
}

func TestThePhoneNumbersHistoryIsInOrderOfDecision(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.work()
	number, err := messages.ParsePhoneNumber("+1234567890")
	if err != nil {
		t.Fatal(err)
	}
	d := b.asked.Phone(t.Context(), number, nil)
	if d.Connection != nil || d.Platform == nil || d.Commands == nil || len(d.Commands) != 0 {
		t.Errorf("%+v", d)
	}
	// each is decided before the next is published, in lanes of both classes
	var want []string
	publish := func(class messages.Class, handle, id, body, outcome string) {
		t.Helper()
		b.publish(class, handle, body)
		want = append(want, handle+" "+id+" "+outcome)
		b.awaitDecided(len(want))
	}
	publish(messages.Bulk, "acme", "one", command("one", "sales-bridge-001"), "connected")
	publish(messages.Interactive, "acme", "two", command("two", "sales-bridge-001"), "unchanged")
	publish(messages.Interactive, "example.com", "two", command("two", "front-desk"), "provider_config_not_found")
	publish(messages.Bulk, "acme", "three", command("three", "support-bridge-001"), "phone_number_in_use")
	publish(messages.Interactive, "acme", "-", command("one", "support-bridge-001"), "command_id_reused")
	// another number is another history
	b.publish(messages.Interactive, "acme", strings.Replace(command("five", "sales-bridge-001"), "7890", "7892", 1))
	b.awaitDecided(len(want) + 1)

	d = b.asked.Phone(t.Context(), number, nil)
	var got []string
	for _, c := range d.Commands {
		id, outcome := "-", "connected"
		if c.CommandID != nil {
			id = *c.CommandID
		}
		switch {
		case c.Decided.Code != nil:
			outcome = *c.Decided.Code
		case !c.Decided.Changed:
			outcome = "unchanged"
		}
		got = append(got, c.Organization+" "+id+" "+outcome)
		if *c.Decided.PhoneNumber != "+1234567890" || c.Accepted.Sequence == 0 || c.Accepted.Stream == "" {
			t.Errorf("%+v", c)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if c := d.Connection; c == nil || c.BridgeSlug != "sales-bridge-001" || c.Organization != "acme" || c.ProviderConfigID != 42 || c.Provider != "twilio" || c.Version != 1 {
		t.Errorf("%+v", c)
	}
	if p := d.Platform; p.Organization != "acme" || p.ProviderConfigID != 42 || !p.Active || *p.Provider != "twilio" || !*p.ConfigActive {
		t.Errorf("%+v", p)
	}
	dotted := organization(t, "example.com")
	if d := b.asked.Phone(t.Context(), number, &dotted); len(d.Commands) != 1 || d.Commands[0].Organization != "example.com" || *d.Organization != "example.com" || d.Connection == nil {
		t.Errorf("%+v", d)
	}
}

// The newest commands are kept where there are too many.
func TestALongHistoryIsCutAtItsBeginning(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.execute(`insert into connect_provider.inbox (org_token, key, digest, lane, stream_created, generation, sequence, message_time, decided_at,
			phone_number, changed, failure_code, failure)
		select 'acme', 'c' || n, decode(repeat('00', 16), 'hex'), 'c0', 1, 1, n, 1, now() + n * interval '1 second', '+1234567890', false, 'bridge_not_found', '{"message":"m"}'
		from generate_series(1, $1::int) n`, mostCommands+2)
	number, err := messages.ParsePhoneNumber("+1234567890")
	if err != nil {
		t.Fatal(err)
	}
	d := b.asked.Phone(t.Context(), number, nil)
	if !d.Cut || len(d.Commands) != mostCommands || *d.Commands[0].CommandID != "c3" || *d.Commands[mostCommands-1].CommandID != fmt.Sprint("c", mostCommands+2) {
		t.Errorf("%d commands, cut %v, from %s", len(d.Commands), d.Cut, *d.Commands[0].CommandID)
	}
}
