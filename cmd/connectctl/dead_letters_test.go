package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

const (
	sound   = `{"command_id":"order-1","bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890"}`
	unsound = `{"command_id":"order-2","bridge_slug":"sales-bridge-001","provider_config_id":"42","phone_number":"+1234567890"}`
)

// aLetter is a dead letter as a test puts it into the table.
type aLetter struct {
	lane, token, code, subject, headers, body string
	sequence                                  int64
	generation, time                          int64 // 1 and 1 unless given
	died                                      string
	redrives                                  int
}

func (o *operated) put(l aLetter) {
	o.t.Helper()
	putLetter(o.t, o.databaseURL, l)
}

func putLetter(t *testing.T, url string, l aLetter) {
	t.Helper()
	pool := openPool(t, url)
	l.generation, l.time = max(l.generation, 1), max(l.time, 1_763_892_000_000_000_001)
	if l.token == "" {
		l.token = "acme"
	}
	if l.code == "" {
		l.code = "internal_error"
	}
	if l.died == "" {
		l.died = "2026-11-23T10:00:00Z"
	}
	if l.subject == "" {
		l.subject = "telephony.commands." + l.lane[1:] + "." + l.token + ".connect-provider"
	}
	_, err := pool.Exec(t.Context(), `insert into connect_provider.dead_letters
		(lane, stream_created, sequence, message_time, generation, org_token, subject, headers, body, code, error, died_at, redrives, redriven_at, redriven_as)
		values ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, 'planted for +1234567890', $10::timestamptz, $11,
		        case when $11 > 0 then $10::timestamptz + interval '1 hour' end, case when $11 > 0 then 'redrive:' || $12 || ':' || $11 end)`,
		l.lane, l.sequence, l.time, l.generation, l.token, l.subject, []byte(l.headers), []byte(l.body), l.code, l.died, l.redrives,
		fmt.Sprintf("%s.%d.%d", l.lane, l.generation, l.sequence))
	if err != nil {
		t.Fatal(err)
	}
}

// listed returns the ids that list prints.
func listed(t *testing.T, out string) string {
	t.Helper()
	var ids []string
	for _, row := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
		ids = append(ids, strings.Fields(row)[0])
	}
	return strings.Join(ids, " ")
}

func TestDeadLettersAreChosen(t *testing.T) {
	t.Parallel()
	url := systemtest.MigratedDatabase(t)
	list := func(args ...string) string {
		out, _ := runs(t, 0, append([]string{"dead-letters", "list", "--database-url", url}, args...)...)
		return out
	}
	contains(t, list(), "No dead letter.")
	for _, l := range []aLetter{
		{lane: "c7", sequence: 10, died: "2026-11-23T10:00:00Z"},
		{lane: "c7", sequence: 9, died: "2026-11-23T12:00:00Z", code: "malformed_command"},
		{lane: "b7", sequence: 11, died: "2026-11-24T10:00:00Z", token: "example%2Ecom"},
		{lane: "c7", sequence: 12, died: "2026-11-22T10:00:00Z", redrives: 2},
		{lane: "c8", sequence: 13, died: time.Now().Format(time.RFC3339)},
		// after a restored backup a place can come twice
		{lane: "c9", sequence: 14, died: "2026-11-21T10:00:00Z", time: 1_763_892_000_000_000_007},
		{lane: "c9", sequence: 14, died: "2026-11-21T11:00:00Z", time: 1_763_892_000_000_000_008},
	} {
		putLetter(t, url, l)
	}
	twins := "c9.1.14.1763892000000000007 c9.1.14.1763892000000000008"
	for _, tt := range []struct{ args, want string }{
		{"", twins + " c7.1.10 c7.1.9 b7.1.11 c8.1.13"}, // newest last
		{"--all", twins + " c7.1.10 c7.1.9 b7.1.11 c8.1.13"},
		{"--redriven", "c7.1.12"},
		{"--every", twins + " c7.1.12 c7.1.10 c7.1.9 b7.1.11 c8.1.13"},
		{"--code malformed_command", "c7.1.9"},
		{"--org example.com", "b7.1.11"},
		{"--lane c7", "c7.1.10 c7.1.9"},
		{"--lane c7 --every --until 2026-11-23", "c7.1.12"},
		{"--since 2026-11-23T12:00:00Z --until 2026-11-24T10:00:00Z", "c7.1.9"},
		{"--since 1h", "c8.1.13"},
		{"c7.1.9 b7.1.11 c7.1.9 c7.1.12", "c7.1.9 b7.1.11 c7.1.12"},
		{"c9.1.14.1763892000000000008", "c9.1.14.1763892000000000008"},
	} {
		if got := listed(t, list(strings.Fields(tt.args)...)); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.args, got, tt.want)
		}
	}
	contains(t, list("--lane", "b7"), "ORGANIZATION", "example.com", "internal_error", "planted for +1*****7890")
	contains(t, list("--lane", "b7", "--reveal"), "planted for +1234567890")
	contains(t, list("--redriven"), "2 times")

	_, stderr := runs(t, 1, "dead-letters", "list", "--database-url", url, "c9.1.14", "c7.2.9", "c7.1.9")
	contains(t, stderr, "c9.1.14 names 2 dead letters", "c9.1.14.1763892000000000007  died 2026-11-21T10:00:00Z  acme", "there is no dead letter c7.2.9")
}

