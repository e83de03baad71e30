package main

import (
	"fmt"
	"testing"

	"connect-provider/messages"
)

// roommate finds a handle whose commands share acme's lanes.
func roommate(t *testing.T) string {
	t.Helper()
	for i := range 10_000 {
		if handle := fmt.Sprint("roommate-", i); messages.Partition(handle, 16) == messages.Partition("acme", 16) {
			return handle
		}
	}
	t.Fatal("no handle shares acme's lane")
	return ""
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	o.restricted()
	out, _ := o.ctl(0, "pause", "--list")
	contains(t, out, "Nothing is paused.")
	out, _ = o.ctl(0, "resume", "--org", "acme")
	contains(t, out, "unchanged  organization acme in class interactive was not paused", "unchanged  organization acme in class bulk was not paused")

	other := roommate(t)
	o.send(other, "connect-provider", `{"command_id":"x","bridge_slug":"b","provider_config_id":1,"phone_number":"+1234567890"}`, nil)
	o.await("the roommate's command", 1, `select count(*) from connect_provider.inbox where org_token = $1`, other)
	out, stderr := o.ctl(1, "pause", "--org", "acme", "--reason", "ticket 4711")
	contains(t, stderr, "1 other organization had commands decided in lanes "+laneOfAcme()+" and b", other, "they wait as well", "nothing was done", "--yes")
	if n := o.count(`select count(*) from connect_provider.pauses`); n != 0 {
		t.Fatalf("paused all the same: %s", out)
	}
	out, _ = o.ctl(0, "pause", "--org", "acme", "--reason", "ticket 4711", "--yes")
	contains(t, out, "paused     organization acme in class interactive: ticket 4711", "paused     organization acme in class bulk: ticket 4711",
		"1 other organization", "resume --org acme")
	out, _ = o.ctl(0, "pause", "--org", "acme", "--reason", "another")
	contains(t, out, "unchanged  organization acme in class bulk, paused since 20", ": ticket 4711")
	out, _ = o.ctl(0, "pause", "--class", "bulk", "--reason", "maintenance")
	contains(t, out, "paused     class bulk: maintenance", "resume --class bulk")
	out, _ = o.ctl(0, "pause", "--list")
	contains(t, out, "class bulk, paused since 20", "organization acme in class interactive, paused since 20", "organization acme in class bulk")

	contains(t, o.publish(exitUndecided, "--id", "one", "--wait", "300ms"), "undecided")
	told := o.toldWorkers()
	out, _ = o.ctl(0, "resume", "--org", "acme", "--class", "interactive")
	told()
	contains(t, out, "resumed    organization acme in class interactive, paused since 20", ": ticket 4711")
	contains(t, o.publish(0, "--id", "one", "--wait", "30s"), "connected")

	out, _ = o.ctl(0, "resume", "--class", "bulk")
	contains(t, out, "resumed    class bulk", "note       still: organization acme in class bulk")
	out, _ = o.ctl(0, "pause", "--class", "bulk", "--org", "nobody-s-handle", "--reason", "typed wrong")
	contains(t, out, "the platform has no organization nobody-s-handle", "no other organization had commands decided in lane b")
	if n := o.count(`select count(*) from connect_provider.pauses`); n != 2 {
		t.Errorf("%d pauses, want 2", n)
	}
	out, _ = o.ctl(0, "pause", "--class", "bulk", "--reason", "again")
	contains(t, out, "paused     class bulk: again")
	out, _ = o.ctl(0, "resume", "--org", "acme")
	contains(t, out, "unchanged  organization acme in class interactive was not paused", "resumed    organization acme in class bulk", "note       still: class bulk")
}

func TestPauseRefusesWhatSaysNothing(t *testing.T) {
	t.Parallel()
	const database = "--database-url=postgres://127.0.0.1:1/nobody"
	_, stderr := runs(t, 2, "pause", database)
	contains(t, stderr, "give --class, --org or both", "--reason is missing")
	_, stderr = runs(t, 2, "pause", database, "--class", "express", "--org", "\x01", "--reason", " ")
	contains(t, stderr, "choose interactive or bulk", "--org: ", "--reason")
	_, stderr = runs(t, 2, "pause", database, "--list", "--org", "acme")
	contains(t, stderr, "--list goes by itself")
	_, stderr = runs(t, 2, "resume", database)
	contains(t, stderr, "give --class, --org or both")
}

// A resume that can't tell the workers has resumed all the same.
func TestResumeWithoutNATS(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	o.ctl(0, "pause", "--org", "acme", "--reason", "ticket 4711")
	o.natsURL = "nats://127.0.0.1:1"
	out, _ := o.ctl(0, "resume", "--org", "acme")
	contains(t, out, "resumed    organization acme in class interactive", "the workers could not be told", "within a second")
}
