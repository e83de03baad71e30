package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

// dead publishes what becomes a dead letter and returns its id.
func (o *operated) dead(token, verb, body string, header nats.Header) string {
	o.t.Helper()
	before := o.count(`select count(*) from connect_provider.dead_letters`)
	sequence := o.send(token, verb, body, header)
	o.await("a dead letter", before+1, `select count(*) from connect_provider.dead_letters`)
	return fmt.Sprintf("%s.1.%d", messages.Lane{Class: messages.Interactive, Number: messages.Partition(token, 16)}, sequence)
}

// TestRedrive takes one letter through its life: a defect fails it, it is
// redriven while the defect stands, again when it is mended, and once more.
func TestRedrive(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	o.restricted()
	o.refuse("order-1", "22003")
	id := o.dead("acme", "connect-provider", sound, nil)
	// it is the content that is refused, whatever its id
	o.exec(`create or replace function connect_provider.refuse_content() returns trigger language plpgsql as
		$$ begin if new.failure_code is distinct from 'internal_error' then raise exception 'planted' using errcode = '22003'; end if; return new; end $$`)
	o.exec(`create trigger refuse_content before insert on connect_provider.inbox for each row when (new.bridge_slug = 'sales-bridge-001')
		execute function connect_provider.refuse_content()`)
	redrive := func(code int, more ...string) string {
		t.Helper()
		out, _ := o.ctl(code, append([]string{"dead-letters", "redrive", "--wait", "30s"}, more...)...)
		return out
	}

	contains(t, redrive(0, id, "--dry-run"), "would do   "+id+" → telephony.commands.acme.connect-provider, ", "as command redrive:"+id+":1")
	if n := o.count(`select sum(redrives) from connect_provider.dead_letters`); n != 0 {
		t.Error("a dry run marks")
	}
	contains(t, redrive(exitFailed, id), "accepted   "+id+" → sequence 2 of TELEPHONY_COMMANDS as command redrive:"+id+":1",
		"failed     "+id+": internal_error")
	o.exec(`drop trigger refuse_content on connect_provider.inbox`)
	contains(t, redrive(0, id), "as command redrive:"+id+":2", "connected  "+id)
	contains(t, redrive(0, id), "as command redrive:"+id+":3", "connected  "+id)
	if n := o.count(`select count(*) from connect_provider.inbox where key like 'redrive:%:3' and not changed and failure_code is null`); n != 1 {
		t.Error("the third redrive was not a command of its own that changed nothing")
	}
	out, _ := o.ctl(0, "dead-letters", "show", id)
	contains(t, out, "redrive 1     redrive:"+id+":1: failed 20", "internal_error", "redrive 2     redrive:"+id+":2: connected 20", "redrive 3     redrive:"+id+":3: connected 20")
	out, _ = o.ctl(0, "dead-letters", "list")
	// the first redrive has left a letter of its own
	contains(t, out, laneOfAcme()+".1.2")
	if strings.Contains(out, id+" ") {
		t.Errorf("what was redriven is listed as open:\n%s", out)
	}
	if n := o.count(`select count(*) from connect_provider.connections where phone_number = '+1234567890' and connection_version = 1`); n != 1 {
		t.Error("not connected once")
	}
}

