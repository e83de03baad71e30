package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connect-provider/messages"
)

func TestWatchShowsWhatComesFromNowOn(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	b.publish(3)
	w := b.watch()
	live := b.publish(20)
	w.shows(live...)
	w.end(live...)
}

func TestWatchJoinsThePastToThePresent(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	all := b.publish(300)
	w := b.start("--since", "start", "--org", "acme")
	all = append(all, b.publish(300)...)
	w.shows(all...)
	w.end(all...)

	out, _ := runs(t, 0, "watch", "--server", b.server.URL(), "--since", "10m", "--until-now")
	if lines := strings.Count(out, "\n"); lines != len(all) {
		t.Errorf("%d events of the last ten minutes, want %d", lines, len(all))
	}
	middle := time.Now()
	later := b.publish(2)
	out, _ = runs(t, 0, "watch", "--server", b.server.URL(), "--since", middle.Format(time.RFC3339Nano), "--until-now")
	if lines := strings.Count(out, "\n"); lines != len(later) || !strings.Contains(out, later[0]) {
		t.Errorf("since %s there were\n%s", middle, out)
	}
}

func TestWatchEndsWhereAsked(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	out, _ := runs(t, 0, "watch", "--server", b.server.URL(), "--since", "start", "--until-now")
	if out != "" {
		t.Errorf("an empty stream has %q", out)
	}
	ids := b.publish(700) // more than are asked for at once
	w := b.start("--since", "start", "--count", "3")
	w.exits(0)
	w.check(ids[:3])
	w = b.start("--since", "start", "--until-now", "--failed")
	w.exits(0)
	w.check(nil)
	w = b.start("--since", "start", "--until-now")
	w.exits(0)
	w.check(ids)
	w = b.watch("--count", "2", "--command", "command-702")
	live := b.publish(2)
	b.put(watchedEvent("acme", live[1]))
	w.exits(0)
	w.check([]string{live[1], live[1]})
}

func TestWatchFilters(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	put := func(handle, id string, change func(e *messages.Event)) {
		e := watchedEvent(handle, id)
		change(&e)
		b.put(e)
	}
	failure := func(code messages.Code) func(*messages.Event) {
		return func(e *messages.Event) {
			e.Type, e.Data.Error = messages.EventConnectFailed, &messages.Failure{Code: code}
		}
	}
	put("acme", "plain", func(*messages.Event) {})
	put("acme", "numbered", func(e *messages.Event) { e.Data.PhoneNumber = "+1234567890" })
	put("acme", "friday", func(e *messages.Event) { e.Data.Metadata = map[string]string{"job": "friday", "row": "17"} })
	put("acme", "monday", func(e *messages.Event) { e.Data.Metadata = map[string]string{"job": "monday", "row": "friday"} })
	put("acme", "bulk", func(e *messages.Event) { e.Lane.Class = messages.Bulk })
	put("acme", "no-bridge", failure(messages.BridgeNotFound))
	put("acme", "in-use", failure(messages.PhoneNumberInUse))
	put("acme", "malformed", func(e *messages.Event) {
		failure(messages.MalformedCommand)(e)
		e.CommandID = "" // it only claims an id
	})
	put("example.com", "dotted", failure(messages.BridgeNotFound))
	b.store("telephony.events.c0.acme.provider-disconnected",
		[]byte(`{"specversion":"1.0","id":"02548ef8-27e4-5208-885d-83d853462ef9","type":"telephony.provider.disconnected.v1","data":{}}`))
	b.store("telephony.events.b0.acme.provider-connected", []byte("no JSON"))

	const unknown, garbled = "of a type that this version does not know", "is not understood"
	for _, test := range []struct {
		args string
		want []string
	}{
		{"", []string{"plain", "numbered", "friday", "monday", "bulk", "no-bridge", "in-use", "malformed", "dotted", unknown, garbled}},
		{"--org=acme", []string{"plain", "numbered", "friday", "monday", "bulk", "no-bridge", "in-use", "malformed", unknown, garbled}},
		{"--org=example.com", []string{"dotted"}},
		{"--failed", []string{"no-bridge", "in-use", "malformed", "dotted"}},
		{"--failed --org=acme", []string{"no-bridge", "in-use", "malformed"}},
		{"--code=bridge_not_found", []string{"no-bridge", "dotted"}},
		{"--code=bridge_not_found --code=phone_number_in_use --org=acme", []string{"no-bridge", "in-use"}},
		{"--phone=+1234567890", []string{"numbered"}},
		{"--job=friday", []string{"friday"}},
		{"--class=bulk", []string{"bulk", garbled}},
		{"--class=interactive --org=acme", []string{"plain", "numbered", "friday", "monday", "no-bridge", "in-use", "malformed", unknown}},
		{"--command=plain", []string{"plain"}},
		{"--command=malformed", []string{"malformed"}},
		{"--job=friday --failed", nil},
	} {
		for _, consumer := range []string{"", "through-" + fmt.Sprint(len(test.args))} {
			args := append([]string{"watch", "--server", b.server.URL(), "--since", "start", "--until-now"}, strings.Fields(test.args)...)
			if consumer != "" {
				args = append(args, "--consumer", consumer+"-"+fmt.Sprint(time.Now().UnixNano()))
			}
			out, _ := runs(t, 0, args...)
			lines := slices.Collect(strings.Lines(out))
			right := len(lines) == len(test.want)
			for i := range min(len(lines), len(test.want)) {
				right = right && strings.Contains(lines[i], " "+test.want[i])
			}
			if !right {
				t.Errorf("%q %s\n%swant %q", test.args, consumer, out, test.want)
			}
		}
	}
}