func TestDeadLettersRefusesWhatSaysNothing(t *testing.T) {
	t.Parallel()
	const url = "--database-url=postgres://127.0.0.1:1/nobody"
	for args, wants := range map[string][]string{
		"redrive":                  {"no dead letter is chosen"},
		"discard --every":          {"no dead letter is chosen"},
		"redrive c7.1.1 --all":     {"not by both"},
		"discard c7.1":             {`"c7.1" is no dead letter's id`, "c7.1.4711"},
		"show c7.1.x":              {"is no dead letter's id"},
		"list --code no_such_code": {"only malformed_command and internal_error leave dead letters"},
		"list --since yesterday --until=tomorrow --lane 7 --redriven --every": {"--since ", "--until ", "--lane: ", "choose one"},
		"redrive --all --body file --rate=0 --wait=-1s --verb=stop":           {"--body is for one dead letter", "--rate 0", "--wait -1s", `--verb "stop"`},
	} {
		_, stderr := runs(t, 2, append([]string{"dead-letters"}, append(strings.Fields(args), url)...)...)
		contains(t, stderr, wants...)
	}
}

// What the commands print in JSON is a promise.
func TestDeadLetterDocuments(t *testing.T) {
	t.Parallel()
	url := systemtest.MigratedDatabase(t)
	putLetter(t, url, aLetter{lane: "c7", sequence: 10, headers: "Content-Type: application/json\r\nX-Caller: +1234567890\r\n", body: sound})
	putLetter(t, url, aLetter{lane: "b7", sequence: 11, token: "~no~encoding", code: "malformed_command", body: "\x00\xff 1 234 567 890", redrives: 2})
	pool := openPool(t, url)
	if _, err := pool.Exec(t.Context(), `insert into connect_provider.inbox (org_token, key, digest, lane, stream_created, generation, sequence, message_time, decided_at, changed, failure_code, failure)
		values ('~no~encoding', 'redrive:b7.1.11:1', '0123456789abcdef', 'b7', 1, 1, 12, 1, '2026-11-23T11:00:00Z', false, 'bridge_not_found', '{"message":"No such bridge."}')`); err != nil {
		t.Fatal(err)
	}
	for file, args := range map[string][]string{
		"list.json":                {"list", "--every", "--json"},
		"show.json":                {"show", "c7.1.10", "--json"},
		"show-revealed.json":       {"show", "c7.1.10", "--json", "--reveal"},
		"show-redriven.json":       {"show", "b7.1.11", "--json"},
		"show.txt":                 {"show", "c7.1.10"},
		"show-redriven.txt":        {"show", "b7.1.11"},
		"show-redriven-reveal.txt": {"show", "b7.1.11", "--reveal"},
		"list.txt":                 {"list", "--every"},
	} {
		out, _ := runs(t, 0, append(append([]string{"dead-letters"}, args...), "--database-url", url)...)
		if strings.HasSuffix(file, ".json") && !json.Valid([]byte(out)) {
			t.Errorf("%s is no JSON: %s", file, out)
		}
		golden(t, filepath.Join("dead-letters", file), out)
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	o.restricted()
	for i := range 4 {
		o.put(aLetter{lane: "c7", sequence: int64(10 + i), redrives: i / 3})
	}
	_, stderr := o.ctl(1, "dead-letters", "discard", "c7.1.10")
	contains(t, stderr, "1 dead letter and what it holds would be deleted for good", "nothing was done", "--yes")
	out, _ := o.ctl(0, "dead-letters", "discard", "c7.1.10", "--yes")
	contains(t, out, "discarded  c7.1.10 (acme, internal_error, died 2026-11-23T10:00:00Z)")
	_, stderr = o.ctl(1, "dead-letters", "discard", "c7.1.10", "c7.1.11", "--yes")
	contains(t, stderr, "there is no dead letter c7.1.10")
	out, _ = o.ctl(0, "dead-letters", "discard", "--all", "--yes")
	contains(t, out, "discarded  c7.1.11", "discarded  c7.1.12")
	if n := o.count(`select min(sequence) from connect_provider.dead_letters`); n != 13 {
		t.Error("a letter that was redriven went with those that were not")
	}
	out, _ = o.ctl(0, "dead-letters", "discard", "--all", "--yes")
	contains(t, out, "No dead letter matches.")
}

// As a worker writes them, so they are read.
func TestHeadersOfADeadLetter(t *testing.T) {
	t.Parallel()
	header := parseHeader([]byte("A: 1\r\nA: \r\nB c: x: y\r\nD: e\nf\r\n"))
	if len(header) != 3 || len(header["A"]) != 2 || header["A"][1] != "" || header["B c"][0] != "x: y" || header["D"][0] != "e\nf" {
		t.Errorf("%q", header)
	}
}

// Every id of a redrive can be a command's, whatever the letter's.
func TestRedriveIDsAreCommandIDs(t *testing.T) {
	t.Parallel()
	l := letter{letterID: letterID{messages.Lane{Class: messages.Bulk, Number: messages.MaxLanes - 1}, 1<<63 - 1, 1<<63 - 1, 1<<63 - 1}, ambiguous: true}
	command := exampleCommand
	command.ID = l.attempt(1<<31 - 1)
	if failure := command.Validate(); failure != nil {
		t.Errorf("%s: %v", command.ID, failure)
	}
}