// TestRedriveAfterACrash between the stream's acknowledgement and the mark: the
// same attempt again is the same command, decided once.
func TestRedriveAfterACrash(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	o.refuse("order-1", "22003")
	id := o.dead("acme", "connect-provider", sound, nil)
	o.accept("order-1")
	o.exec(`create function connect_provider.crash() returns trigger language plpgsql as $$ begin raise exception 'crashed'; end $$`)
	o.exec(`create trigger crash before update on connect_provider.dead_letters for each row execute function connect_provider.crash()`)
	out, _ := o.ctl(0, "dead-letters", "redrive", id, "--wait", "30s")
	contains(t, out, "accepted   "+id, "note       "+id+" was published and can't be marked as redriven", "connected  "+id)
	o.exec(`drop trigger crash on connect_provider.dead_letters`)
	out, _ = o.ctl(0, "dead-letters", "redrive", id, "--wait", "30s")
	contains(t, out, "as command redrive:"+id+":1", "connected  "+id+" (decided before, nothing was done now)")
	if n := o.count(`select count(*) from connect_provider.inbox where key like 'redrive:%'`); n != 1 {
		t.Errorf("decided %d times", n)
	}
	if n := o.count(`select redrives from connect_provider.dead_letters`); n != 1 {
		t.Errorf("%d redrives are marked, want 1", n)
	}
	// with another content the id is taken: it fails, and is not told as the earlier one
	o.exec(`update connect_provider.dead_letters set redrives = 0, redriven_at = null, redriven_as = null`)
	other := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(other, []byte(strings.Replace(sound, "001", "002", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = o.ctl(exitFailed, "dead-letters", "redrive", id, "--wait", "30s", "--body", other)
	contains(t, out, "failed     "+id+": command_id_reused")
}

// TestRedriveCorrected publishes another body in place of one that nobody could
// understand.
func TestRedriveCorrected(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	id := o.dead("acme", "connect-provider", unsound, nats.Header{"X-Own": {"a: b", "c"}, "Authorization": {"Token secret"}})
	shown, _ := o.ctl(0, "dead-letters", "show", id)
	contains(t, shown, "header        X-Own: a: b\nheader        X-Own: c\nbody")
	out, _ := o.ctl(exitFailed, "dead-letters", "redrive", id)
	contains(t, out, "refused    "+id+`: it would die again: malformed_command`, "provider_config_id", "--body", "--malformed")
	if n := o.count(`select sum(redrives) from connect_provider.dead_letters`); n != 0 {
		t.Error("what was refused is marked")
	}
	corrected := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(corrected, []byte(strings.Replace(unsound, `"42"`, `42`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = o.ctl(0, "dead-letters", "redrive", id, "--body", corrected, "--wait", "30s")
	contains(t, out, "as command redrive:"+id+":1", "connected  "+id)

	// from standard input, by the program as it is started
	second := o.dead("acme", "connect-provider", "not a command", nil)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := exec.Command(executable, "dead-letters", "redrive", second, "--body=-", "--wait", "30s", "--database-url", o.url, "--server", o.natsURL)
	program.Env = append(os.Environ(), asProgram+"=1")
	program.Stdin = strings.NewReader(`{"bridge_slug":"nowhere","provider_config_id":42,"phone_number":"+1234567890"}`)
	text, err := program.CombinedOutput()
	if program.ProcessState.ExitCode() != exitFailed {
		t.Errorf("ended with %v", err)
	}
	contains(t, string(text), "without an id of its own", "failed     "+second+": bridge_not_found")

	// what this program can't understand goes out when that is asked for
	out, _ = o.ctl(exitFailed, "dead-letters", "redrive", second, "--malformed", "--wait", "30s")
	contains(t, out, "accepted   "+second, "failed     "+second+": malformed_command")
	out, _ = o.ctl(0, "dead-letters", "show", second)
	contains(t, out, "redrive 2     without an id")
}

// TestRedriveKeepsWhatBelongsToTheCommand: organization, class, verb, headers
// and form; and sends nothing that the server would obey.
func TestRedriveKeepsWhatBelongsToTheCommand(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	const body = `{"bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890"}`
	o.put(aLetter{lane: "b3", sequence: 7, token: "example%2Ecom", subject: "telephony.bulk.3.example%2Ecom.connect-provider", body: body, headers: strings.Join([]string{
		"Nats-Msg-Id: old", "Nats-Expected-Last-Sequence: 99", "Nats-Expected-Stream: OTHER", "Nats-Rollup: all", "nats-ttl: 1s", "Nats-Batch-Id: x", "Nats-Batch-Sequence: 7",
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Own: a", "X-Own: b", ""}, "\r\n")})
	out, _ := o.ctl(0, "dead-letters", "redrive", "b3.1.7")
	contains(t, out, "accepted   b3.1.7 → sequence 1 of TELEPHONY_BULK as command redrive:b3.1.7:1")
	stream, err := o.js.Stream(t.Context(), messages.Bulk.Stream())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := stream.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored.Subject, "telephony.bulk.") || !strings.HasSuffix(stored.Subject, ".example%2Ecom.connect-provider") {
		t.Errorf("subject %s", stored.Subject)
	}
	if string(stored.Data) != `{"command_id":"redrive:b3.1.7:1",`+body[1:] {
		t.Errorf("body %s", stored.Data)
	}
	if len(stored.Header) != 2 || strings.Join(stored.Header["X-Own"], "") != "ab" || stored.Header.Get("traceparent") == "" {
		t.Errorf("headers %v", stored.Header)
	}
}

// TestRedriveGoesOnAfterOneThatFails, says which those were, and asks before it
// publishes several.
func TestRedriveGoesOnAfterOneThatFails(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	verb := o.dead("acme", "disconnect-provider", sound, nil)
	o.dead("acme", "connect-provider", unsound, nil)
	o.put(aLetter{lane: "c0", sequence: 99, token: "%61cme", body: sound})
	o.put(aLetter{lane: "c0", sequence: 98, subject: "somewhere.else", body: sound})
	o.put(aLetter{lane: "c0", sequence: 97, body: strings.Repeat(" ", messages.MaxBody) + sound, headers: "X: " + strings.Repeat("x", messages.MaxMessage) + "\r\n"})
	o.refuse("order-3", "22003")
	last := o.dead("acme", "connect-provider", strings.Replace(sound, "order-1", "order-3", 1), nil)
	o.accept("order-3")

	_, stderr := o.ctl(1, "dead-letters", "redrive", "--all")
	contains(t, stderr, "6 dead letters would be published again as new commands; nothing was done", "--yes")
	out, _ := o.ctl(exitFailed, "dead-letters", "redrive", "--all", "--yes", "--wait", "30s", "--malformed", "--rate", "1000")
	contains(t, out, "refused    "+verb+`: its verb "disconnect-provider" is not known: give --verb connect-provider`,
		`refused    c0.1.99: its subject "telephony.commands.0.%61cme.connect-provider" names no organization`,
		"refused    c0.1.98: it can't be published where it came from", "refused    c0.1.97: ", "connected  "+last)
	if n := o.count(`select count(*) from connect_provider.dead_letters where redrives = 1`); n != 2 {
		t.Errorf("%d letters are marked, want the two that were accepted", n)
	}
	out, _ = o.ctl(0, "dead-letters", "redrive", verb, "--verb", "connect-provider", "--wait", "30s")
	contains(t, out, "connected  "+verb)

	if err := o.stopWorker(); err != nil {
		t.Fatal(err)
	}
	out, _ = o.ctl(exitUndecided, "dead-letters", "redrive", last, "--wait", "300ms")
	contains(t, out, "accepted   "+last, "undecided  "+last+" has no outcome within 300ms")
	if err := o.startWorker(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}