// What nobody wants to see is not sent. Who wants all gives no filter: comparing
// subjects costs the server more than reading.
func TestWatchHasTheServerFilterBySubject(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                 "",
		"--org=example.com":                "telephony.events.*.example%2Ecom.>",
		"--failed":                         "telephony.events.*.*.provider-connect-failed",
		"--org=acme --code=internal_error": "telephony.events.*.acme.provider-connect-failed",
		"--org=acme --failed --consumer=x": "telephony.events.*.acme.>",
	} {
		b := newWatchBed(t)
		b.watch(strings.Fields(args)...)
		consumer, err := b.js.Consumer(t.Context(), messages.EventsStream, b.consumers()[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := consumer.CachedInfo().Config.FilterSubject; got != want {
			t.Errorf("%q: filter %q, want %q", args, got, want)
		}
	}
}

func TestWatchPrintsDocumentsAsTheyAre(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	e := watchedEvent("acme", "one")
	e.Data.PhoneNumber, e.Data.BridgeSlug = "+1234567890", "turned \u202e \u009b"
	b.put(e)
	unknown := `{"specversion":"1.0","type":"telephony.provider.disconnected.v1"}`
	b.store("telephony.events.c0.acme.provider-disconnected", []byte(strings.ReplaceAll(unknown, ",", ",\n ")))
	b.store("telephony.events.c0.acme.provider-connected", []byte("no JSON"))
	out, stderr := runs(t, 0, "watch", "--server", b.server.URL(), "--since", "start", "--until-now", "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || lines[1] != unknown {
		t.Fatalf("got %s", out)
	}
	contains(t, lines[0], `turned \u202e \u009b`)
	contains(t, stderr, "this event is no JSON document", `"event":3`)
	got, err := messages.DecodeEvent([]byte(lines[0]))
	if err != nil || got.Data.PhoneNumber != "+1234567890" || got.Data.BridgeSlug != e.Data.BridgeSlug {
		t.Errorf("%v, %v", got, err)
	}
	if !json.Valid([]byte(lines[0])) {
		t.Error("no JSON")
	}
}

func TestWatchMasksNumbersUnlessToldTo(t *testing.T) {
	t.Parallel()
	b := newWatchBed(t)
	e := watchedEvent("acme", "one")
	e.Data.PhoneNumber = "+1234567890"
	b.put(e)
	args := []string{"watch", "--server", b.server.URL(), "--since", "start", "--until-now"}
	out, stderr := runs(t, 0, args...)
	if strings.Contains(out+stderr, "34567890") || !strings.Contains(out, "+1*****7890") {
		t.Errorf("printed %s", out)
	}
	out, _ = runs(t, 0, append(args, "--reveal")...)
	contains(t, out, " +1234567890 ")
}

func TestWatchRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	_, stderr := runs(t, 2, "watch", "--org", "\x1b", "--class", "express", "--code", "teapot", "--since", "yesterday", "--count=-1", "--consumer", "a.b", "--server", "http://h")
	contains(t, stderr, "--org: ", "--class", `--code "teapot": choose of malformed_command`, `--since "yesterday" is neither`, "--count -1", "--consumer", "scheme")
	for _, since := range []string{"-5m", "0s", time.Now().Add(time.Hour).Format(time.RFC3339)} {
		_, stderr = runs(t, 2, "watch", "--since="+since)
		contains(t, stderr, "is not in the past")
	}
	_, stderr = runs(t, 2, "watch", "--until-now")
	contains(t, stderr, "--until-now: say with --since where to begin")
	_, stderr = runs(t, 1, "watch", "--server", "nats://127.0.0.1:1")
	contains(t, stderr, "is it running?")
}
